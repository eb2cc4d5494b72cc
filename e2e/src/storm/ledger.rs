//! What a client remembers of its documents: what it was told, and so may expect.

/// What has to become of a document in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is complete and found.
    Complete,
    /// Its last version was cancelled; the one before may be found.
    Cancelled,
    /// It is nowhere.
    Deleted,
}

/// A document, as its client was told.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Its id.
    pub(super) id: String,
    /// The job of the last version that was acknowledged.
    pub(super) job: String,
    /// That version.
    pub(super) version: i64,
    /// The name that all of its text is about; its end is the number of the text.
    pub(super) name: String,
    /// Parts of that text.
    pub(super) parts: usize,
    /// The client's own id of it.
    pub(super) external_id: Option<String>,
    /// The job is held.
    pub(super) paused: bool,
    /// What has to become of it.
    pub(super) fate: Fate,
}
