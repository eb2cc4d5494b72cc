//! Consistency tokens: "answer me only once this upload is searchable".

use crate::id::{DocumentId, Version};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Names the version of a document that a search must have applied.
///
/// Opaque to clients; the text form is `v1.<document id, 32 hex digits>.<version>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsistencyToken {
    /// The document.
    pub document_id: DocumentId,
    /// The version that must be visible, or a later one.
    pub version: Version,
}

impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1.{}.{}", self.document_id.0.simple(), self.version)
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
        Ok(Self {
            document_id: DocumentId(Uuid::parse_str(document).map_err(|_| BAD)?),
            version: Version(version.parse().map_err(|_| BAD)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusal() {
        let token = ConsistencyToken { document_id: DocumentId::generate(), version: Version(3) };
        assert_eq!(token.to_string().parse(), Ok(token));
        assert!("v1.x.1".parse::<ConsistencyToken>().is_err());
        assert!("".parse::<ConsistencyToken>().is_err());
    }
}
