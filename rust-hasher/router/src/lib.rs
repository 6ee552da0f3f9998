//! covet-router: one connection string for all shards of a cluster.
//!
//! `docs/design.md`, Router, is the specification: states of a session and of a server connection,
//! invariants, flow, and the format of the configuration.

pub mod admin;
pub mod auth;
pub mod cancel;
pub mod config;
pub mod error;
pub mod net;
pub mod pool;
pub mod schema;
pub mod session;
pub mod shared;
pub mod sql;
pub mod topology;
pub mod wire;
pub mod worker;
