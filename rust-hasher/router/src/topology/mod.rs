//! Who leads the shard: lines of JSON that its agents push, and what follows from them.

pub mod chunks;
pub mod follow;
pub mod known;
pub mod lines;
