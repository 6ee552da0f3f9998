//! `map` and `sharding`: which shard owns a key, and the tables that the map's document does not list.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use covet_ring::{DEFAULT_GROUP, Map};
use serde::Deserialize;

use crate::config::{Document, Mode};
use crate::error::{Error, Result};

/// Tables beside those of the map's document.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sharding {
    /// The column that shards every table that has it and is not named otherwise.
    pub key: Option<String>,
    /// Tables by name: `name`, in schema public, or `schema.name`.
    #[serde(default)]
    pub tables: BTreeMap<String, TableEntry>,
}

/// A table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TableEntry {
    /// The column that shards it.
    pub key: Option<String>,
    /// All of it is on every shard.
    #[serde(default)]
    pub reference: bool,
}

/// The name that a table has everywhere: `schema.name`.
#[must_use]
pub fn full_name(table: &str) -> String {
    if table.contains('.') { table.to_owned() } else { format!("public.{table}") }
}

/// Check the fields by themselves: what they need, and what they exclude.
///
/// # Errors
/// The first field that cannot be used.
pub fn check(document: &Document) -> Result<()> {
    let refuse = |place: &str, why: &str| Err(Error::config(place, why));
    if document.map.is_none() {
        if document.shards.len() > 1 {
            return refuse("shards", "are several, which needs map: the file with the map's document");
        }
        return match document.sharding {
            Some(_) => refuse("sharding", "needs map: the file with the map's document"),
            None => Ok(()),
        };
    }
    if document.pool.mode == Mode::Session {
        return refuse("pool.mode", "has to be Transaction with a map: no server is a session's own");
    }
    let Some(sharding) = &document.sharding else { return Ok(()) };
    if sharding.key.as_deref() == Some("") {
        return refuse("sharding.key", "is empty; name a column, or leave it out");
    }
    let mut seen = std::collections::BTreeSet::new();
    for (name, entry) in &sharding.tables {
        let place = format!("sharding.tables.{name}");
        if entry.reference == entry.key.as_deref().is_some_and(|key| !key.is_empty()) {
            return refuse(&place, "needs either key: a column, or reference: true");
        }
        if !seen.insert(full_name(name)) {
            return refuse(&place, "is there twice, with and without its schema public");
        }
    }
    Ok(())
}

/// Read the map that a document names, and check that it is of its cluster and its shards.
///
/// # Errors
/// The file cannot be read, is no map, or names a shard that the document does not.
pub fn map(document: &Document) -> Result<Option<Map>> {
    let Some(path) = &document.map else { return Ok(None) };
    let place = || format!("map {}", path.display());
    let text = read(path).map_err(|error| Error::config(place(), error.to_string()))?;
    let map = Map::from_json(text.trim()).map_err(|error| Error::config(place(), error.to_string()))?;
    if map.cluster() != document.cluster.uid {
        let (own, uid) = (&document.cluster.uid, map.cluster());
        return Err(Error::config(place(), format!("is of cluster {uid}, this router's is {own}")));
    }
    for shard in map.shards() {
        if document.shards.iter().all(|known| known.name != shard.name) {
            let name = &shard.name;
            return Err(Error::config(place(), format!("names shard {name}, which is not among shards; add it")));
        }
    }
    if document.sharding.is_some() && map.group(DEFAULT_GROUP).is_err() {
        return Err(Error::config(place(), format!("has no group {DEFAULT_GROUP}, which sharding puts its tables in")));
    }
    Ok(Some(map))
}

fn read(path: &Path) -> std::io::Result<String> {
    fs::read_to_string(path)
}
