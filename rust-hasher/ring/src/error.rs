//! Everything the ring refuses, each with a reason (one CamelCase word) and a sentence.

/// Why a key, a map or a change of a map was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a map document: bad JSON, a missing or unknown member, a number out of range.
    #[error("this is not a map document: {0}")]
    Malformed(String),
    /// A format this version does not know.
    #[error("the map has format {0}, this version reads format 1")]
    UnknownFormat(String),
    /// The checksum does not fit the document.
    #[error("the map says crc32c {found}, its content has {expected}: it was changed or cut on the way")]
    BadChecksum {
        /// Computed from the content.
        expected: String,
        /// Read from the document.
        found: String,
    },
    /// A hash this version does not know.
    #[error("unknown hash {0:?}; known are pg1, cv1, crc1, md1")]
    UnknownHash(String),
    /// A type of key this version does not know.
    #[error("unknown key type {0:?}; keys are bigint (also smallint, integer), text (also varchar) or uuid")]
    UnknownKeyType(String),
    /// The hash is not defined for this type of key.
    #[error("hash {hash} is not defined for {key_type} keys")]
    HashKeyType {
        /// Name of the hash.
        hash: &'static str,
        /// Name of the type of key.
        key_type: &'static str,
    },
    /// A split point or list value that is not in canonical form.
    #[error("{text:?} is not the canonical text of a {key_type} key")]
    BadKeyText {
        /// Name of the type of key.
        key_type: &'static str,
        /// What the map says.
        text: String,
    },
    /// A name that is empty, too long or has characters that names do not have.
    #[error("{what} name {name:?} is refused: {rule}")]
    BadName {
        /// cluster, shard, group or table.
        what: &'static str,
        /// The name.
        name: String,
        /// What names look like.
        rule: &'static str,
    },
    /// A number outside its range.
    #[error("{what} is {value}, it must be {rule}")]
    BadNumber {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: i128,
        /// Its range.
        rule: &'static str,
    },
    /// Two shards or two groups with one name.
    #[error("two {what}s are named {name:?}")]
    DuplicateName {
        /// shard or group.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two shards with one id.
    #[error("shards {first:?} and {second:?} both have id {id}")]
    DuplicateId {
        /// The id.
        id: u16,
        /// Name of the one.
        first: String,
        /// Name of the other.
        second: String,
    },
    /// A group places keys on a shard id that the map does not list.
    #[error("group {group:?} places keys on shard id {id}, which the map does not list")]
    UnknownShardId {
        /// The group.
        group: String,
        /// The id.
        id: u16,
    },
    /// A shard name that the map does not list.
    #[error("the map lists no shard {0:?}")]
    UnknownShard(String),
    /// Slots without an owner.
    #[error("group {group:?} has a gap: nobody owns slots {first} to {last}")]
    Gap {
        /// The group.
        group: String,
        /// First slot without an owner.
        first: u16,
        /// Last slot without an owner.
        last: u16,
    },
    /// A slot with two owners, or ranges out of order.
    #[error("group {group:?} has an overlap: range {first} to {last} begins before slot {expected}, the next one free")]
    Overlap {
        /// The group.
        group: String,
        /// First slot of the offending range.
        first: u16,
        /// Last slot of the offending range.
        last: u16,
        /// The first slot that the ranges before it leave.
        expected: u16,
    },
    /// A range that ends before it begins or lies outside the ring.
    #[error("slots {first} to {last} are no range of the ring (0 to 16383)")]
    BadRange {
        /// First slot.
        first: i64,
        /// Last slot.
        last: i64,
    },
    /// Two neighbouring ranges of one shard; a map has one text only.
    #[error("group {group:?}: the ranges that meet at slot {slot} belong to one shard and must be one range")]
    SplitRange {
        /// The group.
        group: String,
        /// First slot of the second range.
        slot: u16,
    },
    /// Split points out of order, or an open end that is not the last.
    #[error("group {group:?}: split points must rise, and only the last may be null (entry {index})")]
    BadSplitPoints {
        /// The group.
        group: String,
        /// Position of the entry in the list, from 0.
        index: usize,
    },
    /// A group that can place no key.
    #[error("group {0:?} is empty: it needs at least one hash, range or value")]
    EmptyGroup(String),
    /// A table that is neither in a group with a key column nor a reference table.
    #[error("table {0:?} needs either a group and a key column, or reference true")]
    BadTable(String),
    /// No group of this name.
    #[error("the map has no group {0:?}")]
    UnknownGroup(String),
    /// No table of this name.
    #[error("the map has no table {0:?}")]
    UnknownTable(String),
    /// A reference table is on every shard, so no shard owns a row of it.
    #[error("table {0:?} is a reference table: every shard holds all of it")]
    ReferenceTable(String),
    /// Slots were asked of a group without slots.
    #[error("group {0:?} has no slots: it does not place keys by hash")]
    NoSlots(String),
    /// The group has no place for keys of this type.
    #[error("group {group:?} takes no {key_type} keys")]
    WrongKeyType {
        /// The group.
        group: String,
        /// Name of the type of key.
        key_type: &'static str,
    },
    /// A key that no range or list entry covers.
    #[error("no entry of group {group:?} covers key {key}")]
    Uncovered {
        /// The group.
        group: String,
        /// The key in words.
        key: String,
    },
    /// A value that is never a key: NULL, a float, a boolean and so on.
    #[error("{0}")]
    NotAKey(String),
    /// The new map is older than the one in use.
    #[error("the map has epoch {offered}, the one in use has {current}: an epoch never goes back")]
    StaleEpoch {
        /// Epoch in use.
        current: u64,
        /// Epoch of the map offered.
        offered: u64,
    },
    /// Two different maps with one epoch.
    #[error("there are two different maps with epoch {0}")]
    EpochTwice(u64),
    /// A map of another cluster.
    #[error("the map belongs to cluster {offered:?}, this is {current:?}")]
    OtherCluster {
        /// Cluster in use.
        current: String,
        /// Cluster of the map offered.
        offered: String,
    },
    /// No shard has a weight, so nobody can own the slots.
    #[error("no shard has a weight above 0: nobody could own the slots")]
    NoWeight,
    /// More shards than slots.
    #[error("{0} shards are too many: a ring has 16384 slots")]
    TooManyShards(usize),
    /// No id is left for a new shard.
    #[error("no shard id is left: ids end at 65535")]
    NoShardId,
    /// A shard that still owns keys cannot leave the map.
    #[error("shard {shard:?} still owns keys of group {group:?} and cannot leave the map")]
    ShardInUse {
        /// Name of the shard.
        shard: String,
        /// The group.
        group: String,
    },
    /// A move of slots that its source does not own.
    #[error("slots {first} to {last} of group {group:?} do not all belong to {from:?}")]
    NotTheOwner {
        /// The group.
        group: String,
        /// First slot.
        first: u16,
        /// Last slot.
        last: u16,
        /// The shard the move names as its source.
        from: String,
    },
    /// The maps differ in something that moves of slots cannot express.
    #[error("the maps differ in more than the owners of slots: {0}")]
    NoSlotDiff(String),
    /// A name that SQL cannot hold.
    #[error("{0:?} cannot be a column name")]
    BadColumn(String),
    /// The engine has no SQL for this hash.
    #[error("PostgreSQL has no function for hash {0}")]
    NoSql(&'static str),
    /// The arrays of a batch have different lengths.
    #[error("{keys} keys do not fit {places} places for their owners")]
    BatchLength {
        /// Number of keys.
        keys: usize,
        /// Number of places.
        places: usize,
    },
}

impl Error {
    /// The reason as one CamelCase word, stable for programs: the name of the variant.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "Malformed",
            Self::UnknownFormat(_) => "UnknownFormat",
            Self::BadChecksum { .. } => "BadChecksum",
            Self::UnknownHash(_) => "UnknownHash",
            Self::UnknownKeyType(_) => "UnknownKeyType",
            Self::HashKeyType { .. } => "HashKeyType",
            Self::BadKeyText { .. } => "BadKeyText",
            Self::BadName { .. } => "BadName",
            Self::BadNumber { .. } => "BadNumber",
            Self::DuplicateName { .. } => "DuplicateName",
            Self::DuplicateId { .. } => "DuplicateId",
            Self::UnknownShardId { .. } => "UnknownShardId",
            Self::UnknownShard(_) => "UnknownShard",
            Self::Gap { .. } => "Gap",
            Self::Overlap { .. } => "Overlap",
            Self::BadRange { .. } => "BadRange",
            Self::SplitRange { .. } => "SplitRange",
            Self::BadSplitPoints { .. } => "BadSplitPoints",
            Self::EmptyGroup(_) => "EmptyGroup",
            Self::BadTable(_) => "BadTable",
            Self::UnknownGroup(_) => "UnknownGroup",
            Self::UnknownTable(_) => "UnknownTable",
            Self::ReferenceTable(_) => "ReferenceTable",
            Self::NoSlots(_) => "NoSlots",
            Self::WrongKeyType { .. } => "WrongKeyType",
            Self::Uncovered { .. } => "Uncovered",
            Self::NotAKey(_) => "NotAKey",
            Self::StaleEpoch { .. } => "StaleEpoch",
            Self::EpochTwice(_) => "EpochTwice",
            Self::OtherCluster { .. } => "OtherCluster",
            Self::NoWeight => "NoWeight",
            Self::TooManyShards(_) => "TooManyShards",
            Self::NoShardId => "NoShardId",
            Self::ShardInUse { .. } => "ShardInUse",
            Self::NotTheOwner { .. } => "NotTheOwner",
            Self::NoSlotDiff(_) => "NoSlotDiff",
            Self::BadColumn(_) => "BadColumn",
            Self::NoSql(_) => "NoSql",
            Self::BatchLength { .. } => "BatchLength",
        }
    }
}
