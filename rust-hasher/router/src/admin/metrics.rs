//! Counts, in the text format of `OpenMetrics`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::pool::Key;
use crate::shared::{Shared, lock};
use crate::topology::lines::Outlook;

/// Upper ends of the buckets of waits, in microseconds.
const BUCKETS: [u64; 8] = [100, 1_000, 5_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Count a duration.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BUCKETS.iter().position(|&end| micros <= end).unwrap_or(BUCKETS.len());
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str) {
        let mut sum = 0;
        for (at, count) in self.counts.iter().enumerate() {
            sum += count.load(Ordering::Relaxed);
            let end = BUCKETS.get(at).map_or("+Inf".to_owned(), |&micros| seconds(micros));
            let _ = writeln!(out, "{name}_bucket{{le=\"{end}\"}} {sum}");
        }
        let total = seconds(self.micros.load(Ordering::Relaxed));
        let _ = writeln!(out, "{name}_count {sum}\n{name}_sum {total}");
    }
}

fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Counts of the pools of one key, over all workers.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Server connections.
    pub servers: AtomicUsize,
    /// Those that nobody uses.
    pub idle: AtomicUsize,
    /// Clients that wait for one.
    pub waiting: AtomicUsize,
    /// Clients that are logged in.
    pub clients: AtomicUsize,
    /// Times that a client had a connection.
    pub turns: AtomicU64,
}

/// All counts.
#[derive(Debug)]
pub struct Metrics {
    /// The newest configuration is in force.
    pub config_valid: AtomicU64,
    /// Logins that were refused.
    pub refused: AtomicU64,
    /// Waits for a connection that ended without one.
    pub timeouts: AtomicU64,
    /// Server connections that were made.
    pub connects: AtomicU64,
    /// Attempts at one that failed.
    pub connect_errors: AtomicU64,
    /// Server connections that broke under a client.
    pub lost: AtomicU64,
    /// Clients tied to their server connection by what they did.
    pub pinned: AtomicU64,
    /// How long clients waited for a connection, those that found an idle one left out.
    pub waits: Histogram,
    pools: Mutex<HashMap<Key, Arc<Gauges>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            config_valid: AtomicU64::new(1),
            refused: AtomicU64::default(),
            timeouts: AtomicU64::default(),
            connects: AtomicU64::default(),
            connect_errors: AtomicU64::default(),
            lost: AtomicU64::default(),
            pinned: AtomicU64::default(),
            waits: Histogram::default(),
            pools: Mutex::default(),
        }
    }
}

impl Metrics {
    /// The counts of the pools of a key.
    pub fn pool(&self, key: &Key) -> Arc<Gauges> {
        Arc::clone(lock(&self.pools).entry(key.clone()).or_default())
    }

    /// All pools, by user, database, shard and port.
    pub fn pools(&self) -> Vec<(Key, Arc<Gauges>)> {
        let mut all: Vec<_> = lock(&self.pools).iter().map(|(key, gauges)| (key.clone(), Arc::clone(gauges))).collect();
        all.sort_by(|(one, _), (other, _)| {
            let place = |key: &Key| (key.user.clone(), key.database.clone(), key.shard.clone(), key.replica);
            place(one).cmp(&place(other))
        });
        all
    }
}

/// The page.
#[must_use]
pub fn page(shared: &Shared) -> String {
    let metrics = &shared.metrics;
    let mut out = String::new();
    let clients = shared.clients.load(Ordering::Relaxed) as u64;
    for (name, value) in [("clients", clients), ("config_valid", metrics.config_valid.load(Ordering::Relaxed))] {
        let _ = writeln!(out, "# TYPE covet_router_{name} gauge\ncovet_router_{name} {value}");
    }
    shards(&mut out, shared);
    for (name, count) in [
        ("logins_refused", &metrics.refused),
        ("wait_timeouts", &metrics.timeouts),
        ("server_connects", &metrics.connects),
        ("server_connect_errors", &metrics.connect_errors),
        ("server_lost", &metrics.lost),
        ("sessions_pinned", &metrics.pinned),
    ] {
        let value = count.load(Ordering::Relaxed);
        let _ = writeln!(out, "# TYPE covet_router_{name} counter\ncovet_router_{name}_total {value}");
    }
    let pools = metrics.pools();
    for (name, read) in [
        ("pool_servers", (|gauges| gauges.servers.load(Ordering::Relaxed)) as fn(&Gauges) -> usize),
        ("pool_idle", |gauges| gauges.idle.load(Ordering::Relaxed)),
        ("pool_waiting", |gauges| gauges.waiting.load(Ordering::Relaxed)),
        ("pool_clients", |gauges| gauges.clients.load(Ordering::Relaxed)),
    ] {
        let _ = writeln!(out, "# TYPE covet_router_{name} gauge");
        for (key, gauges) in &pools {
            let _ = writeln!(out, "covet_router_{name}{{{}}} {}", labels(key), read(gauges));
        }
    }
    let _ = writeln!(out, "# TYPE covet_router_pool_turns counter");
    for (key, gauges) in &pools {
        let _ =
            writeln!(out, "covet_router_pool_turns_total{{{}}} {}", labels(key), gauges.turns.load(Ordering::Relaxed));
    }
    let _ =
        writeln!(out, "# TYPE covet_router_pool_wait_seconds histogram\n# UNIT covet_router_pool_wait_seconds seconds");
    metrics.waits.write(&mut out, "covet_router_pool_wait_seconds");
    out.push_str("# EOF\n");
    out
}

/// What is known of each shard.
fn shards(out: &mut String, shared: &Shared) {
    let config = shared.config.load();
    let outlooks: Vec<_> = config.document.shards.iter().map(|shard| shared.shard(&shard.name)).collect();
    for (name, read) in [
        ("term", (|outlook| outlook.term) as fn(&Outlook) -> u64),
        ("writable", |outlook| u64::from(outlook.writes && outlook.leader.is_some())),
        ("replicas", |outlook| outlook.replicas.len() as u64),
    ] {
        let _ = writeln!(out, "# TYPE covet_router_{name} gauge");
        for shard in &outlooks {
            let value = read(&shard.outlook());
            let _ = writeln!(out, "covet_router_{name}{{shard=\"{}\"}} {value}", escaped(&shard.name));
        }
    }
}

fn labels(key: &Key) -> String {
    let role = if key.replica { "replica" } else { "primary" };
    let (database, user, shard) = (escaped(&key.database), escaped(&key.user), escaped(&key.shard));
    format!("database=\"{database}\",user=\"{user}\",shard=\"{shard}\",role=\"{role}\"")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
