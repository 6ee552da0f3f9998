//! What tables the shards have: read from each of them, compared, and made into the catalog that statements are routed by.
//!
//! ```text
//! shard -- query: one statement --> Answer --\
//! shard ------------------------> Answer ---- merge, with the map and `sharding` --> Known: catalog, map, faults
//! ```

pub mod answer;
pub mod catalogs;
pub mod follow;
pub mod merge;
pub mod paths;
pub mod placement;
pub mod read;

#[cfg(test)]
mod samples;
