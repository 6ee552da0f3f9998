//! Batches of integers: hash a block of keys to slots, then look the slots up.
//!
//! The hash of a block has no branch and no memory access but its input and output, so the compiler
//! turns it into SIMD. Baseline x86-64 has 4 lanes of 32 bits; AVX2 has 8, is on nearly every server
//! since 2015 and is worth two to three times the keys per second, so the block is compiled twice and
//! the processor is asked once per batch.

use crate::hash::{self, Hash, SLOT_SHIFT, SLOTS};

/// Keys per block: 8 KiB of keys and 4 KiB of slots stay in the first-level cache beside the table.
const BLOCK: usize = 1024;

/// The numbers of one block on their way from folded keys to slots. All of it is 32 bits wide, for the
/// compiler fills a register with lanes of the widest type of a loop.
type Block = [u32; BLOCK];

/// Looks up the owner of every key; `keys` and `owners` have equal lengths.
pub(crate) fn owners(hash: Hash, table: &[u16; SLOTS], keys: &[i64], owners: &mut [u16]) {
    let fill = fill_for(hash);
    let mut slots: Block = [0; BLOCK];
    for (keys, owners) in keys.chunks(BLOCK).zip(owners.chunks_mut(BLOCK)) {
        fill(keys, &mut slots);
        for (owner, slot) in owners.iter_mut().zip(&slots) {
            *owner = table[*slot as usize % SLOTS];
        }
    }
}

/// Turns up to a block of keys into slots.
type Fill = fn(&[i64], &mut Block);

/// The fastest way of this processor to turn integers into slots.
fn fill_for(hash: Hash) -> Fill {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return if hash == Hash::Cv1 { avx2::cv1 } else { avx2::pg1 };
    }
    if hash == Hash::Cv1 { fill_cv1 } else { fill_pg1 }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "has to become part of its caller to be compiled for AVX2 there")]
fn fill_pg1(keys: &[i64], slots: &mut Block) {
    for (slot, key) in slots.iter_mut().zip(keys) {
        *slot = hash::pg1_fold(*key);
    }
    // The whole block, even where there are fewer keys: a fixed length spares the loop its tail.
    for slot in slots {
        *slot = hash::pg1_folded(*slot) >> SLOT_SHIFT;
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "has to become part of its caller to be compiled for AVX2 there")]
fn fill_cv1(keys: &[i64], slots: &mut Block) {
    for (slot, key) in slots.iter_mut().zip(keys) {
        *slot = hash::cv1(*key) >> SLOT_SHIFT;
    }
}

/// The same two loops compiled for AVX2.
///
/// The only unsafe code of the crate. Calling a function compiled for a feature that the processor
/// lacks is undefined; these two are reached through `fill_for` alone, which asks for AVX2 first, and
/// their bodies are the safe loops above.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "calls into code compiled for AVX2, after the processor was asked")]
mod avx2 {
    use super::Block;

    pub(super) fn pg1(keys: &[i64], slots: &mut Block) {
        #[target_feature(enable = "avx2")]
        unsafe fn compiled(keys: &[i64], slots: &mut Block) {
            super::fill_pg1(keys, slots);
        }
        // SAFETY: `fill_for` hands this function out only where AVX2 was detected.
        unsafe { compiled(keys, slots) }
    }

    pub(super) fn cv1(keys: &[i64], slots: &mut Block) {
        #[target_feature(enable = "avx2")]
        unsafe fn compiled(keys: &[i64], slots: &mut Block) {
            super::fill_cv1(keys, slots);
        }
        // SAFETY: `fill_for` hands this function out only where AVX2 was detected.
        unsafe { compiled(keys, slots) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around the block size, with keys of both signs and all magnitudes.
    #[test]
    fn every_way_of_this_processor_agrees_with_the_scalar_hash() {
        let table: [u16; SLOTS] = std::array::from_fn(|slot| u16::try_from(slot).unwrap());
        for length in [0, 1, 7, 8, 9, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let keys: Vec<i64> = (0..i64::try_from(length).unwrap())
                .map(|n| n.wrapping_mul(-7_046_029_254_386_353_131) >> (n % 60))
                .collect();
            for hash in [Hash::Pg1, Hash::Cv1] {
                let scalar = |key: &i64| hash::slot_of_position(hash.position(crate::Key::Bigint(*key)).unwrap());
                let expected: Vec<u16> = keys.iter().map(scalar).collect();
                let mut found = vec![0; length];
                owners(hash, &table, &keys, &mut found);
                assert_eq!(expected, found);
                let baseline: Fill = if hash == Hash::Cv1 { fill_cv1 } else { fill_pg1 };
                for (keys, expected) in keys.chunks(BLOCK).zip(expected.chunks(BLOCK)) {
                    let mut slots = [0; BLOCK];
                    baseline(keys, &mut slots);
                    assert!(expected.iter().zip(slots).all(|(expected, slot)| u32::from(*expected) == slot));
                }
            }
        }
    }
}
