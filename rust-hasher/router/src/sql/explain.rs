//! `EXPLAIN (COVET)`: what the router would do, in lines of text.

use covet_ring::{Map, slot_of_position};

use super::refusal::Refusal;
use super::route::{Decision, owner, route};
use super::template::{KeyColumn, Plan, Template, ValuePlace, ValueSource};
use super::value::Values;

/// How many keys are listed.
const KEYS: usize = 10;

/// The plan of a statement, one line each: kind, fingerprint, tables, keys with slot and shard, and the decision.
#[must_use]
pub fn lines(template: &Template, values: &Values<'_>, wanted: Option<u16>, map: &Map) -> Vec<String> {
    let mut lines = vec![
        format!("kind: {}", template.kind.name()),
        format!("fingerprint: {:016x}", template.fingerprint),
        format!("map epoch: {}", map.epoch()),
    ];
    if !template.tables.is_empty() {
        lines.push(format!("tables: {}", template.tables.join(", ")));
    }
    lines.extend(template.group.as_ref().map(|group| format!("group: {group}")));
    if let Ok(plan) = &template.plan {
        keys(plan, values, map, &mut lines);
    }
    match route(template, values, wanted, map) {
        Ok(decision) => lines.push(format!("runs: {}", in_words(&decision, map))),
        Err(refusal) => lines.extend(refused(&refusal)),
    }
    lines
}

fn refused(refusal: &Refusal) -> [String; 2] {
    [format!("refused: {} (SQLSTATE {})", refusal.feature.name(), refusal.sqlstate()), format!("because: {refusal}")]
}

fn keys(plan: &Plan, values: &Values<'_>, map: &Map, lines: &mut Vec<String>) {
    let places: Vec<(&KeyColumn, &ValuePlace)> = match plan {
        Plan::Keyed(keyed) => {
            keyed.keys.iter().flat_map(|set| set.values.iter().map(|one| (&set.column, one))).collect()
        }
        Plan::Rows(rows) => rows.rows.iter().map(|row| (&rows.column, &row.key)).collect(),
        Plan::Scatter { reason } => {
            lines.push(format!("no key: {reason}"));
            Vec::new()
        }
        _ => Vec::new(),
    };
    for (column, place) in places.iter().take(KEYS) {
        lines.push(key(column, place, values, map));
    }
    if places.len() > KEYS {
        lines.push(format!("and {} more keys", places.len() - KEYS));
    }
}

fn key(column: &KeyColumn, place: &ValuePlace, values: &Values<'_>, map: &Map) -> String {
    let from = match place.source {
        ValueSource::Literal(ordinal) => format!("literal {}", ordinal + 1),
        ValueSource::Param { number, .. } => format!("${number}"),
    };
    let found = values.read(place, column).and_then(|value| owner(&value, column, map).map(|shard| (value, shard)));
    let Ok((value, shard)) = found else {
        return format!("key: {} = {from}", column.name);
    };
    let group = map.group(&column.group).ok().and_then(|group| group.hashed().ok());
    let hash = group.and_then(|group| group.hashes().get(value.key().key_type()));
    let slot = hash.and_then(|hash| hash.position(value.key()).ok()).map(slot_of_position);
    let slot = slot.map_or_else(String::new, |slot| format!(", slot {slot}"));
    format!("key: {} = {} ({from}){slot}, shard {}", column.name, value.key(), shard_name(shard, map))
}

/// A decision in words.
#[must_use]
pub fn in_words(decision: &Decision<'_>, map: &Map) -> String {
    let name = |id: &u16| shard_name(*id, map);
    match decision {
        Decision::Any => "on any one shard".to_owned(),
        Decision::Shard(shard) => format!("on {}", name(shard)),
        Decision::Shards(shards) => format!("on {}", shards.iter().map(name).collect::<Vec<_>>().join(", ")),
        Decision::Split(parts) => {
            let part = |(shard, rows): &(u16, Vec<usize>)| format!("{} of the rows on {}", rows.len(), name(shard));
            parts.iter().map(part).collect::<Vec<_>>().join(", ")
        }
        Decision::All => "on all shards".to_owned(),
        Decision::CopyRows(copy) => format!("each row on the shard of its column {}", copy.position + 1),
        Decision::Session(_) => "in the session".to_owned(),
        Decision::Transaction(_) => "in the transaction".to_owned(),
        Decision::Explain(_) => "in the router".to_owned(),
    }
}

fn shard_name(id: u16, map: &Map) -> String {
    map.shard_with_id(id).map_or_else(|| id.to_string(), |shard| shard.name.clone())
}
