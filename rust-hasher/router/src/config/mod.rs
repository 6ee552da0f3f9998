//! The bootstrap file: one JSON document, and the certificates and verifiers that it points at.
//!
//! It is read anew on SIGHUP and whenever it or a file that it names has changed. What cannot be used is refused as a
//! whole, with the reason in the log and in the metrics; what was in force stays so.

pub mod load;
pub mod sharding;
pub mod watch;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::config::sharding::Sharding;

/// Format of the document.
pub const VERSION: u32 = 1;

/// The document.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// `VERSION`.
    pub version: u32,
    /// Whose shards these are.
    pub cluster: Cluster,
    /// Where clients come in. A change needs a restart.
    pub listen: Listen,
    /// Threads, each with its own listener and pools; 0 is one per processor. A change needs a restart.
    #[serde(default)]
    pub workers: usize,
    /// Certificates.
    #[serde(default)]
    pub tls: Tls,
    /// Who may log in.
    pub users: Vec<UserEntry>,
    /// What may be connected to.
    pub databases: Vec<Database>,
    /// Server connections.
    #[serde(default)]
    pub pool: Pool,
    /// What clients may take.
    #[serde(default)]
    pub limits: Limits,
    /// The shards: one, or with a map all of its own.
    pub shards: Vec<Shard>,
    /// File with the map's document.
    pub map: Option<PathBuf>,
    /// Tables beside those of the map.
    pub sharding: Option<Sharding>,
}

/// The cluster's names.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Name of the `CovetCluster`.
    pub name: String,
    /// Its uid, as the agents' lines carry it.
    pub uid: String,
}

/// Addresses of the router.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    /// Address of all ports.
    pub address: std::net::IpAddr,
    /// Port whose sessions work on the primary.
    pub primary: u16,
    /// Port whose sessions read on replicas.
    pub replica: Option<u16>,
    /// Port of metrics and health.
    pub admin: Option<u16>,
}

/// Whether a side speaks TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Need {
    /// Nothing without it; towards servers their names are verified.
    #[default]
    Required,
    /// Whoever asks for it.
    Optional,
    /// Never.
    Off,
}

/// Certificates, as PEM files.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// The router's certificate and what issued it.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Authorities of the cluster.
    pub authority: Option<PathBuf>,
    /// Of clients.
    #[serde(default)]
    pub clients: Need,
    /// Of server connections: `Required` or `Off`.
    #[serde(default)]
    pub servers: Need,
}

/// A user.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserEntry {
    /// Its name, which is its name on the servers too.
    pub name: String,
    /// The verifier that the servers hold, as `pg_authid` shows it.
    pub verifier: Option<String>,
    /// A file with the verifier.
    pub verifier_file: Option<PathBuf>,
    /// Most clients at once; 0 is no limit.
    #[serde(default)]
    pub clients: usize,
}

/// A database.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Most clients at once; 0 is no limit.
    #[serde(default)]
    pub clients: usize,
}

/// How long a client keeps a server connection.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Mode {
    /// For a transaction.
    #[default]
    Transaction,
    /// Until it goes.
    Session,
}

/// What happens to a session that makes state which transaction pooling cannot keep.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum Held {
    /// It keeps its server connection from then on.
    #[default]
    Pin,
    /// The statement is refused.
    Refuse,
}

/// Pools: one for each user, database and port.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pool {
    /// When server connections go back.
    pub mode: Mode,
    /// Connections kept open although idle.
    pub min: usize,
    /// Most connections, over all workers.
    pub max: usize,
    /// How long a client waits for a connection.
    pub wait_seconds: u64,
    /// How long a client waits for a primary.
    pub hold_seconds: u64,
    /// An idle connection above `min` is closed after this time.
    pub idle_seconds: u64,
    /// A connection is closed after this time, at the end of a transaction.
    pub lifetime_seconds: u64,
    /// A connection that was idle for so long is asked before it is used.
    pub check_seconds: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            mode: Mode::Transaction,
            min: 0,
            max: 20,
            wait_seconds: 30,
            hold_seconds: 5,
            idle_seconds: 600,
            lifetime_seconds: 3600,
            check_seconds: 30,
        }
    }
}

/// Limits.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Most clients, those that log in included.
    pub clients: usize,
    /// How long a login may take.
    pub login_seconds: u64,
    /// Longest statement, in bytes. Data of COPY and parameters of Bind are not held in memory and may be longer.
    pub message_bytes: usize,
    /// Prepared statements on a server connection; the one not used for longest goes first.
    pub statements: usize,
    /// What becomes of sessions with state of their own.
    pub held: Held,
    /// How long transactions may go on once the router was told to stop.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 10_000,
            login_seconds: 15,
            message_bytes: 64 << 20,
            statements: 500,
            held: Held::Pin,
            drain_seconds: 30,
        }
    }
}

/// A shard.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shard {
    /// Its name.
    pub name: String,
    /// Its uid, as the agents' lines carry it.
    #[serde(default)]
    pub uid: String,
    /// Its instances. Without agents the first one is the primary, the others are replicas.
    pub instances: Vec<Instance>,
}

/// An instance.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Host name or address; its server's and its agent's certificates carry it.
    pub address: String,
    /// Port of the server.
    pub port: u16,
    /// Port of the agent; without one nobody is asked who leads.
    pub agent_port: Option<u16>,
}

impl Pool {
    /// How long a client waits for a connection.
    #[must_use]
    pub const fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_seconds)
    }

    /// How long a client waits for a primary.
    #[must_use]
    pub const fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }
}
