//! The golden vectors: hashes are a wire format and these values never change.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use covet_ring::{Hash, Key, KeyType, PG1_SEED, SLOTS, hash, slot_of_position};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../vectors/ring-vectors.json")).unwrap()
}

fn with_key<T>(key_type: KeyType, text: &str, use_key: impl Fn(Key<'_>) -> T) -> T {
    match key_type {
        KeyType::Bigint => use_key(Key::Bigint(text.parse().unwrap())),
        KeyType::Text => use_key(Key::Text(text)),
        KeyType::Uuid => use_key(Key::Uuid(uuid::Uuid::try_parse(text).unwrap().into_bytes())),
    }
}

#[test]
fn every_vector_has_its_position_and_slot() {
    let vectors = vectors();
    let mut seen = BTreeMap::new();
    for hash in Hash::ALL {
        for (key_type, cases) in vectors[hash.name()].as_object().unwrap() {
            let key_type = KeyType::from_name(key_type).unwrap();
            for case in cases.as_array().unwrap() {
                let position = with_key(key_type, case["key"].as_str().unwrap(), |key| hash.position(key)).unwrap();
                assert_eq!(case["position"].as_u64().unwrap(), u64::from(position), "{} of {case}", hash.name());
                assert_eq!(case["slot"].as_u64().unwrap(), u64::from(slot_of_position(position)));
                *seen.entry((hash.name(), key_type.name())).or_insert(0) += 1;
            }
        }
    }
    let expected = [
        (("cv1", "bigint"), 60),
        (("crc1", "text"), 64),
        (("md1", "text"), 64),
        (("pg1", "bigint"), 60),
        (("pg1", "text"), 64),
        (("pg1", "uuid"), 33),
    ];
    assert_eq!(BTreeMap::from(expected), seen);
}

#[test]
fn pg1_is_the_upper_half_of_the_servers_hash_in_signed_order() {
    let vectors = vectors();
    assert_eq!(PG1_SEED, vectors["pg1_seed"].as_u64().unwrap());
    for (key_type, cases) in vectors["pg1"].as_object().unwrap() {
        let key_type = KeyType::from_name(key_type).unwrap();
        for case in cases.as_array().unwrap() {
            let server = with_key(key_type, case["key"].as_str().unwrap(), hash::pg1_hash);
            assert_eq!(case["hash"].as_str().unwrap(), server.to_string());
        }
    }
}

#[test]
fn a_hash_is_defined_for_exactly_the_key_types_of_its_vectors() {
    let vectors = vectors();
    for hash in Hash::ALL {
        for key_type in KeyType::ALL {
            let has_vectors = vectors[hash.name()].get(key_type.name()).is_some();
            assert_eq!(has_vectors, hash.accepts(key_type), "{} of {}", hash.name(), key_type.name());
        }
    }
    assert_eq!(16384, SLOTS);
}
