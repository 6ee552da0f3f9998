//! The ring: which shard owns a key.
//!
//! A key hashes to a 32-bit ring position; its upper 14 bits are the slot. A versioned [`Map`] says
//! which shard owns each of the 16384 slots. The hashes are a wire format: changing one moves data,
//! so a hash never changes and a new one gets a new name (`vectors/ring-vectors.json` pins them).
//!
//! This crate knows no Python, no network and no clock; the operator (through the `covet-hasher`
//! wheel), the client library and the router all use this one.

pub mod allocate;
mod canonical;
pub mod diff;
mod document;
pub mod error;
pub mod group;
pub mod hash;
mod jenkins;
pub mod key;
pub mod map;
pub mod sql;
mod wide;

pub use diff::Move;
pub use error::Error;
pub use group::{Group, HashGroup, IntOwners, Strategy};
pub use hash::{Hash, Hashes, LAST_SLOT, PG1_SEED, SLOTS, slot_of_position};
pub use key::{Key, KeyType, OwnedKey};
pub use map::{DEFAULT_GROUP, Map, Shard, Table};
