//! The map as JSON, format 1: reading, checking, writing. `docs/ring.md` describes the format for users.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map as Object, Value};

use crate::canonical;
use crate::error::Error;
use crate::group::{Group, HashGroup, Strategy};
use crate::hash::{Hash, Hashes, LAST_SLOT, SLOTS};
use crate::key::{KeyType, OwnedKey};
use crate::map::{Map, Shard, Table};

/// The only format there is.
const FORMAT: u64 = 1;

/// The highest epoch: a bigint of `PostgreSQL` holds it.
const LAST_EPOCH: u64 = i64::MAX as u64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "format")]
    _format: u64,
    cluster: String,
    epoch: u64,
    shards: Vec<Shard>,
    groups: Vec<GroupDocument>,
    #[serde(default)]
    tables: BTreeMap<String, TableDocument>,
    #[serde(rename = "crc32c")]
    _crc32c: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "strategy", deny_unknown_fields)]
enum GroupDocument {
    Hash {
        name: String,
        hash: BTreeMap<String, String>,
        slots: Vec<(u16, u16, u16)>,
    },
    Range {
        name: String,
        #[serde(rename = "keyType")]
        key_type: String,
        ranges: Vec<(Option<String>, u16)>,
    },
    List {
        name: String,
        #[serde(rename = "keyType")]
        key_type: String,
        values: BTreeMap<String, u16>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableDocument {
    group: Option<String>,
    key: Option<String>,
    #[serde(default)]
    reference: bool,
}

/// Reads a sealed document and checks all of it.
pub(crate) fn read(text: &str) -> Result<Map, Error> {
    let object = read_object(text)?;
    if !object.contains_key(canonical::CHECKSUM) {
        return Err(Error::Malformed("it has no crc32c".to_owned()));
    }
    parse(object)
}

/// Reads a document whose checksum may still be missing.
pub(crate) fn seal(text: &str) -> Result<Map, Error> {
    parse(read_object(text)?)
}

fn read_object(text: &str) -> Result<Object<String, Value>, Error> {
    match canonical::read(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::Malformed("it is not a JSON object".to_owned())),
    }
}

fn parse(object: Object<String, Value>) -> Result<Map, Error> {
    // Format first: what follows may look different in another one. Then the checksum: without it
    // a message about a gap would blame the author for what happened on the way.
    match object.get("format") {
        Some(format) if format.as_u64() == Some(FORMAT) => {}
        Some(format) => return Err(Error::UnknownFormat(format.to_string())),
        None => return Err(Error::Malformed("it has no format".to_owned())),
    }
    if let Some(found) = object.get(canonical::CHECKSUM) {
        let expected = canonical::checksum(&object);
        if found.as_str() != Some(&expected) {
            return Err(Error::BadChecksum { expected, found: found.to_string() });
        }
    }
    let document = serde_json::from_value::<Document>(Value::Object(object))
        .map_err(|error| Error::Malformed(error.to_string()))?;
    let map = Map {
        cluster: document.cluster,
        epoch: document.epoch,
        shards: document.shards,
        groups: document.groups.into_iter().map(parse_group).collect::<Result<_, _>>()?,
        tables: parse_tables(document.tables)?,
    };
    validate(&map)?;
    Ok(map)
}

fn parse_group(group: GroupDocument) -> Result<Group, Error> {
    let (name, strategy) = match group {
        GroupDocument::Hash { name, hash, slots } => {
            let mut hashes = Hashes::default();
            for (key_type, hash) in hash {
                hashes.set(KeyType::from_name(&key_type)?, Hash::from_name(&hash)?)?;
            }
            let owners = parse_slots(&name, &slots)?;
            (name, Strategy::Hash(HashGroup::new(hashes, owners)))
        }
        GroupDocument::Range { name, key_type, ranges } => {
            let key_type = KeyType::from_name(&key_type)?;
            let ranges = ranges
                .into_iter()
                .map(|(end, id)| Ok((end.map(|end| OwnedKey::parse(key_type, &end)).transpose()?, id)))
                .collect::<Result<_, Error>>()?;
            (name, Strategy::Range { key_type, ranges })
        }
        GroupDocument::List { name, key_type, values } => {
            let key_type = KeyType::from_name(&key_type)?;
            let mut values = values
                .into_iter()
                .map(|(value, id)| Ok((OwnedKey::parse(key_type, &value)?, id)))
                .collect::<Result<Vec<_>, Error>>()?;
            values.sort_unstable();
            (name, Strategy::List { key_type, values })
        }
    };
    Ok(Group { name, strategy })
}

/// Spreads runs of slots over the ring; they must cover it from 0 to 16383, in order, each slot once.
fn parse_slots(group: &str, ranges: &[(u16, u16, u16)]) -> Result<Box<[u16; SLOTS]>, Error> {
    let mut owners = Box::new([0_u16; SLOTS]);
    let mut expected = 0;
    let mut before = None;
    for &(first, last, id) in ranges {
        if first > last || last > LAST_SLOT {
            return Err(Error::BadRange { first: first.into(), last: last.into() });
        }
        if first < expected {
            return Err(Error::Overlap { group: group.to_owned(), first, last, expected });
        }
        if first > expected {
            return Err(Error::Gap { group: group.to_owned(), first: expected, last: first - 1 });
        }
        if before == Some(id) {
            return Err(Error::SplitRange { group: group.to_owned(), slot: first });
        }
        owners[usize::from(first)..=usize::from(last)].fill(id);
        expected = last + 1;
        before = Some(id);
    }
    if expected <= LAST_SLOT {
        return Err(Error::Gap { group: group.to_owned(), first: expected, last: LAST_SLOT });
    }
    Ok(owners)
}

fn parse_tables(tables: BTreeMap<String, TableDocument>) -> Result<BTreeMap<String, Table>, Error> {
    let parse = |(name, table)| match table {
        TableDocument { group: Some(group), key: Some(key), reference: false } => {
            Ok((name, Table::Sharded { group, key }))
        }
        TableDocument { group: None, key: None, reference: true } => Ok((name, Table::Reference)),
        TableDocument { .. } => Err(Error::BadTable(name)),
    };
    tables.into_iter().map(parse).collect()
}

/// Checks names, numbers and references of a map; that slots have one owner each is in the type.
pub(crate) fn validate(map: &Map) -> Result<(), Error> {
    check_name("cluster", &map.cluster, 128, "1 to 128 visible ASCII characters", |c| c.is_ascii_graphic())?;
    if map.epoch == 0 || map.epoch > LAST_EPOCH {
        return Err(Error::BadNumber { what: "epoch", value: map.epoch.into(), rule: "1 to 2^63 - 1" });
    }
    let ids = validate_shards(&map.shards)?;
    let mut names = BTreeSet::new();
    for group in &map.groups {
        check_name("group", &group.name, 63, "1 to 63 bytes without control characters", |c| !c.is_control())?;
        if !names.insert(group.name.as_str()) {
            return Err(Error::DuplicateName { what: "group", name: group.name.clone() });
        }
        validate_group(group, &ids)?;
    }
    for (name, table) in &map.tables {
        check_name("table", name, 255, "1 to 255 bytes without control characters", |c| !c.is_control())?;
        if let Table::Sharded { group, key } = table {
            check_name("key column", key, 63, "1 to 63 bytes without control characters", |c| !c.is_control())?;
            map.group(group)?;
        }
    }
    Ok(())
}

fn validate_shards(shards: &[Shard]) -> Result<BTreeSet<u16>, Error> {
    if shards.len() > SLOTS {
        return Err(Error::TooManyShards(shards.len()));
    }
    let mut names = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for shard in shards {
        let rule = "1 to 63 of a-z, 0-9 and -, neither first nor last a -";
        check_name("shard", &shard.name, 63, rule, |c| matches!(c, 'a'..='z' | '0'..='9' | '-'))?;
        if shard.name.starts_with('-') || shard.name.ends_with('-') {
            return Err(Error::BadName { what: "shard", name: shard.name.clone(), rule });
        }
        if !names.insert(shard.name.as_str()) {
            return Err(Error::DuplicateName { what: "shard", name: shard.name.clone() });
        }
        if let Some(first) = ids.insert(shard.id, &shard.name) {
            return Err(Error::DuplicateId { id: shard.id, first: first.clone(), second: shard.name.clone() });
        }
    }
    Ok(ids.into_keys().collect())
}

fn validate_group(group: &Group, ids: &BTreeSet<u16>) -> Result<(), Error> {
    let owners: BTreeSet<u16> = group.owner_ids().collect();
    if let Some(id) = owners.difference(ids).next() {
        return Err(Error::UnknownShardId { group: group.name.clone(), id: *id });
    }
    let empty = match &group.strategy {
        Strategy::Hash(hashed) => hashed.hashes().iter().next().is_none(),
        Strategy::Range { ranges, .. } => {
            validate_split_points(&group.name, ranges)?;
            ranges.is_empty()
        }
        Strategy::List { values, .. } => values.is_empty(),
    };
    if empty { Err(Error::EmptyGroup(group.name.clone())) } else { Ok(()) }
}

fn validate_split_points(group: &str, ranges: &[(Option<OwnedKey>, u16)]) -> Result<(), Error> {
    for (index, pair) in ranges.windows(2).enumerate() {
        let rises = match (&pair[0].0, &pair[1].0) {
            (Some(low), Some(high)) => low < high,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !rises {
            return Err(Error::BadSplitPoints { group: group.to_owned(), index: index + 1 });
        }
    }
    Ok(())
}

fn check_name(
    what: &'static str,
    name: &str,
    longest: usize,
    rule: &'static str,
    allowed: impl Fn(char) -> bool,
) -> Result<(), Error> {
    if name.is_empty() || name.len() > longest || !name.chars().all(allowed) {
        return Err(Error::BadName { what, name: name.to_owned(), rule });
    }
    Ok(())
}

/// Writes the canonical text of a map, checksum included.
pub(crate) fn write(map: &Map) -> String {
    let mut object = Object::new();
    object.insert("format".into(), FORMAT.into());
    object.insert("cluster".into(), map.cluster.as_str().into());
    object.insert("epoch".into(), map.epoch.into());
    object.insert("shards".into(), map.shards.iter().map(write_shard).collect());
    object.insert("groups".into(), map.groups.iter().map(write_group).collect());
    object.insert(
        "tables".into(),
        Value::Object(map.tables.iter().map(|(name, table)| (name.clone(), write_table(table))).collect()),
    );
    let checksum = canonical::checksum(&object);
    object.insert(canonical::CHECKSUM.into(), checksum.into());
    canonical::write(&Value::Object(object))
}

fn write_object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn write_shard(shard: &Shard) -> Value {
    write_object([("name", shard.name.as_str().into()), ("id", shard.id.into()), ("weight", shard.weight.into())])
}

fn write_group(group: &Group) -> Value {
    let name = Value::from(group.name.as_str());
    match &group.strategy {
        Strategy::Hash(hashed) => {
            let hash = hashed.hashes().iter().map(|(key_type, hash)| (key_type.name().to_owned(), hash.name().into()));
            let slots =
                hashed.ranges().into_iter().map(|(first, last, id)| [first, last, id].map(Value::from).to_vec());
            write_object([
                ("name", name),
                ("strategy", "Hash".into()),
                ("hash", Value::Object(hash.collect())),
                ("slots", slots.collect()),
            ])
        }
        Strategy::Range { key_type, ranges } => {
            let entry = |(end, id): &(Option<OwnedKey>, u16)| {
                vec![end.as_ref().map_or(Value::Null, |end| end.to_text().into()), (*id).into()]
            };
            write_object([
                ("name", name),
                ("strategy", "Range".into()),
                ("keyType", key_type.name().into()),
                ("ranges", ranges.iter().map(entry).collect()),
            ])
        }
        Strategy::List { key_type, values } => {
            let values = values.iter().map(|(value, id)| (value.to_text(), Value::from(*id)));
            write_object([
                ("name", name),
                ("strategy", "List".into()),
                ("keyType", key_type.name().into()),
                ("values", Value::Object(values.collect())),
            ])
        }
    }
}

fn write_table(table: &Table) -> Value {
    match table {
        Table::Sharded { group, key } => write_object([("group", group.as_str().into()), ("key", key.as_str().into())]),
        Table::Reference => write_object([("reference", true.into())]),
    }
}
