//! What it means that a chunk is here and not there, and what to do about it.

use ragstream_api::admin::{Difference, DifferenceKind};
use ragstream_core::{
    chunk::ChunkStatus,
    contents::{LiveRecord, Standing},
    ports::{RowState, Suspect},
};
use std::collections::BTreeSet;

/// What is wrong with a suspect, or that it is too early to say. What is in order has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Work on it is under way.
    InFlight,
    /// The sides differ.
    Differs(Box<Difference>),
}

impl Verdict {
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self, Self::InFlight)
    }
}

/// All that is known of a suspect.
pub(super) struct Evidence<'a> {
    pub(super) suspect: Suspect,
    /// Its newest record, where that has a value.
    pub(super) record: Option<&'a LiveRecord>,
    pub(super) row: RowState,
    /// The query nodes that show it, and those that don't. Those that could not be
    /// asked are in neither.
    pub(super) shown_by: BTreeSet<String>,
    pub(super) not_shown_by: BTreeSet<String>,
    /// Some of these are behind the log that was read, and all others agree.
    pub(super) nodes_behind: bool,
}

/// `None`: it is in order.
pub(super) fn judge(evidence: Evidence<'_>) -> Option<Verdict> {
    let kind = match evidence.suspect.chunk_id {
        Some(_) => of_chunk(&evidence)?,
        None => of_marker(&evidence)?,
    };
    if evidence.row.moving || evidence.nodes_behind {
        return Some(Verdict::InFlight);
    }
    Some(Verdict::Differs(Box::new(difference(evidence, kind))))
}

fn of_chunk(evidence: &Evidence<'_>) -> Option<DifferenceKind> {
    use DifferenceKind::*;
    let Evidence { record, row, shown_by, not_shown_by, .. } = evidence;
    let in_log = record.is_some_and(|record| record.standing == Standing::Visible);
    let in_rows = row.status == Some(ChunkStatus::Indexed) && row.visible;
    let mismatch = || if row.document_known { MissingInPostgres } else { OrphanInLog };
    match (in_log, in_rows) {
        (true, true) => (!not_shown_by.is_empty()).then_some(MissingInIndex),
        (true, false) if row.status.is_some() => Some(StatusMismatch),
        (true, false) => Some(mismatch()),
        (false, true) if shown_by.is_empty() => {
            Some(if record.is_some() { MissingInLog } else { OrphanInPostgres })
        }
        (false, true) => Some(MissingInLog),
        (false, false) if !shown_by.is_empty() => Some(OrphanInIndex),
        (false, false) => match (record, row.status) {
            // A version that is under way, failed, paused or cancelled keeps what it has so far.
            (_, Some(_)) if !row.visible => None,
            (Some(_), Some(_)) => Some(StatusMismatch),
            (None, Some(_)) => Some(OrphanInPostgres),
            (Some(_), None) => Some(OrphanInLog),
            (None, None) => None,
        },
    }
}

/// A marker whose version no index shows: left over, unless the version is still known.
fn of_marker(evidence: &Evidence<'_>) -> Option<DifferenceKind> {
    let left_over = evidence.record.is_some_and(|record| record.standing != Standing::Visible);
    let known = evidence.row.stage.is_some() && !evidence.row.retired;
    (left_over && !known).then_some(DifferenceKind::OrphanInLog)
}

fn difference(evidence: Evidence<'_>, kind: DifferenceKind) -> Difference {
    let Evidence { suspect, record, row, shown_by, not_shown_by, .. } = evidence;
    let log = match record.map(|record| record.standing) {
        Some(Standing::Visible) => "visible",
        Some(Standing::Waiting) => "waiting",
        Some(Standing::Over) => "over",
        None => "absent",
    };
    let postgres = row.status.map_or("absent", ChunkStatus::as_str);
    Difference {
        kind,
        chunk_id: suspect.chunk_id.map(|id| id.0),
        document_id: suspect.document_id.0,
        version: suspect.version.0,
        log: log.into(),
        postgres: postgres.into(),
        advice: advice(kind, &suspect, record, &row),
        shown_by,
        not_shown_by,
    }
}

fn advice(kind: DifferenceKind, suspect: &Suspect, record: Option<&LiveRecord>, row: &RowState) -> String {
    const REBUILD: &str = "POST /api/v2/admin/rebuild, or `ragstream rebuild`, builds it anew from the log";
    match kind {
        DifferenceKind::MissingInIndex => format!("the nodes that do not show it lost it: {REBUILD}"),
        DifferenceKind::OrphanInIndex => format!("the nodes that show it should not: {REBUILD}"),
        DifferenceKind::MissingInPostgres => {
            "its row is gone and can't be made from the log: delete the document and upload it again".into()
        }
        DifferenceKind::MissingInLog => {
            "the log lost its record, and a new node would not show it: delete the document and upload it again"
                .into()
        }
        DifferenceKind::OrphanInPostgres => {
            "only its row is left of it: delete the document and upload it again".into()
        }
        DifferenceKind::StatusMismatch => match row.status {
            Some(ChunkStatus::Failed) => {
                "it was given up: send its dead letter back, or retry the job".into()
            }
            Some(ChunkStatus::Indexed) => {
                "another version counts as visible: POST /api/v2/admin/rebuild reports again what is shown"
                    .into()
            }
            _ => "its row was not told: POST /api/v2/admin/rebuild reports again all that an index holds"
                .into(),
        },
        DifferenceKind::OrphanInLog => {
            let key = match suspect.chunk_id {
                Some(id) => id.to_string(),
                None => format!("commit:{}:{}", suspect.document_id, suspect.version),
            };
            let partition = record.map_or(-1, |record| record.partition);
            format!(
                "a record too many: append one with the key {key} and no value to partition {partition} \
                 of chunk-embeddings"
            )
        }
    }
}

#[cfg(test)]
mod tests;
