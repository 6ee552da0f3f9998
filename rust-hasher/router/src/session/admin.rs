//! `SHOW COVET POOLS | CLIENTS | SHARDS | CATALOG`: what the router knows, as the result of a simple query outside of a transaction.

use std::sync::atomic::Ordering;

use crate::shared::Shared;
use crate::sql::catalog::Place;
use crate::wire::messages::{self, Severity};

/// The whole answer to such a statement; None for any other one.
#[must_use]
pub fn answer(sql: &[u8], shared: &Shared) -> Option<Vec<u8>> {
    // Nearly every statement is told apart by its first letters.
    if !sql.trim_ascii_start().get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"show")) || sql.len() > 64 {
        return None;
    }
    let text = std::str::from_utf8(sql).ok()?.trim_end_matches(['\0', ';', ' ', '\n']).to_ascii_lowercase();
    let mut words = text.split_ascii_whitespace().skip(1);
    if words.next() != Some("covet") {
        return None;
    }
    let mut out = Vec::new();
    match (words.next(), words.next()) {
        (Some("pools"), None) => pools(&mut out, shared),
        (Some("clients"), None) => clients(&mut out, shared),
        (Some("shards"), None) => shards(&mut out, shared),
        (Some("catalog"), None) => catalog(&mut out, shared),
        _ => {
            out = messages::error_response(
                Severity::Error,
                "42601",
                "SHOW COVET knows POOLS, CLIENTS, SHARDS and CATALOG",
            );
            messages::ready(&mut out, b'I');
        }
    }
    Some(out)
}

fn role(replica: bool) -> String {
    if replica { "replica" } else { "primary" }.to_owned()
}

fn pools(out: &mut Vec<u8>, shared: &Shared) {
    let rows: Vec<_> = shared
        .metrics
        .pools()
        .into_iter()
        .map(|(key, gauges)| {
            let count = |count: &std::sync::atomic::AtomicUsize| count.load(Ordering::Relaxed).to_string();
            let turns = gauges.turns.load(Ordering::Relaxed).to_string();
            let (servers, idle, waiting) = (count(&gauges.servers), count(&gauges.idle), count(&gauges.waiting));
            vec![key.database, key.user, key.shard, role(key.replica), servers, idle, waiting, turns]
        })
        .collect();
    messages::table(out, &["database", "user", "shard", "role", "servers", "idle", "waiting", "turns"], &rows);
}

fn clients(out: &mut Vec<u8>, shared: &Shared) {
    let rows: Vec<_> = shared
        .metrics
        .pools()
        .into_iter()
        .map(|(key, gauges)| {
            vec![
                key.database,
                key.user,
                key.shard,
                role(key.replica),
                gauges.clients.load(Ordering::Relaxed).to_string(),
            ]
        })
        .collect();
    messages::table(out, &["database", "user", "shard", "role", "clients"], &rows);
}

fn shards(out: &mut Vec<u8>, shared: &Shared) {
    let config = shared.config.load();
    let mut rows = Vec::new();
    for shard in &config.document.shards {
        let outlook = shared.shard(&shard.name).outlook();
        for instance in &shard.instances {
            let leads = outlook.leader.as_ref().is_some_and(|leader| leader.instance == instance.name);
            let reads = outlook.replicas.iter().any(|target| target.instance == instance.name);
            let state = match (leads, outlook.writes, reads) {
                (true, true, _) => "primary",
                (true, false, _) => "leader, not writable",
                (false, _, true) => "replica",
                (false, _, false) => "not serving",
            };
            let address = format!("{}:{}", instance.address, instance.port);
            rows.push(vec![
                shard.name.clone(),
                instance.name.clone(),
                address,
                state.to_owned(),
                outlook.term.to_string(),
            ]);
        }
    }
    messages::table(out, &["shard", "instance", "address", "state", "term"], &rows);
}

/// A row for every table, and for every fault of a database or of a table that has no other row.
fn catalog(out: &mut Vec<u8>, shared: &Shared) {
    let mut rows = Vec::new();
    for entry in shared.catalogs.all() {
        let database = &entry.database;
        let mut row = |version: &str, table: &str, place: &str, key: &str, fault: &str| {
            rows.push([database, version, table, place, key, fault].map(str::to_owned).to_vec());
        };
        if let Some(why) = entry.failed() {
            row("", "", "", "", &why);
        }
        let Some(known) = entry.current() else { continue };
        let version = known.version.to_string();
        for table in known.catalog.tables() {
            match &table.place {
                Ok(Place::Sharded(key)) => row(&version, &table.full_name(), "sharded", &key.name, ""),
                Ok(Place::Reference) => row(&version, &table.full_name(), "reference", "", ""),
                Err(why) => row(&version, &table.full_name(), "refused", "", &why.to_string()),
            }
        }
        for fault in &known.faults {
            row(&version, fault.table.as_deref().unwrap_or(""), "fault", "", &fault.to_string());
        }
    }
    messages::table(out, &["database", "version", "table", "place", "key", "message"], &rows);
}
