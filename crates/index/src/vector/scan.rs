//! The exact scan: every row of a set is compared with the question.

use super::dot::Dot;
use crate::{
    rows::{BLOCK_ROWS, Mask, RowSet, count, offsets},
    top::Top,
    view::View,
};

/// Offers every row of `allowed` from `from` on, with its cosine similarity to `question`.
pub(crate) fn scan(view: &View, allowed: &RowSet, from: u32, question: &[f32], dot: Dot, top: &mut Top) {
    let first = from as usize / BLOCK_ROWS;
    for (number, block) in view.blocks().iter().enumerate().skip(first) {
        let Some(block) = block else { continue };
        let mut mask = allowed.mask(number);
        if number == first {
            clear_below(&mut mask, from as usize % BLOCK_ROWS);
        }
        if count(&mask) == 0 {
            continue;
        }
        for offset in offsets(mask) {
            if let Some(slot) = block.slot(offset) {
                top.offer((number * BLOCK_ROWS + offset) as u32, dot.of(question, block.vector(slot)));
            }
        }
    }
}

fn clear_below(mask: &mut Mask, offset: usize) {
    for (w, word) in mask.iter_mut().enumerate() {
        let start = w * 64;
        if offset >= start + 64 {
            *word = 0;
        } else if offset > start {
            *word &= u64::MAX << (offset - start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_cleared_up_to_the_offset() {
        for offset in [0, 1, 63, 64, 65, 200, 255] {
            let mut mask = [u64::MAX; BLOCK_ROWS / 64];
            clear_below(&mut mask, offset);
            assert!(offsets(mask).eq(offset..BLOCK_ROWS), "{offset}");
        }
    }
}
