//! Every kind of difference, by hand.
#![allow(clippy::unwrap_used)]

use super::*;
use DifferenceKind::*;
use ragstream_core::{
    id::{ChunkId, DocumentId, Version},
    job::JobStage,
};
use uuid::Uuid;

fn suspect() -> Suspect {
    let id = |n| Uuid::from_u128(n);
    Suspect { chunk_id: Some(ChunkId(id(1))), document_id: DocumentId(id(2)), version: Version(1) }
}

/// The row of a chunk of a complete, visible version.
fn row(status: Option<ChunkStatus>) -> RowState {
    RowState {
        status,
        document_known: true,
        visible: true,
        stage: Some(JobStage::Complete),
        ..RowState::default()
    }
}

const UNKNOWN: RowState = RowState {
    status: None,
    document_known: false,
    visible: false,
    stage: None,
    retired: false,
    moving: false,
};

struct Case {
    suspect: Suspect,
    log: Option<Standing>,
    row: RowState,
    /// What each of two nodes shows.
    shown: [bool; 2],
    behind: bool,
}

impl Case {
    fn new(log: Option<Standing>, row: RowState, shown: [bool; 2]) -> Self {
        Self { suspect: suspect(), log, row, shown, behind: false }
    }

    fn judged(&self) -> Option<Verdict> {
        let record = self.log.map(|standing| LiveRecord {
            document_id: self.suspect.document_id,
            version: self.suspect.version,
            partition: 3,
            standing,
        });
        let nodes =
            |shown| (0..2).filter(|i| self.shown[*i] == shown).map(|i| format!("http://node-{i}")).collect();
        judge(Evidence {
            suspect: self.suspect,
            record: record.as_ref(),
            row: self.row,
            shown_by: nodes(true),
            not_shown_by: nodes(false),
            nodes_behind: self.behind,
        })
    }

    fn difference(&self) -> Difference {
        match self.judged() {
            Some(Verdict::Differs(difference)) => *difference,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn each_disagreement_has_its_name() {
    use ChunkStatus::*;
    use Standing::*;
    let superseded = RowState { visible: false, ..row(Some(Indexed)) };
    for (log, row, shown, kind) in [
        (Some(Visible), row(None), [true; 2], MissingInPostgres),
        (Some(Visible), row(None), [false; 2], MissingInPostgres),
        (Some(Visible), row(Some(Indexed)), [true, false], MissingInIndex),
        (Some(Visible), row(Some(Indexed)), [false; 2], MissingInIndex),
        (None, row(Some(Indexed)), [true; 2], MissingInLog),
        (None, row(Some(Indexed)), [false, true], MissingInLog),
        (Some(Waiting), row(Some(Indexed)), [false; 2], MissingInLog),
        (Some(Visible), UNKNOWN, [true; 2], OrphanInLog),
        (Some(Waiting), UNKNOWN, [false; 2], OrphanInLog),
        (Some(Over), row(None), [false; 2], OrphanInLog),
        (None, row(Some(Indexed)), [false; 2], OrphanInPostgres),
        (None, row(Some(Pending)), [false; 2], OrphanInPostgres),
        (None, UNKNOWN, [true, false], OrphanInIndex),
        (Some(Over), UNKNOWN, [true; 2], OrphanInIndex),
        (Some(Visible), row(Some(Embedded)), [true; 2], StatusMismatch),
        (Some(Visible), row(Some(Failed)), [false; 2], StatusMismatch),
        (Some(Waiting), row(Some(Embedded)), [false; 2], StatusMismatch),
        (Some(Visible), superseded, [true; 2], StatusMismatch),
    ] {
        let case = Case::new(log, row, shown);
        let found = case.difference();
        assert_eq!(found.kind, kind, "{log:?} {row:?} {shown:?}");
        assert!(!found.advice.is_empty());
        assert_eq!(found.shown_by.len() + found.not_shown_by.len(), 2);
        // The same, while work is under way.
        for (moving, behind) in [(true, false), (false, true)] {
            let case = Case { row: RowState { moving, ..row }, behind, ..Case::new(log, row, shown) };
            assert_eq!(case.judged(), Some(Verdict::InFlight));
        }
    }
}

#[test]
fn what_agrees_and_what_a_version_keeps_that_is_not_visible_is_in_order() {
    use ChunkStatus::*;
    for (log, row, shown) in [
        (Some(Standing::Visible), row(Some(Indexed)), [true; 2]),
        (None, UNKNOWN, [false; 2]),
        // A failed version, of which some chunks made it into the log.
        (Some(Standing::Waiting), RowState { visible: false, ..row(Some(Embedded)) }, [false; 2]),
        (None, RowState { visible: false, ..row(Some(Failed)) }, [false; 2]),
    ] {
        assert_eq!(Case::new(log, row, shown).judged(), None, "{log:?} {row:?}");
    }
}

#[test]
fn a_marker_is_left_over_unless_its_version_is_known() {
    let of = |log, row| Case {
        suspect: Suspect { chunk_id: None, ..suspect() },
        ..Case::new(log, row, [false; 2])
    };
    let waiting = Some(Standing::Waiting);
    assert_eq!(of(waiting, row(None)).judged(), None, "its chunks tell");
    assert_eq!(of(None, UNKNOWN).judged(), None, "its tombstone came");
    assert_eq!(of(Some(Standing::Visible), row(None)).judged(), None);
    for row in [UNKNOWN, RowState { retired: true, ..row(None) }] {
        let found = of(waiting, row).difference();
        assert_eq!((found.kind, found.chunk_id), (OrphanInLog, None));
        let key = format!("commit:{}:1 ", suspect().document_id);
        assert!(found.advice.contains(&key) && found.advice.contains("partition 3"), "{}", found.advice);
    }
}

#[test]
fn the_answer_says_what_each_side_has() {
    let found =
        Case::new(Some(Standing::Visible), row(Some(ChunkStatus::Failed)), [true, false]).difference();
    assert_eq!((found.log.as_str(), found.postgres.as_str()), ("visible", "failed"));
    assert_eq!(found.shown_by, BTreeSet::from(["http://node-0".to_owned()]));
    assert_eq!(found.not_shown_by, BTreeSet::from(["http://node-1".to_owned()]));
    assert!(found.advice.contains("dead letter"));
}
