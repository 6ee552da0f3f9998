//! The named hashes: from a canonical key to a ring position.

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use md5::{Digest, Md5};

use crate::error::Error;
use crate::jenkins;
use crate::key::{Key, KeyType};

/// Number of slots of the ring, each one contiguous range of hash values.
pub const SLOTS: usize = 16384;

/// The last slot, as the slot type.
pub const LAST_SLOT: u16 = 16383;

/// The seed of `pg1`: the one `PostgreSQL` uses for `PARTITION BY HASH`.
pub const PG1_SEED: u64 = 8_816_678_312_871_386_365;

/// How far a position is shifted right to give its slot: 32 bits of position, 14 of slot.
pub const SLOT_SHIFT: u32 = 18;

const CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// The slot of a ring position.
#[inline]
#[must_use]
pub const fn slot_of_position(position: u32) -> u16 {
    (position >> SLOT_SHIFT) as u16
}

/// A named hash. Its values are a wire format and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// `PostgreSQL`'s own extended hash functions with [`PG1_SEED`]; bigint, text and uuid.
    Pg1,
    /// Multiply-and-fold of integers with products below 2^63, so that every SQL can compute it.
    Cv1,
    /// [`Hash::Cv1`] of the CRC-32 of a string; `MariaDB` and `MySQL`.
    Crc1,
    /// The first 8 hex digits of the md5 of a string; any engine.
    Md1,
}

/// Which hash a group uses for each type of key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hashes([Option<Hash>; KeyType::ALL.len()]);

impl Hashes {
    /// What a new `PostgreSQL` cluster uses: `pg1` for every type of key.
    pub const POSTGRESQL: Self = Self([Some(Hash::Pg1); KeyType::ALL.len()]);

    /// The hash of keys of this type, if the group takes such keys.
    #[inline]
    #[must_use]
    pub const fn get(&self, key_type: KeyType) -> Option<Hash> {
        self.0[key_type as usize]
    }

    /// Uses `hash` for keys of this type.
    ///
    /// # Errors
    /// [`Error::HashKeyType`] when the hash is not defined for the type.
    pub fn set(&mut self, key_type: KeyType, hash: Hash) -> Result<(), Error> {
        if !hash.accepts(key_type) {
            return Err(Error::HashKeyType { hash: hash.name(), key_type: key_type.name() });
        }
        self.0[key_type as usize] = Some(hash);
        Ok(())
    }

    /// The types of keys that have a hash, with it.
    pub fn iter(&self) -> impl Iterator<Item = (KeyType, Hash)> + '_ {
        KeyType::ALL.into_iter().filter_map(|key_type| Some((key_type, self.get(key_type)?)))
    }
}

impl Hash {
    /// All hashes, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Pg1, Self::Cv1, Self::Crc1, Self::Md1];

    /// The name in maps and in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pg1 => "pg1",
            Self::Cv1 => "cv1",
            Self::Crc1 => "crc1",
            Self::Md1 => "md1",
        }
    }

    /// The hash of this name.
    ///
    /// # Errors
    /// [`Error::UnknownHash`] when there is none.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|hash| hash.name() == name).ok_or_else(|| Error::UnknownHash(name.to_owned()))
    }

    /// Whether the hash is defined for keys of this type.
    #[must_use]
    pub const fn accepts(self, key_type: KeyType) -> bool {
        match self {
            Self::Pg1 => true,
            Self::Cv1 => matches!(key_type, KeyType::Bigint),
            Self::Crc1 | Self::Md1 => matches!(key_type, KeyType::Text),
        }
    }

    /// The ring position of a key.
    ///
    /// # Errors
    /// [`Error::HashKeyType`] when the hash is not defined for the type of the key.
    #[inline]
    pub fn position(self, key: Key<'_>) -> Result<u32, Error> {
        match (self, key) {
            (Self::Pg1, Key::Bigint(value)) => Ok(pg1_int(value)),
            (Self::Pg1, Key::Text(text)) => Ok(pg1_bytes(text.as_bytes())),
            (Self::Pg1, Key::Uuid(bytes)) => Ok(pg1_bytes(&bytes)),
            (Self::Cv1, Key::Bigint(value)) => Ok(cv1(value)),
            (Self::Crc1, Key::Text(text)) => Ok(crc1(text.as_bytes())),
            (Self::Md1, Key::Text(text)) => Ok(md1(text.as_bytes())),
            (hash, key) => Err(Error::HashKeyType { hash: hash.name(), key_type: key.key_type().name() }),
        }
    }
}

/// Upper half of a 64-bit hash whose sign bit is flipped, so that positions follow its signed order.
#[inline]
const fn signed_order(hash: u64) -> u32 {
    ((hash ^ (1 << 63)) >> 32) as u32
}

/// `pg1` of an integer.
#[inline]
#[must_use]
pub fn pg1_int(key: i64) -> u32 {
    signed_order(jenkins::hash_int8::<PG1_SEED>(key))
}

/// The first half of `pg1` of an integer, for batches.
#[inline]
pub(crate) fn pg1_fold(key: i64) -> u32 {
    jenkins::fold_int8(key)
}

/// The second half of `pg1` of an integer, for batches.
#[inline]
pub(crate) fn pg1_folded(folded: u32) -> u32 {
    signed_order(jenkins::hash_folded::<PG1_SEED>(folded))
}

/// `pg1` of the bytes of a text or a uuid.
#[inline]
#[must_use]
pub fn pg1_bytes(bytes: &[u8]) -> u32 {
    signed_order(jenkins::hash_bytes(bytes, PG1_SEED))
}

/// The server's signed 64-bit hash behind `pg1`, for messages and comparison with a server.
#[must_use]
pub fn pg1_hash(key: Key<'_>) -> i64 {
    let hash = match key {
        Key::Bigint(value) => jenkins::hash_int8::<PG1_SEED>(value),
        Key::Text(text) => jenkins::hash_bytes(text.as_bytes(), PG1_SEED),
        Key::Uuid(bytes) => jenkins::hash_bytes(&bytes, PG1_SEED),
    };
    i64::from_ne_bytes(hash.to_ne_bytes())
}

/// `cv1` of an integer; a negative key enters as its two's complement.
#[inline]
#[must_use]
#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "works on the bits of the key, 32 at a time"
)]
pub const fn cv1(key: i64) -> u32 {
    let bits = key as u64;
    let a = (bits & 0xffff_ffff) * 739_982_445 + (bits >> 32) * 695_872_825;
    // Only the low 32 bits of the last product count, so a 32-bit multiplication gives them.
    ((a ^ (a >> 32)) as u32).wrapping_mul(2_146_121_005)
}

/// `crc1` of the UTF-8 bytes of a string.
#[must_use]
pub fn crc1(bytes: &[u8]) -> u32 {
    cv1(i64::from(CRC32.checksum(bytes)))
}

/// `md1` of the UTF-8 bytes of a string.
#[must_use]
pub fn md1(bytes: &[u8]) -> u32 {
    let digest = Md5::digest(bytes);
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
