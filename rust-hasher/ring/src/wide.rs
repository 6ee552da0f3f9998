//! Batches of integers: hash a block of keys to slots, then look the slots up.
//!
//! The hash of a block has no branch and no memory access but its input and output, so the compiler
//! turns it into SIMD. Baseline x86-64 has 4 lanes of 32 bits; AVX2 has 8, is on nearly every server
//! since 2015 and is worth about 1.9 times the keys per second, so the block is compiled twice and
//! the processor is asked once per batch.

use crate::hash::{self, Hash, SLOTS, slot_of_position};

/// Keys per block: 8 KiB of keys and 2 KiB of slots stay in the first-level cache beside the table.
const BLOCK: usize = 1024;

/// Looks up the owner of every key; `keys` and `owners` have equal lengths.
pub(crate) fn owners(hash: Hash, table: &[u16; SLOTS], keys: &[i64], owners: &mut [u16]) {
    let fill = fill_for(hash);
    let mut slots = [0_u16; BLOCK];
    for (keys, owners) in keys.chunks(BLOCK).zip(owners.chunks_mut(BLOCK)) {
        let slots = &mut slots[..keys.len()];
        fill(keys, slots);
        for (owner, slot) in owners.iter_mut().zip(slots.iter()) {
            *owner = table[usize::from(*slot) % SLOTS];
        }
    }
}

type Fill = fn(&[i64], &mut [u16]);

/// The fastest way of this processor to turn integers into slots.
fn fill_for(hash: Hash) -> Fill {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return if hash == Hash::Cv1 { avx2::cv1 } else { avx2::pg1 };
    }
    if hash == Hash::Cv1 { fill_cv1 } else { fill_pg1 }
}

#[inline(always)]
fn fill_pg1(keys: &[i64], slots: &mut [u16]) {
    for (slot, key) in slots.iter_mut().zip(keys) {
        *slot = slot_of_position(hash::pg1_int(*key));
    }
}

#[inline(always)]
fn fill_cv1(keys: &[i64], slots: &mut [u16]) {
    for (slot, key) in slots.iter_mut().zip(keys) {
        *slot = slot_of_position(hash::cv1(*key));
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
    pub(super) fn pg1(keys: &[i64], slots: &mut [u16]) {
        #[target_feature(enable = "avx2")]
        unsafe fn compiled(keys: &[i64], slots: &mut [u16]) {
            super::fill_pg1(keys, slots);
        }
        // SAFETY: `fill_for` hands this function out only where AVX2 was detected.
        unsafe { compiled(keys, slots) }
    }

    pub(super) fn cv1(keys: &[i64], slots: &mut [u16]) {
        #[target_feature(enable = "avx2")]
        unsafe fn compiled(keys: &[i64], slots: &mut [u16]) {
            super::fill_cv1(keys, slots);
        }
        // SAFETY: `fill_for` hands this function out only where AVX2 was detected.
        unsafe { compiled(keys, slots) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_this_processor_agrees_with_the_scalar_hash() {
        let keys: Vec<i64> = (0..5000_i64).map(|n| n.wrapping_mul(-7_046_029_254_386_353_131) ^ (n << 40)).collect();
        for hash in [Hash::Pg1, Hash::Cv1] {
            let expected: Vec<u16> = keys
                .iter()
                .map(|key| slot_of_position(hash.position(crate::Key::Bigint(*key)).unwrap()))
                .collect();
            let mut wide = vec![0; keys.len()];
            fill_for(hash)(&keys, &mut wide);
            assert_eq!(expected, wide);
            let plain = if hash == Hash::Cv1 { fill_cv1 } else { fill_pg1 };
            plain(&keys, &mut wide);
            assert_eq!(expected, wide);
        }
    }
}
