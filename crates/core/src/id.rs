//! Identifiers. Each is a UUID behind its own type, so that one can't be
//! passed where another is meant.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new time-ordered id (UUIDv7), so that rows made together lie together.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }
    };
}

id! {
    /// A document: what a user uploads, updates (see [`Version`]) and deletes.
    DocumentId
}
id! {
    /// The processing of one version of one document.
    JobId
}
id! {
    /// Files that belong together: of one request, one folder, one import.
    BatchId
}
id! {
    /// Something that is to be fetched.
    ImportId
}
id! {
    /// A resumable upload.
    UploadId
}
id! {
    /// One chunk of one version of one document; see [`ChunkId::derive`].
    ChunkId
}
id! {
    /// A persona: who answers from one collection, and how.
    PersonaId
}
id! {
    /// A conversation with a persona.
    SessionId
}
id! {
    /// A webhook: where the events of documents are sent.
    WebhookId
}
id! {
    /// Somebody who is to be told, once, how a job or a batch ended.
    NoticeId
}

id! {
    /// A question that runs as a job.
    QueryJobId
}

id! {
    /// A request to send dead letters back to where they came from.
    RedriveId
}

/// The epoch of a document: 1 for the first upload, one more for every update.
///
/// Every write names the version it is for, so that late work of a superseded
/// one changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The namespace of derived chunk ids: a UUIDv4 drawn once for this project.
const CHUNK_NAMESPACE: Uuid = Uuid::from_u128(0x5f0c_1c64_27a9_4d0e_9c3b_7d7f_3a52_e8b1);

impl ChunkId {
    /// The id of the chunk at `position` of a version, as cut by `chunker`
    /// (its name and settings): a UUIDv5, so that doing the work again gives
    /// the same ids and every effect keyed by them is idempotent.
    pub fn derive(document: DocumentId, version: Version, chunker: &str, position: u32) -> Self {
        let name = format!("{document}/{version}/{chunker}/{position}");
        Self(Uuid::new_v5(&CHUNK_NAMESPACE, name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_ids_depend_on_all_parts_and_nothing_else() {
        let d = DocumentId(Uuid::from_u128(7));
        let id = ChunkId::derive(d, Version(1), "c1", 0);
        assert_eq!(id, ChunkId::derive(d, Version(1), "c1", 0));
        let others = [
            ChunkId::derive(DocumentId(Uuid::from_u128(8)), Version(1), "c1", 0),
            ChunkId::derive(d, Version(2), "c1", 0),
            ChunkId::derive(d, Version(1), "c2", 0),
            ChunkId::derive(d, Version(1), "c1", 1),
        ];
        assert!(others.iter().all(|other| *other != id));
    }

    #[test]
    fn chunk_ids_never_change_between_releases() {
        let id = ChunkId::derive(DocumentId(Uuid::nil()), Version(1), "tokens-200-40", 3);
        assert_eq!(id.to_string(), "c4d3d8fb-5ad7-5cbb-be7e-625480d08831");
    }
}
