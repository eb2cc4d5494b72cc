//! Sets of rows as dense bitmaps.

/// Rows of one [`Block`](crate::block::Block), and bits of one [`Mask`].
pub(crate) const BLOCK_ROWS: usize = 256;

/// Which rows of a block.
pub(crate) type Mask = [u64; BLOCK_ROWS / 64];

/// The offsets set in a mask, in order.
pub(crate) fn offsets(mask: Mask) -> impl Iterator<Item = usize> {
    mask.into_iter().enumerate().flat_map(|(w, word)| bits(word).map(move |bit| w * 64 + bit))
}

/// How many are set in a mask.
pub(crate) fn count(mask: &Mask) -> usize {
    mask.iter().map(|word| word.count_ones() as usize).sum()
}

fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        if word == 0 {
            return None;
        }
        let bit = word.trailing_zeros() as usize;
        word &= word - 1;
        Some(bit)
    })
}

/// A set of row numbers: one bit for each row there ever was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowSet {
    words: Vec<u64>,
    len: usize,
}

impl RowSet {
    /// How many rows are in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// `true` if it was not in it.
    pub(crate) fn insert(&mut self, row: u32) -> bool {
        let at = row as usize / 64;
        if at >= self.words.len() {
            // Whole blocks, so that `mask` never reads a part of one.
            let blocks = row as usize / BLOCK_ROWS + 1;
            self.words.resize(blocks * (BLOCK_ROWS / 64), 0);
        }
        let fresh = self.words[at] >> (row % 64) & 1 == 0;
        self.words[at] |= 1 << (row % 64);
        self.len += usize::from(fresh);
        fresh
    }

    /// `true` if it was in it.
    pub(crate) fn remove(&mut self, row: u32) -> bool {
        let held = self.contains(row);
        if held {
            self.words[row as usize / 64] &= !(1 << (row % 64));
            self.len -= 1;
        }
        held
    }

    /// The rows of block `number`.
    pub(crate) fn mask(&self, number: usize) -> Mask {
        let width = BLOCK_ROWS / 64;
        let mut mask = Mask::default();
        if let Some(words) = self.words.get(number * width..(number + 1) * width) {
            mask.copy_from_slice(words);
        }
        mask
    }

    /// All rows from `from` on, in order.
    pub(crate) fn iter_from(&self, from: u32) -> impl Iterator<Item = u32> + '_ {
        let first = from as usize / 64;
        self.words.iter().enumerate().skip(first).flat_map(move |(w, word)| {
            let word = if w == first { word & (u64::MAX << (from % 64)) } else { *word };
            bits(word).map(move |bit| (w * 64 + bit) as u32)
        })
    }

    /// All rows, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter_from(0)
    }

    /// How many rows below `end`.
    pub(crate) fn len_below(&self, end: u32) -> usize {
        let whole = (end as usize / 64).min(self.words.len());
        let full: usize = self.words[..whole].iter().map(|w| w.count_ones() as usize).sum();
        let part = self.words.get(end as usize / 64).map_or(0, |w| w & !(u64::MAX << (end % 64)));
        full + part.count_ones() as usize
    }
}

impl FromIterator<u32> for RowSet {
    fn from_iter<T: IntoIterator<Item = u32>>(rows: T) -> Self {
        let mut set = Self::default();
        for row in rows {
            set.insert(row);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_behaves_as_a_set_of_numbers() {
        let mut set = RowSet::default();
        let mut model = BTreeSet::new();
        let mut x = 7u32;
        for _ in 0..5_000 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let row = (x >> 8) % 3_000;
            if x & 1 == 0 {
                assert_eq!(set.insert(row), model.insert(row));
            } else {
                assert_eq!(set.remove(row), model.remove(&row));
            }
        }
        assert_eq!(set.len(), model.len());
        assert!(set.iter().eq(model.iter().copied()));
        for from in [0, 1, 63, 64, 65, 255, 256, 2_999, 3_000, 9_999] {
            assert!(set.iter_from(from).eq(model.range(from..).copied()), "from {from}");
            assert_eq!(set.len_below(from), model.range(..from).count(), "below {from}");
        }
        let masked: Vec<u32> =
            (0..20).flat_map(|b| offsets(set.mask(b)).map(move |o| (b * BLOCK_ROWS + o) as u32)).collect();
        assert!(masked.into_iter().eq(model.iter().copied()));
        assert!(!set.contains(u32::MAX));
    }
}
