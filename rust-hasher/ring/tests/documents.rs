//! The map format: what is read, what is refused and with which reason.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use covet_ring::{Error, Hashes, Key, Map};
use proptest::prelude::*;
use serde_json::{Value, json};

fn document() -> Value {
    json!({
        "format": 1, "cluster": "3f1a", "epoch": 4,
        "shards": [{"name": "s0", "id": 0, "weight": 1}, {"name": "s1", "id": 1, "weight": 1}],
        "groups": [
            {"name": "default", "strategy": "Hash", "hash": {"bigint": "pg1", "text": "pg1", "uuid": "pg1"},
             "slots": [[0, 8191, 0], [8192, 16383, 1]]},
            {"name": "ledger", "strategy": "Range", "keyType": "bigint", "ranges": [["-5", 1], ["1000000", 0], [null, 1]]},
            {"name": "names", "strategy": "Range", "keyType": "text", "ranges": [["m", 0], ["x", 1]]},
            {"name": "events", "strategy": "List", "keyType": "text", "values": {"eu-west": 1, "us-east": 0}}],
        "tables": {"customers": {"group": "default", "key": "tenant_id"}, "countries": {"reference": true}},
    })
}

fn seal(document: &Value) -> Result<Map, Error> {
    Map::seal(&document.to_string())
}

/// The reason with which a changed document is refused.
fn refusal(pointer: &str, value: Value) -> &'static str {
    let mut document = document();
    *document.pointer_mut(pointer).unwrap() = value;
    seal(&document).unwrap_err().reason()
}

#[test]
fn a_sealed_document_reads_back_as_the_same_map_and_the_same_text() {
    let map = seal(&document()).unwrap();
    let again = Map::from_json(&map.to_json()).unwrap();
    assert_eq!(map, again);
    assert_eq!(map.to_json(), again.to_json());
    assert_eq!(map.digest(), again.digest());
}

/// Computed with a CRC-32C and a JSON writer that are not ours, so that other languages can do the same.
#[test]
fn the_checksum_of_a_known_map_is_known() {
    let shards = [("s0".to_owned(), 1), ("s1".to_owned(), 1)];
    let map = Map::initial("9f1c", &shards, Hashes::POSTGRESQL).unwrap();
    let expected = concat!(
        r#"{"cluster":"9f1c","crc32c":"519f0bb1","epoch":1,"format":1,"groups":[{"hash":{"bigint":"pg1","#,
        r#""text":"pg1","uuid":"pg1"},"name":"default","slots":[[0,8191,0],[8192,16383,1]],"strategy":"Hash"}],"#,
        r#""shards":[{"id":0,"name":"s0","weight":1},{"id":1,"name":"s1","weight":1}],"tables":{}}"#
    );
    assert_eq!(expected, map.to_json());
}

#[test]
fn keys_find_their_shard_by_hash_range_and_list() {
    let map = seal(&document()).unwrap();
    let owner = |group: &str, key| map.lookup(group, key).map(|shard| shard.name.as_str());
    // The golden vector of 42 is slot 14732.
    assert_eq!(Ok("s1"), owner("default", Key::Bigint(42)));
    assert_eq!(Ok("s1"), owner("ledger", Key::Bigint(i64::MIN)));
    assert_eq!(Ok("s0"), owner("ledger", Key::Bigint(-5)));
    assert_eq!(Ok("s0"), owner("ledger", Key::Bigint(999_999)));
    assert_eq!(Ok("s1"), owner("ledger", Key::Bigint(1_000_000)));
    assert_eq!(Ok("s0"), owner("names", Key::Text("")));
    assert_eq!(Ok("s1"), owner("names", Key::Text("w\u{df}")));
    assert_eq!(Ok("s1"), owner("events", Key::Text("eu-west")));
}

#[test]
fn a_key_that_nothing_covers_is_an_error_that_names_it() {
    let map = seal(&document()).unwrap();
    let message = |group: &str, key| map.lookup(group, key).unwrap_err().to_string();
    assert_eq!(r#"no entry of group "names" covers key "xavier""#, message("names", Key::Text("xavier")));
    assert_eq!(r#"no entry of group "events" covers key "mars""#, message("events", Key::Text("mars")));
    assert_eq!(r#"group "ledger" takes no text keys"#, message("ledger", Key::Text("1")));
    assert_eq!(r#"the map has no group "other""#, message("other", Key::Text("1")));
}

#[test]
fn tables_lead_to_their_group() {
    let map = seal(&document()).unwrap();
    assert_eq!("default", map.group_of_table("customers").unwrap().name);
    assert_eq!("ReferenceTable", map.group_of_table("countries").unwrap_err().reason());
    assert_eq!("UnknownTable", map.group_of_table("orders").unwrap_err().reason());
}

#[test]
fn a_faulty_map_is_refused_with_its_reason() {
    let shard = |name: &str, id: u32| json!({"name": name, "id": id, "weight": 1});
    let cases = [
        ("UnknownFormat", "/format", json!(2)),
        ("UnknownFormat", "/format", json!("1")),
        ("BadName", "/cluster", json!("")),
        ("BadName", "/cluster", json!("two words")),
        ("BadNumber", "/epoch", json!(0)),
        ("BadNumber", "/epoch", json!(1_u64 << 63)),
        ("Malformed", "/epoch", json!(-1)),
        ("Malformed", "/epoch", json!(1.5)),
        ("Malformed", "/shards", json!({})),
        ("Malformed", "/shards/0/weight", json!(-1)),
        ("Malformed", "/shards/0/weight", json!(1.0)),
        ("BadName", "/shards/0/name", json!("S0")),
        ("BadName", "/shards/0/name", json!("-s")),
        ("DuplicateName", "/shards/0/name", json!("s1")),
        ("DuplicateId", "/shards/0/id", json!(1)),
        ("UnknownShardId", "/shards/0/id", json!(2)),
        ("UnknownShardId", "/shards", json!([shard("s0", 0)])),
        ("Malformed", "/shards", json!([shard("s0", 70_000)])),
        ("DuplicateName", "/groups/1/name", json!("default")),
        ("Malformed", "/groups/0/strategy", json!("Modulo")),
        ("UnknownHash", "/groups/0/hash/text", json!("pg2")),
        ("HashKeyType", "/groups/0/hash/text", json!("cv1")),
        ("UnknownKeyType", "/groups/0/hash", json!({"float": "pg1"})),
        ("EmptyGroup", "/groups/0/hash", json!({})),
        ("Gap", "/groups/0/slots", json!([])),
        ("Gap", "/groups/0/slots", json!([[1, 16383, 0]])),
        ("Gap", "/groups/0/slots", json!([[0, 16382, 0]])),
        ("Gap", "/groups/0/slots", json!([[0, 99, 0], [101, 16383, 1]])),
        ("Overlap", "/groups/0/slots", json!([[0, 99, 0], [99, 16383, 1]])),
        ("Overlap", "/groups/0/slots", json!([[0, 16383, 0], [0, 16383, 1]])),
        ("BadRange", "/groups/0/slots", json!([[0, 16384, 0]])),
        ("BadRange", "/groups/0/slots", json!([[9, 8, 0]])),
        ("SplitRange", "/groups/0/slots", json!([[0, 99, 0], [100, 16383, 0]])),
        ("UnknownShardId", "/groups/0/slots", json!([[0, 16383, 7]])),
        ("Malformed", "/groups/0/slots", json!([[0, 16383]])),
        ("EmptyGroup", "/groups/1/ranges", json!([])),
        ("BadSplitPoints", "/groups/1/ranges", json!([["5", 0], ["5", 1]])),
        ("BadSplitPoints", "/groups/1/ranges", json!([["5", 0], ["-5", 1]])),
        ("BadSplitPoints", "/groups/1/ranges", json!([[null, 0], [null, 1]])),
        ("BadKeyText", "/groups/1/ranges", json!([["+5", 0]])),
        ("BadKeyText", "/groups/1/ranges", json!([["05", 0]])),
        ("BadKeyText", "/groups/1/ranges", json!([["9223372036854775808", 0]])),
        ("UnknownKeyType", "/groups/1/keyType", json!("numeric")),
        ("UnknownShardId", "/groups/1/ranges", json!([[null, 2]])),
        ("EmptyGroup", "/groups/3/values", json!({})),
        ("UnknownShardId", "/groups/3/values", json!({"a": 2})),
        ("BadKeyText", "/groups/3/keyType", json!("uuid")),
        ("UnknownGroup", "/tables/customers/group", json!("other")),
        ("BadName", "/tables/customers/key", json!("")),
        ("BadTable", "/tables/customers", json!({})),
        ("BadTable", "/tables/customers", json!({"group": "default"})),
        ("BadTable", "/tables/customers", json!({"group": "default", "key": "k", "reference": true})),
        ("Malformed", "/tables/customers", json!({"shard": "s0"})),
    ];
    for (reason, pointer, value) in cases {
        assert_eq!(reason, refusal(pointer, value.clone()), "{pointer} = {value}");
    }
}

#[test]
fn a_member_that_is_missing_unknown_or_named_twice_is_refused() {
    for member in ["format", "cluster", "epoch", "shards", "groups"] {
        let mut document = document();
        document.as_object_mut().unwrap().remove(member);
        assert_eq!("Malformed", seal(&document).unwrap_err().reason(), "without {member}");
    }
    let mut document = document();
    document["zones"] = json!([]);
    let error = seal(&document).unwrap_err();
    assert!(error.to_string().contains("zones"), "{error}");
    for text in ["", "[]", "null", "{", r#"{"format": 1, "format": 1}"#, r#"{"format": 1} x"#] {
        assert_eq!("Malformed", Map::seal(text).unwrap_err().reason(), "{text}");
    }
    let twice = r#"{"format":1,"tables":{"t":{"reference":true},"t":{"reference":true}}}"#;
    assert!(Map::seal(twice).unwrap_err().to_string().contains(r#""t" is named twice"#));
}

#[test]
fn a_map_without_its_checksum_or_with_another_one_is_refused() {
    let without = Map::from_json(&document().to_string()).unwrap_err();
    assert_eq!("Malformed", without.reason());
    let text = seal(&document()).unwrap().to_json().replace("\"epoch\":4", "\"epoch\":5");
    assert_eq!("BadChecksum", Map::from_json(&text).unwrap_err().reason());
    assert_eq!("BadChecksum", Map::seal(&text).unwrap_err().reason());
}

#[test]
fn an_epoch_never_goes_back() {
    let map = |epoch: u64, cluster: &str| {
        let mut document = document();
        document["epoch"] = json!(epoch);
        document["cluster"] = json!(cluster);
        seal(&document).unwrap()
    };
    let current = map(4, "a");
    assert_eq!(Ok(()), map(4, "a").check_successor_of(&current));
    assert_eq!(Ok(()), map(9, "a").check_successor_of(&current));
    assert_eq!(Err(Error::StaleEpoch { current: 4, offered: 3 }), map(3, "a").check_successor_of(&current));
    assert_eq!("OtherCluster", map(5, "b").check_successor_of(&current).unwrap_err().reason());
    let mut other = document();
    other["cluster"] = json!("a");
    other["groups"][0]["slots"] = json!([[0, 8190, 0], [8191, 16383, 1]]);
    assert_eq!(Err(Error::EpochTwice(4)), seal(&other).unwrap().check_successor_of(&current));
}

#[test]
fn a_shard_that_owns_keys_cannot_leave_the_map() {
    let map = seal(&document()).unwrap();
    let rest = [("s0".to_owned(), 1)];
    let error = map.with_shards(&rest).unwrap_err();
    assert_eq!(r#"shard "s1" still owns keys of group "default" and cannot leave the map"#, error.to_string());
    // The slots could move; the ranges of a Range group are placed by hand.
    let error = map.plan(&rest).unwrap_err();
    assert_eq!(r#"shard "s1" still owns keys of group "ledger" and cannot leave the map"#, error.to_string());
}

#[test]
fn a_new_shard_never_gets_the_id_of_another() {
    let map = Map::initial("c", &[("a".into(), 1), ("b".into(), 1)], Hashes::POSTGRESQL).unwrap();
    let map = map.plan(&[("b".into(), 1), ("z".into(), 1)]).unwrap();
    let ids: Vec<(&str, u16)> = map.shards().iter().map(|shard| (shard.name.as_str(), shard.id)).collect();
    assert_eq!(vec![("b", 1), ("z", 2)], ids);
}

#[test]
fn shards_that_cannot_be_are_refused() {
    let refuse = |shards: &[(&str, u32)]| {
        let shards: Vec<(String, u32)> = shards.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        Map::initial("c", &shards, Hashes::POSTGRESQL).unwrap_err().reason()
    };
    assert_eq!("NoWeight", refuse(&[]));
    assert_eq!("NoWeight", refuse(&[("a", 0)]));
    assert_eq!("DuplicateName", refuse(&[("a", 1), ("a", 1)]));
    assert_eq!("BadName", refuse(&[("a.b", 1)]));
    let many: Vec<(String, u32)> = (0..16385).map(|number| (format!("s{number}"), 1)).collect();
    assert_eq!("TooManyShards", Map::initial("c", &many, Hashes::POSTGRESQL).unwrap_err().reason());
}

proptest! {
    #[test]
    fn a_changed_byte_is_never_read_as_another_map(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let map = seal(&document()).unwrap();
        let mut bytes = map.to_json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            if let Ok(read) = Map::from_json(&text) {
                prop_assert_eq!(map, read);
            }
        }
    }

    #[test]
    fn every_key_has_exactly_one_owner(key in any::<i64>(), text in any::<String>(), uuid in any::<[u8; 16]>(), shards in 1_u32..40) {
        let shards: Vec<(String, u32)> = (0..shards).map(|number| (format!("s{number}"), number % 4 + 1)).collect();
        let map = Map::initial("c", &shards, Hashes::POSTGRESQL).unwrap();
        for key in [Key::Bigint(key), Key::Text(&text), Key::Uuid(uuid)] {
            let position = covet_ring::Hash::Pg1.position(key).unwrap();
            let slot = covet_ring::slot_of_position(position);
            let owns = |name: &str| map.ranges("default", name).unwrap().iter().any(|(first, last)| (*first..=*last).contains(&slot));
            let owners: Vec<&str> = shards.iter().map(|(name, _)| name.as_str()).filter(|name| owns(name)).collect();
            prop_assert_eq!(vec![map.lookup("default", key).unwrap().name.as_str()], owners);
        }
    }

    #[test]
    fn a_batch_answers_as_single_lookups_do(keys in prop::collection::vec(any::<i64>(), 0..3000)) {
        let map = seal(&document()).unwrap();
        for name in ["default", "ledger"] {
            let group = map.group(name).unwrap();
            let mut owners = vec![0; keys.len()];
            group.owners_of_ints(&keys, &mut owners).unwrap();
            let single: Vec<u16> = keys.iter().map(|key| group.owner_of(Key::Bigint(*key)).unwrap()).collect();
            prop_assert_eq!(single, owners);
        }
    }
}
