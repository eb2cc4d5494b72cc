//! A sum over sets of chunk ids, to compare an index with another, with the
//! log or with the database.

use crate::id::ChunkId;

/// The sum over `ids` in any order; an id given twice counts twice.
///
/// Each id is mixed to 64 well-spread bits first (the finalizer of
/// SplitMix64, Steele et al. 2014), so that two sets of different ids have
/// the same sum with a probability of 2^-64.
pub fn checksum(ids: impl IntoIterator<Item = ChunkId>) -> u64 {
    ids.into_iter().fold(0, |sum, id| sum.wrapping_add(share(id)))
}

/// What one id adds to the sum.
pub fn share(id: ChunkId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    mix(mix(high).wrapping_add(low))
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_order_does_not_count_and_the_ids_do() {
        let id = |n| ChunkId(Uuid::from_u128(n));
        assert_eq!(checksum([id(1), id(2), id(3)]), checksum([id(3), id(1), id(2)]));
        assert_ne!(checksum([id(1), id(2)]), checksum([id(1), id(3)]));
        assert_ne!(checksum([id(1)]), checksum([id(1 << 64)]));
        assert_ne!(checksum([id(0)]), checksum([]));
    }
}
