//! Consistency tokens: "answer me only once this upload is searchable".

use crate::id::{DocumentId, Version};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Names the version of a document that a search must have applied.
///
/// Opaque to clients; the text form is `v1.<document id, 32 hex digits>.<version>`,
/// or `….deleted` where the document must be gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsistencyToken {
    /// The document.
    pub document_id: DocumentId,
    /// The version that must be visible, or a later one; a deletion is the last.
    pub version: Version,
}

/// In place of a version: the deletion.
const DELETED: &str = "deleted";

impl ConsistencyToken {
    /// Asks that the deletion of a document was applied.
    pub fn of_deletion(document_id: DocumentId) -> Self {
        Self { document_id, version: Version(i32::MAX) }
    }
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let document = self.document_id.0.simple();
        match *self == Self::of_deletion(self.document_id) {
            true => write!(f, "v1.{document}.{DELETED}"),
            false => write!(f, "v1.{document}.{}", self.version),
        }
    }
}

impl FromStr for ConsistencyToken {
    type Err = &'static str;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        const BAD: &str =
            "not a consistency token: pass the `consistency_token` of an upload as it was given";
        let mut parts = s.split('.');
        let (Some("v1"), Some(document), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BAD);
        };
        let document_id = DocumentId(Uuid::parse_str(document).map_err(|_| BAD)?);
        match version {
            DELETED => Ok(Self::of_deletion(document_id)),
            version => Ok(Self { document_id, version: Version(version.parse().map_err(|_| BAD)?) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusal() {
        let token = ConsistencyToken { document_id: DocumentId::generate(), version: Version(3) };
        assert_eq!(token.to_string().parse(), Ok(token));
        let deletion = ConsistencyToken::of_deletion(token.document_id);
        assert!(deletion.to_string().ends_with(".deleted"));
        assert_eq!(deletion.to_string().parse(), Ok(deletion));
        assert!("v1.x.1".parse::<ConsistencyToken>().is_err());
        assert!("".parse::<ConsistencyToken>().is_err());
    }
}
