//! Which lane the next batch is of.
//!
//! Express goes first. While both lanes wait, one batch in [`BULK_TURN`] is of the bulk
//! lane, so that nothing starves. A batch is of one lane: an express message waits for
//! express messages alone, and no bulk message that panics or is slow takes it along.
//! A pure state machine: it is told the time.

use ragstream_core::lane::Lane;
use std::time::Duration;
use tokio::time::Instant;

/// One batch in so many is of the bulk lane while both wait: bulk work goes on at a fifth
/// of the pace at the worst, and an express batch waits for one bulk batch in four.
pub const BULK_TURN: u32 = 5;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Begin a batch of this lane.
    Take(Lane),
    /// Nothing before then, where no more comes.
    Wait(Instant),
    /// Nothing, until something changes.
    Nothing,
}

/// Places in the handler that are free now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Free {
    /// For batches of any lane.
    pub any: usize,
    /// For those of the bulk lane.
    pub bulk: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    /// No message waits.
    Empty,
    /// It is not full, and may fill until then.
    Filling(Instant),
    /// It may be handed out.
    Ready,
}

/// Whose turn it is, and how long unfilled batches have been waiting.
#[derive(Debug)]
pub(crate) struct Turns {
    batch_max: usize,
    linger: Duration,
    linger_from: [Option<Instant>; 2],
    /// Express batches begun since the last bulk one, while bulk messages waited.
    express_in_a_row: u32,
}

impl Turns {
    pub(crate) fn new(batch_max: usize, linger: Duration) -> Self {
        Self { batch_max, linger, linger_from: [None; 2], express_in_a_row: 0 }
    }

    /// `waiting` by lane, express first.
    pub(crate) fn next(&mut self, waiting: [usize; 2], free: Free, now: Instant) -> Next {
        let [express, bulk] = [0, 1].map(|lane| self.batch(lane, waiting[lane], now));
        if free.any == 0 {
            return Next::Nothing;
        }
        let bulk = if free.bulk == 0 { Batch::Empty } else { bulk };
        if bulk == Batch::Ready {
            let its_turn = self.express_in_a_row + 1 >= BULK_TURN;
            let in_the_way = match express {
                Batch::Ready => true,
                // The last place is kept for it.
                Batch::Filling(_) => free.any == 1,
                Batch::Empty => false,
            };
            if its_turn || !in_the_way {
                return Next::Take(Lane::Bulk);
            }
        }
        match (express, bulk) {
            (Batch::Ready, _) => Next::Take(Lane::Express),
            (Batch::Filling(one), Batch::Filling(other)) => Next::Wait(one.min(other)),
            (Batch::Filling(full_at), _) | (_, Batch::Filling(full_at)) => Next::Wait(full_at),
            _ => Next::Nothing,
        }
    }

    fn batch(&mut self, lane: usize, waiting: usize, now: Instant) -> Batch {
        let from = &mut self.linger_from[lane];
        if waiting == 0 {
            *from = None;
            return Batch::Empty;
        }
        let full_at = *from.get_or_insert(now) + self.linger;
        if waiting >= self.batch_max || now >= full_at { Batch::Ready } else { Batch::Filling(full_at) }
    }

    /// A batch of `lane` was begun; whether bulk messages waited then.
    pub(crate) fn taken(&mut self, lane: Lane, bulk_waited: bool) {
        match lane {
            Lane::Express if bulk_waited => self.express_in_a_row += 1,
            Lane::Express | Lane::Bulk => self.express_in_a_row = 0,
        }
    }

    /// What waits in `lane` waits for a new batch.
    pub(crate) fn starts_over(&mut self, lane: Lane) {
        self.linger_from[lane as usize] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(20);
    const ROOM: Free = Free { any: 4, bulk: 3 };

    fn take(turns: &mut Turns, waiting: [usize; 2], free: Free, now: Instant) -> Next {
        let next = turns.next(waiting, free, now);
        if let Next::Take(lane) = next {
            turns.starts_over(lane);
            turns.taken(lane, waiting[1] > 0);
        }
        next
    }

    #[test]
    fn one_batch_in_five_is_bulk_while_both_wait() {
        let (mut turns, now) = (Turns::new(8, LINGER), Instant::now());
        let taken: Vec<_> = (0..20).map(|_| take(&mut turns, [100, 100], ROOM, now)).collect();
        for (i, next) in taken.into_iter().enumerate() {
            let lane = if i % 5 == 4 { Lane::Bulk } else { Lane::Express };
            assert_eq!(next, Next::Take(lane), "{i}");
        }
    }

    #[test]
    fn express_that_nobody_waited_for_is_not_held_against_it() {
        let (mut turns, now) = (Turns::new(8, LINGER), Instant::now());
        for _ in 0..100 {
            assert_eq!(take(&mut turns, [8, 0], ROOM, now), Next::Take(Lane::Express));
        }
        assert_eq!(take(&mut turns, [8, 8], ROOM, now), Next::Take(Lane::Express));
    }

    #[test]
    fn bulk_has_all_that_express_leaves_but_its_own_places_alone() {
        let (mut turns, now) = (Turns::new(8, LINGER), Instant::now());
        assert_eq!(take(&mut turns, [0, 8], ROOM, now), Next::Take(Lane::Bulk));
        assert_eq!(take(&mut turns, [0, 8], Free { any: 1, bulk: 0 }, now), Next::Nothing);
        // Its turn does not come while it has all its places.
        for _ in 0..10 {
            assert_eq!(take(&mut turns, [8, 8], Free { any: 1, bulk: 0 }, now), Next::Take(Lane::Express));
        }
        assert_eq!(take(&mut turns, [8, 8], Free { any: 1, bulk: 1 }, now), Next::Take(Lane::Bulk));
        assert_eq!(take(&mut turns, [8, 8], Free { any: 0, bulk: 1 }, now), Next::Nothing);
    }

    #[test]
    fn a_batch_that_is_filling_keeps_the_last_place() {
        let (mut turns, now) = (Turns::new(8, LINGER), Instant::now());
        let last = Free { any: 1, bulk: 1 };
        assert_eq!(take(&mut turns, [1, 100], last, now), Next::Wait(now + LINGER));
        assert_eq!(take(&mut turns, [1, 100], ROOM, now), Next::Take(Lane::Bulk), "there is room for both");
        assert_eq!(take(&mut turns, [1, 100], last, now + LINGER), Next::Take(Lane::Express));
        assert_eq!(take(&mut turns, [0, 100], last, now + LINGER), Next::Take(Lane::Bulk));
    }

    #[test]
    fn each_lane_lingers_by_its_own_clock() {
        let (mut turns, now) = (Turns::new(8, LINGER), Instant::now());
        let half = LINGER / 2;
        assert_eq!(take(&mut turns, [0, 1], ROOM, now), Next::Wait(now + LINGER));
        assert_eq!(take(&mut turns, [1, 1], ROOM, now + half), Next::Wait(now + LINGER));
        assert_eq!(take(&mut turns, [1, 1], ROOM, now + LINGER), Next::Take(Lane::Bulk));
        assert_eq!(take(&mut turns, [1, 1], ROOM, now + LINGER), Next::Wait(now + half + LINGER));
        assert_eq!(take(&mut turns, [1, 1], ROOM, now + half + LINGER), Next::Take(Lane::Express));
    }
}
