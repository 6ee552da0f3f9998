//! The map: versioned, exact data that says which shard owns a key.

use std::collections::{BTreeMap, BTreeSet};

use crate::allocate;
use crate::diff::{self, Move};
use crate::document;
use crate::error::Error;
use crate::group::{Group, HashGroup, Strategy};
use crate::hash::{Hashes, SLOTS};
use crate::key::Key;

/// Name of the group that a new map has.
pub const DEFAULT_GROUP: &str = "default";

/// A shard as the map knows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Name, unique in the map; also a part of DNS names.
    pub name: String,
    /// Number that stands for the shard in groups; a name keeps its id as long as it is in the map.
    pub id: u16,
    /// Share of the slots, relative to the other shards; 0 means that it shall own none.
    pub weight: u32,
}

/// How a table lies on the shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// Each row on the shard that owns its key.
    Sharded {
        /// The group that places the keys.
        group: String,
        /// The column that holds the key.
        key: String,
    },
    /// All of it on every shard.
    Reference,
}

/// A map that was checked: every key of a Hash group has exactly one owner.
///
/// It cannot be changed; a change of shards or slots makes a new map with the next epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub(crate) cluster: String,
    pub(crate) epoch: u64,
    pub(crate) shards: Vec<Shard>,
    pub(crate) groups: Vec<Group>,
    pub(crate) tables: BTreeMap<String, Table>,
}

impl Map {
    /// The first map of a cluster (epoch 1): group `default` over `(name, weight)` shards, slots by
    /// largest remainder, each shard one range.
    ///
    /// # Errors
    /// [`Error::NoWeight`], [`Error::TooManyShards`], or a name that is refused or given twice.
    pub fn initial(cluster: &str, shards: &[(String, u32)], hashes: Hashes) -> Result<Self, Error> {
        let shards = number_shards(&[], shards)?;
        let owners = allocate::initial(&shards)?;
        let map = Self {
            cluster: cluster.to_owned(),
            epoch: 1,
            shards,
            groups: vec![Group {
                name: DEFAULT_GROUP.to_owned(),
                strategy: Strategy::Hash(HashGroup::new(hashes, owners)),
            }],
            tables: BTreeMap::new(),
        };
        map.validate()?;
        Ok(map)
    }

    /// Reads a map and checks all of it, checksum included.
    ///
    /// # Errors
    /// Anything that [`Error`] names about documents, with the place in words.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        document::read(text)
    }

    /// Reads a document that has no checksum yet, as a person or a program writes it; all else is checked.
    ///
    /// # Errors
    /// As [`Map::from_json`]; a checksum that is there must fit.
    pub fn seal(text: &str) -> Result<Self, Error> {
        document::seal(text)
    }

    /// The one text of this map: canonical JSON with its checksum.
    #[must_use]
    pub fn to_json(&self) -> String {
        document::write(self)
    }

    /// `sha256:` and the hex digest of [`Map::to_json`].
    #[must_use]
    pub fn digest(&self) -> String {
        crate::canonical::digest(&self.to_json())
    }

    /// The uid of the cluster.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The version of the map; it rises by one with each change.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The shards in the order of the document.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The groups in the order of the document.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The tables by name.
    #[must_use]
    pub const fn tables(&self) -> &BTreeMap<String, Table> {
        &self.tables
    }

    /// The group of this name.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`].
    pub fn group(&self, name: &str) -> Result<&Group, Error> {
        self.groups.iter().find(|group| group.name == name).ok_or_else(|| Error::UnknownGroup(name.to_owned()))
    }

    /// The group that places the rows of a table.
    ///
    /// # Errors
    /// [`Error::UnknownTable`], or [`Error::ReferenceTable`] for a table that every shard holds.
    pub fn group_of_table(&self, table: &str) -> Result<&Group, Error> {
        match self.tables.get(table) {
            Some(Table::Sharded { group, .. }) => self.group(group),
            Some(Table::Reference) => Err(Error::ReferenceTable(table.to_owned())),
            None => Err(Error::UnknownTable(table.to_owned())),
        }
    }

    /// The shard of this name.
    ///
    /// # Errors
    /// [`Error::UnknownShard`].
    pub fn shard(&self, name: &str) -> Result<&Shard, Error> {
        self.shards.iter().find(|shard| shard.name == name).ok_or_else(|| Error::UnknownShard(name.to_owned()))
    }

    /// The shard with this id.
    #[must_use]
    pub fn shard_with_id(&self, id: u16) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.id == id)
    }

    /// The shard that owns a key in a group.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`] and those of [`Group::owner_of`].
    pub fn lookup(&self, group: &str, key: Key<'_>) -> Result<&Shard, Error> {
        let group = self.group(group)?;
        let id = group.owner_of(key)?;
        self.shard_with_id(id).ok_or_else(|| Error::UnknownShardId { group: group.name.clone(), id })
    }

    /// The runs of slots that a shard owns in a Hash group: first and last slot, inclusive.
    ///
    /// # Errors
    /// [`Error::UnknownGroup`], [`Error::NoSlots`], [`Error::UnknownShard`].
    pub fn ranges(&self, group: &str, shard: &str) -> Result<Vec<(u16, u16)>, Error> {
        let id = self.shard(shard)?.id;
        let ranges = self.group(group)?.hashed()?.ranges();
        Ok(ranges.into_iter().filter(|(_, _, owner)| *owner == id).map(|(first, last, _)| (first, last)).collect())
    }

    /// Checks that this map may replace `current`: same cluster, and an epoch that does not go back.
    ///
    /// # Errors
    /// [`Error::OtherCluster`], [`Error::StaleEpoch`], [`Error::EpochTwice`].
    pub fn check_successor_of(&self, current: &Self) -> Result<(), Error> {
        if self.cluster != current.cluster {
            return Err(Error::OtherCluster { current: current.cluster.clone(), offered: self.cluster.clone() });
        }
        if self.epoch < current.epoch {
            return Err(Error::StaleEpoch { current: current.epoch, offered: self.epoch });
        }
        if self.epoch == current.epoch && self != current {
            return Err(Error::EpochTwice(self.epoch));
        }
        Ok(())
    }

    /// The target of a change of shards: the complete list of `(name, weight)` as it shall be.
    ///
    /// Known names keep their id, new names get the next ones, names left out are removed; slots move as
    /// little as the weights allow. The result has the next epoch. Data has to move before it is true:
    /// [`Map::diff`] lists the moves, [`Map::with_shards`] and [`Map::with_moves`] make the maps between.
    ///
    /// # Errors
    /// [`Error::ShardInUse`] when a shard to be removed holds ranges or values of a Range or List group,
    /// and those of [`Map::initial`].
    pub fn plan(&self, shards: &[(String, u32)]) -> Result<Self, Error> {
        let shards = number_shards(&self.shards, shards)?;
        let mut groups = self.groups.clone();
        for group in &mut groups {
            if let Strategy::Hash(hashed) = &mut group.strategy {
                let owners = allocate::rebalance(hashed.owners(), &shards)?;
                *hashed = HashGroup::new(*hashed.hashes(), owners);
            }
        }
        self.next(shards, groups)
    }

    /// The next map with another list of `(name, weight)` and the same owners: new shards own nothing yet.
    ///
    /// # Errors
    /// [`Error::ShardInUse`] when a shard left out still owns keys.
    pub fn with_shards(&self, shards: &[(String, u32)]) -> Result<Self, Error> {
        self.next(number_shards(&self.shards, shards)?, self.groups.clone())
    }

    /// The next map, after the data of these moves has arrived.
    ///
    /// # Errors
    /// [`Error::NotTheOwner`] when a source does not own all slots of its move; unknown names.
    pub fn with_moves(&self, moves: &[Move]) -> Result<Self, Error> {
        let mut groups = self.groups.clone();
        for step in moves {
            diff::apply(self, &mut groups, step)?;
        }
        self.next(self.shards.clone(), groups)
    }

    /// The moves of slots that turn this map into `target`, in the order of groups and slots.
    ///
    /// # Errors
    /// [`Error::NoSlotDiff`] when the maps differ in something else than shards and owners of slots.
    pub fn diff(&self, target: &Self) -> Result<Vec<Move>, Error> {
        diff::moves(self, target)
    }

    /// Checks everything the type does not already say.
    ///
    /// # Errors
    /// The first fault found.
    pub fn validate(&self) -> Result<(), Error> {
        document::validate(self)
    }

    fn next(&self, shards: Vec<Shard>, groups: Vec<Group>) -> Result<Self, Error> {
        for group in &groups {
            for id in group.owner_ids().collect::<BTreeSet<_>>() {
                if shards.iter().all(|shard| shard.id != id) {
                    let name = self.shard_with_id(id).map_or_else(|| id.to_string(), |shard| shard.name.clone());
                    return Err(Error::ShardInUse { shard: name, group: group.name.clone() });
                }
            }
        }
        let map =
            Self { cluster: self.cluster.clone(), epoch: self.epoch + 1, shards, groups, tables: self.tables.clone() };
        map.validate()?;
        Ok(map)
    }
}

/// Gives every wanted shard its id: a known name keeps its own, a new one gets the number after the highest.
fn number_shards(known: &[Shard], wanted: &[(String, u32)]) -> Result<Vec<Shard>, Error> {
    if wanted.len() > SLOTS {
        return Err(Error::TooManyShards(wanted.len()));
    }
    let mut next = known.iter().map(|shard| u32::from(shard.id) + 1).max().unwrap_or(0);
    let mut shards: Vec<Shard> = Vec::with_capacity(wanted.len());
    for (name, weight) in wanted {
        let id = if let Some(shard) = known.iter().find(|shard| shard.name == *name) {
            shard.id
        } else {
            next += 1;
            u16::try_from(next - 1).map_err(|_| Error::NoShardId)?
        };
        shards.push(Shard { name: name.clone(), id, weight: *weight });
    }
    shards.sort_unstable_by_key(|shard| shard.id);
    Ok(shards)
}
