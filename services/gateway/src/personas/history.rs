//! What was said before, as much of it as is sent along.

use ragstream_api::search::{Role, Turn};

/// Most messages: ten questions and their answers.
pub(super) const MAX_TURNS: usize = 20;
/// Most bytes of them together: what leaves small models room for passages.
const MAX_BYTES: usize = 24 * 1024;
/// Most bytes of one: the last question and its answer always go along.
const MAX_TURN_BYTES: usize = MAX_BYTES / 2;

/// The last of these, beginning with a question.
pub(crate) fn last(turns: Vec<Turn>) -> Vec<Turn> {
    let (mut kept, mut bytes) = (Vec::new(), 0);
    for mut turn in turns.into_iter().rev().filter(|turn| !turn.content.trim().is_empty()).take(MAX_TURNS) {
        turn.content.truncate(turn.content.floor_char_boundary(MAX_TURN_BYTES));
        bytes += turn.content.len();
        if bytes > MAX_BYTES {
            break;
        }
        kept.push(turn);
    }
    kept.reverse();
    let first = kept.iter().position(|turn| turn.role == Role::User).unwrap_or(kept.len());
    kept.split_off(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(contents: &[&str]) -> Vec<Turn> {
        let role = |n| if n % 2 == 0 { Role::User } else { Role::Assistant };
        let turn = |(n, content): (usize, &&str)| Turn { role: role(n), content: (*content).to_owned() };
        contents.iter().enumerate().map(turn).collect()
    }

    #[test]
    fn the_last_twenty_messages_go_along() {
        let contents: Vec<String> = (0..24).map(|n| n.to_string()).collect();
        let all = conversation(&contents.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(last(all.clone()), all[4..]);
        assert_eq!(last(all[..2].to_vec()), all[..2]);
        assert_eq!(last(Vec::new()), []);
        // One question more, that nobody answered: the answer at the beginning stays out.
        assert_eq!(last(all[..23].to_vec()), all[4..23]);
    }

    #[test]
    fn long_ones_give_way_and_the_last_pair_always_fits() {
        let long = "ü".repeat(9 * 1024);
        let all = conversation(&["q", "a", "first", "short", &long, &long]);
        let kept = last(all);
        assert_eq!(kept.len(), 2);
        let whole = "ü".repeat(6 * 1024);
        assert!(kept.iter().all(|turn| turn.content == whole), "cut between characters");

        let third = "x".repeat(8 * 1024);
        let all = conversation(&["q", "a", &third, &third, "next", &third]);
        // The answer before would not fit any more: from the question after it on.
        assert_eq!(last(all.clone()), all[4..]);
    }

    #[test]
    fn what_says_nothing_stays_out() {
        let all = conversation(&["q", "a", " \n", ""]);
        assert_eq!(last(all.clone()), all[..2]);
        assert_eq!(last(conversation(&["", "a"])), []);
    }
}
