//! Prints where statements go, for tests that compare with a server: JSON lines in, JSON lines out.
//!
//! The first line is the setup as in `src/sql/tests/cases.json`; each other line is
//! `{"sql": "...", "params": [{"text": "42"}, {"hex": "0000002a", "oid": 23}, null]}`, answered by
//! `{"shards": ["s1"]}`, `{"refused": "KeyRange", "because": "..."}` or `{"goes": "in the session"}`.

use std::error::Error;
use std::io::{BufRead, Write};

use covet_ring::Map;
use covet_router::sql::analyse::Context;
use covet_router::sql::catalog::{Catalog, ColumnRow, RelationRow};
use covet_router::sql::scan::{Scanner, Scratch, TextRules};
use covet_router::sql::value::{Parameter, Values};
use covet_router::sql::{Decision, Refusal, Templates, explain, route};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Setup {
    map: Value,
    relations: Vec<Relation>,
    functions: Vec<String>,
    search_path: Vec<String>,
}

#[derive(Deserialize)]
struct Relation {
    schema: String,
    name: String,
    kind: char,
    rules: bool,
    /// Name, type, and `volatile` for a default that differs between servers.
    columns: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Question {
    sql: String,
    #[serde(default)]
    params: Vec<Option<Bound>>,
}

#[derive(Deserialize)]
struct Bound {
    text: Option<String>,
    hex: Option<String>,
    #[serde(default)]
    oid: u32,
}

struct Cluster {
    map: Map,
    catalog: Catalog,
    search_path: Vec<String>,
    templates: Templates,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let first = lines.next().ok_or("the first line is the setup")??;
    let mut cluster = cluster(serde_json::from_str(&first)?)?;
    let mut out = std::io::stdout().lock();
    for line in lines {
        let question: Question = serde_json::from_str(&line?)?;
        writeln!(out, "{}", answer(&mut cluster, &question)?)?;
    }
    Ok(())
}

fn cluster(setup: Setup) -> Result<Cluster, Box<dyn Error>> {
    let map = Map::seal(&setup.map.to_string())?;
    let column = |column: Vec<String>| ColumnRow {
        name: column.first().cloned().unwrap_or_default(),
        ty: column.get(1).cloned().unwrap_or_default(),
        deterministic: true,
        volatile_default: column.get(2).is_some_and(|word| word == "volatile"),
    };
    let relation = |row: Relation| RelationRow {
        schema: row.schema,
        name: row.name,
        kind: row.kind,
        rules: row.rules,
        columns: row.columns.into_iter().map(column).collect(),
    };
    let relations = setup.relations.into_iter().map(relation).collect();
    let catalog = Catalog::new(relations, setup.functions.into_iter().collect(), map.tables(), true);
    Ok(Cluster { map, catalog, search_path: setup.search_path, templates: Templates::new(1000, 1 << 20) })
}

fn answer(cluster: &mut Cluster, question: &Question) -> Result<Value, Box<dyn Error>> {
    let values: Vec<Option<Vec<u8>>> =
        question.params.iter().map(|param| bytes(param.as_ref())).collect::<Result<_, _>>()?;
    let bound = question.params.iter().zip(&values).map(|(param, value)| Parameter {
        value: value.as_deref(),
        binary: param.as_ref().is_some_and(|param| param.hex.is_some()),
        oid: param.as_ref().map_or(0, |param| param.oid),
    });
    let params: Vec<_> = bound.collect();
    Ok(decide(cluster, &question.sql, &params)
        .unwrap_or_else(|refusal| json!({"refused": refusal.feature.name(), "because": refusal.to_string()})))
}

/// The bytes of a parameter; `None` for NULL.
fn bytes(param: Option<&Bound>) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
    let Some(param) = param else { return Ok(None) };
    if let Some(text) = &param.text {
        return Ok(Some(text.clone().into_bytes()));
    }
    let digits = param.hex.as_deref().ok_or("a parameter has text or hex")?;
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at + 2).unwrap_or("?"));
    Ok(Some(pairs.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<_, _>>()?))
}

fn decide(cluster: &mut Cluster, sql: &str, params: &[Parameter<'_>]) -> Result<Value, Refusal> {
    let rules = TextRules::default();
    let text = rules.read(sql.as_bytes())?;
    let (mut scanner, mut scratch) = (Scanner::new(text, rules.conforming), Scratch::default());
    let context = Context { catalog: &cluster.catalog, search_path: &cluster.search_path, conforming: true };
    let mut found = Vec::new();
    while let Some(statement) = scanner.advance(&mut scratch)? {
        let template = cluster.templates.template(text, &statement, &scratch, &context);
        let values = Values { text, literals: &scratch.literals, params, utf8: rules.utf8 };
        let wanted = statement.shard.map(|name| route::shard_named(name, &cluster.map)).transpose()?;
        let decision = route::route(&template, &values, wanted, &cluster.map)?;
        found.push(in_json(&decision, &cluster.map));
    }
    Ok(if found.len() == 1 { found.remove(0) } else { json!({ "statements": found }) })
}

fn in_json(decision: &Decision<'_>, map: &Map) -> Value {
    let name = |id: u16| map.shard_with_id(id).map(|shard| shard.name.clone());
    match decision {
        Decision::Shard(shard) => json!({"shards": [name(*shard)]}),
        Decision::Shards(shards) => json!({"shards": shards.iter().map(|id| name(*id)).collect::<Vec<_>>()}),
        Decision::Split(parts) => {
            json!({"rows": parts.iter().map(|(shard, rows)| (name(*shard), rows)).collect::<Vec<_>>()})
        }
        other => json!({ "goes": explain::in_words(other, map) }),
    }
}
