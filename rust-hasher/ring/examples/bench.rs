//! Measures lookups of the ring beside jump hash and a ring of virtual nodes; prints one JSON object.
//!
//! `benchmarks/ring.py` runs it and adds the figures of the Python side. Each figure is the median of
//! several runs. "chain" makes every key depend on the owner before it, so that it shows the latency of
//! one lookup and not how many of them the processor overlaps.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use covet_ring::{Group, Hash, Hashes, Key, KeyType, Map, hash};

const SHARDS: u16 = 16;
/// Runs are many and take about a millisecond each, so that a neighbour on the machine spoils some of
/// them and not the median.
const RUNS: usize = 201;
const CHAIN: u32 = 150_000;
const BATCH: usize = 1 << 20;
const VIRTUAL_NODES: u16 = 160;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut figures = BTreeMap::new();
    let keys: Vec<i64> = (0..BATCH as u64).map(|n| i64::from_ne_bytes(scramble(n).to_ne_bytes())).collect();
    for hash in [Hash::Pg1, Hash::Cv1] {
        let map = map_with(hash)?;
        let group = map.group("default")?;
        let name = hash.name();
        let ints = group.ints()?;
        figures.insert(format!("chain_{name}_ns"), chain(|key| u64::from(ints.owner_of(key))));
        figures.insert(format!("single_{name}_ns"), single(&keys, |key| u64::from(ints.owner_of(key))));
        figures.insert(format!("batch_{name}_keys_per_s"), batch(group, &keys));
    }
    let ring = virtual_nodes();
    figures.insert("chain_jump_ns".into(), chain(|key| jump(u64::from_ne_bytes(key.to_ne_bytes()))));
    figures.insert("chain_virtual_nodes_ns".into(), chain(|key| u64::from(owner_among(&ring, key))));
    figures.insert("single_jump_ns".into(), single(&keys, |key| jump(u64::from_ne_bytes(key.to_ne_bytes()))));
    figures.insert("single_virtual_nodes_ns".into(), single(&keys, |key| u64::from(owner_among(&ring, key))));

    let texts: Vec<String> = keys.iter().take(BATCH / 8).map(|key| format!("customer-{}", key & 0xff_ffff)).collect();
    let map = map_with(Hash::Pg1)?;
    let group = map.group("default")?;
    figures.insert("batch_pg1_text_keys_per_s".into(), batch_of_texts(group, &texts));
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}

fn map_with(hash: Hash) -> Result<Map, covet_ring::Error> {
    let shards: Vec<(String, u32)> = (0..SHARDS).map(|n| (format!("s{n}"), 1)).collect();
    let mut hashes = Hashes::POSTGRESQL;
    hashes.set(KeyType::Bigint, hash)?;
    Map::initial("bench", &shards, hashes)
}

/// The finaliser of splitmix64: keys without a pattern, the same ones in each run.
fn scramble(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Median of several runs of a measurement.
fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<f64> = (0..RUNS).map(|_| measure()).collect();
    figures.sort_by(f64::total_cmp);
    figures[RUNS / 2]
}

/// Nanoseconds of one lookup when the next key depends on its result.
fn chain(lookup: impl Fn(i64) -> u64) -> f64 {
    median(|| {
        let start = Instant::now();
        let mut key = 1_i64;
        for step in 0..CHAIN {
            let owner = lookup(key);
            key = i64::from(step) * 0x1_0000_0001 + i64::from_ne_bytes(owner.to_ne_bytes());
        }
        black_box(key);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CHAIN)
    })
}

/// Nanoseconds of one lookup in a loop over keys that do not depend on each other.
fn single(keys: &[i64], lookup: impl Fn(i64) -> u64) -> f64 {
    median(|| {
        let start = Instant::now();
        let sum = keys.iter().fold(0_u64, |sum, key| sum.wrapping_add(lookup(*key)));
        black_box(sum);
        start.elapsed().as_secs_f64() * 1e9 / count(keys.len())
    })
}

/// Keys per second of one core over a batch of a million integers.
fn batch(group: &Group, keys: &[i64]) -> f64 {
    let mut owners = vec![0_u16; keys.len()];
    median(|| {
        let start = Instant::now();
        let done = group.owners_of_ints(black_box(keys), &mut owners);
        assert!(done.is_ok(), "the group of the bench takes integers");
        black_box(&mut owners);
        count(keys.len()) / start.elapsed().as_secs_f64()
    })
}

fn batch_of_texts(group: &Group, texts: &[String]) -> f64 {
    median(|| {
        let start = Instant::now();
        let sum = texts
            .iter()
            .fold(0_u64, |sum, text| sum.wrapping_add(u64::from(group.owner_of(Key::Text(text)).unwrap_or(0))));
        black_box(sum);
        count(texts.len()) / start.elapsed().as_secs_f64()
    })
}

/// A count as a float; benches count far below 2^32.
fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::NAN, f64::from)
}

/// Jump consistent hash (Lamping and Veach, 2014), after the paper.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the paper computes in doubles")]
fn jump(mut key: u64) -> u64 {
    let (mut bucket, mut next) = (-1_i64, 0_i64);
    while next < i64::from(SHARDS) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let divisor = ((key >> 33) + 1) as f64;
        next = ((bucket + 1) as f64 * (f64::from(1_u32 << 31) / divisor)) as i64;
    }
    u64::from_ne_bytes(bucket.to_ne_bytes())
}

/// A classic ring: each shard at 160 places, the owner of a key is the next place.
fn virtual_nodes() -> Vec<(u32, u16)> {
    let nodes = (0..SHARDS).flat_map(|shard| (0..VIRTUAL_NODES).map(move |node| (shard, node)));
    let mut ring: Vec<(u32, u16)> =
        nodes.map(|(shard, node)| (hash::pg1_int(i64::from(shard) << 16 | i64::from(node)), shard)).collect();
    ring.sort_unstable();
    ring
}

fn owner_among(ring: &[(u32, u16)], key: i64) -> u16 {
    let position = hash::pg1_int(key);
    let at = ring.partition_point(|(place, _)| *place < position);
    ring[if at == ring.len() { 0 } else { at }].1
}
