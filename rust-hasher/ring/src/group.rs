//! Groups: tables that are placed by one rule, so that equal keys of all of them lie together.

use crate::error::Error;
use crate::hash::{self, Hash, Hashes, LAST_SLOT, SLOTS, slot_of_position};
use crate::key::{Key, KeyType, OwnedKey};
use crate::wide;

/// A named rule that places keys on shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name, unique in the map.
    pub name: String,
    /// How keys are placed.
    pub strategy: Strategy,
}

/// How a group places keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// By the slot that the key hashes to.
    Hash(HashGroup),
    /// By split points on the raw key: an entry owns the keys below its point and from the point before it;
    /// a last entry without a point owns the rest.
    Range {
        /// Type of the keys.
        key_type: KeyType,
        /// Exclusive upper ends in rising order, with the id of the owning shard.
        ranges: Vec<(Option<OwnedKey>, u16)>,
    },
    /// By a list of values, the geographic case.
    List {
        /// Type of the keys.
        key_type: KeyType,
        /// Values in rising order, with the id of the owning shard.
        values: Vec<(OwnedKey, u16)>,
    },
}

impl Group {
    /// Id of the shard that owns a key.
    ///
    /// # Errors
    /// [`Error::WrongKeyType`] for a key of a type that the group does not take, [`Error::Uncovered`]
    /// for a key that no range or value covers.
    #[inline]
    pub fn owner_of(&self, key: Key<'_>) -> Result<u16, Error> {
        let found = match &self.strategy {
            Strategy::Hash(group) => group.owner_of(key),
            Strategy::Range { key_type, ranges } if *key_type == key.key_type() => {
                let at = ranges.partition_point(|(end, _)| end.as_ref().is_some_and(|end| end.order(&key).is_le()));
                return ranges.get(at).map(|(_, id)| *id).ok_or_else(|| self.uncovered(key));
            }
            Strategy::List { key_type, values } if *key_type == key.key_type() => {
                let found = values.binary_search_by(|(value, _)| value.order(&key));
                return found.map(|at| values[at].1).map_err(|_| self.uncovered(key));
            }
            Strategy::Range { .. } | Strategy::List { .. } => None,
        };
        found.ok_or_else(|| self.wrong_key_type(key.key_type()))
    }

    /// The slots of a Hash group.
    ///
    /// # Errors
    /// [`Error::NoSlots`] for a group that does not place keys by hash.
    pub fn hashed(&self) -> Result<&HashGroup, Error> {
        match &self.strategy {
            Strategy::Hash(group) => Ok(group),
            Strategy::Range { .. } | Strategy::List { .. } => Err(Error::NoSlots(self.name.clone())),
        }
    }

    /// Ids of the shards of all integers of a batch.
    ///
    /// # Errors
    /// As [`Group::owner_of`]; [`Error::BatchLength`] when `owners` has another length than `keys`.
    pub fn owners_of_ints(&self, keys: &[i64], owners: &mut [u16]) -> Result<(), Error> {
        if keys.len() != owners.len() {
            return Err(Error::BatchLength { keys: keys.len(), places: owners.len() });
        }
        if let Strategy::Hash(_) = &self.strategy {
            let ints = self.ints()?;
            wide::owners(ints.hash, ints.owners, keys, owners);
            return Ok(());
        }
        for (owner, key) in owners.iter_mut().zip(keys) {
            *owner = self.owner_of(Key::Bigint(*key))?;
        }
        Ok(())
    }

    /// The lookup of integers in a Hash group, resolved once for many keys.
    ///
    /// # Errors
    /// [`Error::NoSlots`], or [`Error::WrongKeyType`] when the group has no hash for integers.
    pub fn ints(&self) -> Result<IntOwners<'_>, Error> {
        let group = self.hashed()?;
        let hash = group.hashes.get(KeyType::Bigint).ok_or_else(|| self.wrong_key_type(KeyType::Bigint))?;
        Ok(IntOwners { hash, owners: &group.owners })
    }

    /// Ids of the shards that own something in this group, each once, in no order.
    pub(crate) fn owner_ids(&self) -> impl Iterator<Item = u16> + '_ {
        let (slots, ranges, values): (&[u16], &[_], &[_]) = match &self.strategy {
            Strategy::Hash(group) => (&group.owners[..], &[], &[]),
            Strategy::Range { ranges, .. } => (&[], ranges, &[]),
            Strategy::List { values, .. } => (&[], &[], values),
        };
        let slots = slots.iter().copied();
        slots.chain(ranges.iter().map(|(_, id)| *id)).chain(values.iter().map(|(_, id)| *id))
    }

    #[cold]
    fn wrong_key_type(&self, key_type: KeyType) -> Error {
        Error::WrongKeyType { group: self.name.clone(), key_type: key_type.name() }
    }

    #[cold]
    fn uncovered(&self, key: Key<'_>) -> Error {
        Error::Uncovered { group: self.name.clone(), key: key.to_string() }
    }
}

/// The 16384 slots of a Hash group and their owners: 32 KiB that fit a first-level cache.
#[derive(Clone, PartialEq, Eq)]
pub struct HashGroup {
    hashes: Hashes,
    owners: Box<[u16; SLOTS]>,
}

impl std::fmt::Debug for HashGroup {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("HashGroup")
            .field("hashes", &self.hashes)
            .field("ranges", &self.ranges())
            .finish_non_exhaustive()
    }
}

/// Owners of integers in a Hash group; nothing can fail here any more.
#[derive(Clone, Copy)]
pub struct IntOwners<'a> {
    hash: Hash,
    owners: &'a [u16; SLOTS],
}

impl IntOwners<'_> {
    /// Id of the shard that owns a key.
    #[inline]
    #[must_use]
    pub fn owner_of(&self, key: i64) -> u16 {
        let position = if self.hash == Hash::Cv1 { hash::cv1(key) } else { hash::pg1_int(key) };
        self.owners[usize::from(slot_of_position(position))]
    }
}

/// A run of slots with one owner: first slot, last slot (inclusive), id of the shard.
pub type SlotRange = (u16, u16, u16);

impl HashGroup {
    /// A group whose slot `n` belongs to the shard with id `owners[n]`.
    #[must_use]
    pub fn new(hashes: Hashes, owners: Box<[u16; SLOTS]>) -> Self {
        Self { hashes, owners }
    }

    /// The hash for each type of key.
    #[must_use]
    pub const fn hashes(&self) -> &Hashes {
        &self.hashes
    }

    /// Id of the owner of every slot.
    #[must_use]
    pub fn owners(&self) -> &[u16; SLOTS] {
        &self.owners
    }

    /// Id of the shard that owns a key; `None` when the group has no hash for its type.
    #[inline]
    #[must_use]
    pub fn owner_of(&self, key: Key<'_>) -> Option<u16> {
        let hash = self.hashes.get(key.key_type())?;
        let position = hash.position(key).ok()?;
        Some(self.owners[usize::from(slot_of_position(position))])
    }

    /// All slots as runs with one owner, in the order of the ring.
    #[must_use]
    pub fn ranges(&self) -> Vec<SlotRange> {
        let mut ranges = Vec::new();
        let mut first = 0;
        for slot in 0..=LAST_SLOT {
            let owner = self.owners[usize::from(slot)];
            if slot == LAST_SLOT || self.owners[usize::from(slot) + 1] != owner {
                ranges.push((first, slot, owner));
                first = slot + 1;
            }
        }
        ranges
    }
}
