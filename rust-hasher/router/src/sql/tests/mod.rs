//! Tests of the whole way from text to decision; `cases.json` is also the table of `docs/sql.md`.

mod cases;
mod lexing;
mod noise;
mod smuggling;

use covet_ring::Map;
use serde_json::Value;

use super::Templates;
use super::analyse::Context;
use super::catalog::{Catalog, ColumnRow, RelationRow};
use super::refusal::Refusal;
use super::route::{self, Decision};
use super::scan::{Scanner, Scratch};
use super::value::{Parameter, Values};

/// A cluster of four shards as `cases.json` describes it.
struct Cluster {
    map: Map,
    catalog: Catalog,
    search_path: Vec<String>,
}

impl Cluster {
    fn of(setup: &Value) -> Self {
        let map = Map::seal(&setup["map"].to_string()).unwrap();
        let relations = setup["relations"].as_array().unwrap().iter().map(relation).collect();
        let functions = strings(&setup["functions"]).into_iter().collect();
        let catalog = Catalog::new(relations, functions, map.tables(), true);
        Self { map, catalog, search_path: strings(&setup["search_path"]) }
    }

    fn of_cases() -> Self {
        Self::of(&cases()["setup"])
    }

    fn context(&self) -> Context<'_> {
        Context { catalog: &self.catalog, search_path: &self.search_path, conforming: true }
    }

    /// The decision for a whole message, in words.
    fn decide(&self, text: &str, params: &[Parameter<'_>]) -> Result<String, Refusal> {
        let mut templates = Templates::new(100, 1 << 20);
        self.decide_with(&mut templates, text, params)
    }

    fn decide_with(&self, templates: &mut Templates, text: &str, params: &[Parameter<'_>]) -> Result<String, Refusal> {
        let (mut scanner, mut scratch) = (Scanner::new(text, true), Scratch::default());
        let mut decisions = Vec::new();
        while let Some(statement) = scanner.advance(&mut scratch)? {
            let template = templates.template(text, &statement, &scratch, &self.context());
            let values = Values { text, literals: &scratch.literals, params, utf8: true };
            let wanted = statement.shard.map(|name| route::shard_named(name, &self.map)).transpose()?;
            let decision = route::route(&template, &values, wanted, &self.map)?;
            let words = in_words(&decision);
            decisions.push((words, static_part(&decision)));
        }
        if decisions.len() == 1 {
            return Ok(decisions.remove(0).0);
        }
        let parts = decisions.into_iter().map(|(_, decision)| decision).collect();
        route::together(parts).map(|decision| in_words(&decision))
    }
}

/// A decision that borrows nothing; the session's and the transaction's stand for each other here.
fn static_part(decision: &Decision<'_>) -> Decision<'static> {
    match decision {
        Decision::Any => Decision::Any,
        Decision::Shard(shard) => Decision::Shard(*shard),
        _ => Decision::All,
    }
}

fn in_words(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Any => "any".to_owned(),
        Decision::Shard(shard) => format!("shard s{shard}"),
        Decision::Shards(shards) => format!("shards {shards:?}"),
        Decision::Split(parts) => format!("rows {parts:?}"),
        Decision::All => "all".to_owned(),
        Decision::CopyRows(copy) => format!("copy by column {}", copy.position + 1),
        Decision::Session(_) => "session".to_owned(),
        Decision::Transaction(_) => "transaction".to_owned(),
        Decision::Explain(_) => "explained".to_owned(),
    }
}

fn cases() -> Value {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

fn relation(row: &Value) -> RelationRow {
    let columns = row["columns"].as_array().unwrap().iter().map(|column| ColumnRow {
        name: column[0].as_str().unwrap().to_owned(),
        ty: column[1].as_str().unwrap().to_owned(),
        deterministic: true,
        volatile_default: column[2] == "volatile",
    });
    RelationRow {
        schema: row["schema"].as_str().unwrap().to_owned(),
        name: row["name"].as_str().unwrap().to_owned(),
        kind: row["kind"].as_str().unwrap().chars().next().unwrap(),
        rules: row["rules"].as_bool().unwrap(),
        columns: columns.collect(),
    }
}

/// Parameters in text format without a type.
fn text_params(values: &[Option<String>]) -> Vec<Parameter<'_>> {
    values.iter().map(|value| Parameter { value: value.as_deref().map(str::as_bytes), binary: false, oid: 0 }).collect()
}
