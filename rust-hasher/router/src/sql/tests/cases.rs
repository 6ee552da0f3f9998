//! Every case of `cases.json`.

use covet_ring::{Key, OwnedKey};
use serde_json::Value;

use super::{Cluster, cases, text_params};

/// What a case's words mean, computed from the map and not by the code under test.
fn expected(words: &str, cluster: &Cluster) -> String {
    let owner = |key: &str| {
        let (group, key) = match key.split_once(' ') {
            Some(("text", text)) => ("default", OwnedKey::Text(text.to_owned())),
            Some(("region", text)) => ("regions", OwnedKey::Text(text.to_owned())),
            Some(("uuid", text)) => ("default", OwnedKey::parse(covet_ring::KeyType::Uuid, text).unwrap()),
            _ => ("default", OwnedKey::Bigint(key.parse().unwrap())),
        };
        let key = match &key {
            OwnedKey::Bigint(value) => Key::Bigint(*value),
            OwnedKey::Text(text) => Key::Text(text),
            OwnedKey::Uuid(bytes) => Key::Uuid(*bytes),
        };
        cluster.map.lookup(group, key).unwrap().id
    };
    let owners = |keys: &str| keys.split(", ").map(owner).collect::<Vec<_>>();
    if let Some(key) = words.strip_prefix("owner of ") {
        return format!("shard s{}", owner(key));
    }
    if let Some(keys) = words.strip_prefix("owners of ") {
        let mut shards = owners(keys);
        shards.sort_unstable();
        shards.dedup();
        return format!("shards {shards:?}");
    }
    if let Some(keys) = words.strip_prefix("rows to owners of ") {
        let owners = owners(keys);
        let rows_of = |shard: &u16| (0..owners.len()).filter(|at| owners[*at] == *shard).collect::<Vec<_>>();
        let shards: std::collections::BTreeSet<_> = owners.iter().copied().collect();
        return format!("rows {:?}", shards.iter().map(|shard| (*shard, rows_of(shard))).collect::<Vec<_>>());
    }
    if words == "every" { "shards [0, 1, 2, 3]".to_owned() } else { words.to_owned() }
}

#[test]
fn every_case_goes_where_the_page_says() {
    let cluster = Cluster::of_cases();
    let mut wrong = Vec::new();
    for section in cases()["sections"].as_array().unwrap() {
        for case in section["cases"].as_array().unwrap() {
            let (sql, words) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
            let one = |value: &Value| value.as_str().map(str::to_owned);
            let params: Vec<_> = case[2].as_array().into_iter().flatten().map(one).collect();
            let found = match cluster.decide(sql, &text_params(&params)) {
                Ok(words) => words,
                Err(refusal) => format!("refused {}", refusal.feature.name()),
            };
            let wanted = expected(words, &cluster);
            if found != wanted {
                wrong.push(format!("{sql}\n    wanted {wanted}, found {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
