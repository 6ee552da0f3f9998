//! A map of three shards and what such shards answer, for tests.

use covet_ring::{Hashes, Map};

use crate::schema::answer::{Answer, Column, Relation};

/// Three shards; `customers` is sharded by `tenant_id`.
pub fn map() -> Map {
    let shards = ["s0", "s1", "s2"].map(|name| (name.to_owned(), 1));
    let plain = Map::initial("uid", &shards, Hashes::POSTGRESQL).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&plain.to_json()).unwrap();
    document["tables"] = serde_json::json!({"customers": {"group": "default", "key": "tenant_id"}});
    document.as_object_mut().unwrap().remove("crc32c");
    Map::seal(&document.to_string()).unwrap()
}

/// A table of schema public with a key and a name.
pub fn table(name: &str) -> Relation {
    let column = |name: &str, ty: &str| Column {
        name: name.into(),
        ty: ty.into(),
        required: true,
        deterministic: true,
        volatile: false,
    };
    Relation {
        schema: "public".into(),
        name: name.into(),
        kind: 'r',
        rules: false,
        columns: vec![column("tenant_id", "bigint"), column("name", "text")],
        uniques: vec![],
        foreign: vec![],
    }
}

/// A shard that has `customers`.
pub fn answer() -> Answer {
    Answer {
        encoding: "UTF8".into(),
        search_path: Some("\"$user\", public".into()),
        paths: vec![],
        relations: vec![table("customers")],
        functions: vec![],
    }
}
