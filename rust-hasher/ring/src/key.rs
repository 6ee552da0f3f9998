//! Canonical keys: what is hashed, independent of the SQL type or Python type it came from.

use std::cmp::Ordering;

use crate::error::Error;

/// The type of a key as it is named in maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// smallint, integer and bigint: sign-extended to 64 bits.
    Bigint,
    /// text and varchar with a deterministic collation: UTF-8 bytes.
    Text,
    /// uuid: its 16 bytes.
    Uuid,
}

impl KeyType {
    /// All types of keys.
    pub const ALL: [Self; 3] = [Self::Bigint, Self::Text, Self::Uuid];

    /// The name in maps.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bigint => "bigint",
            Self::Text => "text",
            Self::Uuid => "uuid",
        }
    }

    /// The type of this name.
    ///
    /// # Errors
    /// [`Error::UnknownKeyType`] when there is none; floats, numerics and dates are not keys.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|key_type| key_type.name() == name)
            .ok_or_else(|| Error::UnknownKeyType(name.to_owned()))
    }
}

/// A key as it is hashed and compared. There is no NULL: a row without a key has no owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// An integer of any width, sign-extended.
    Bigint(i64),
    /// A string.
    Text(&'a str),
    /// A uuid, most significant byte first.
    Uuid([u8; 16]),
}

impl Key<'_> {
    /// The type of the key.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Bigint(_) => KeyType::Bigint,
            Self::Text(_) => KeyType::Text,
            Self::Uuid(_) => KeyType::Uuid,
        }
    }
}

/// The key in words, for messages.
impl std::fmt::Display for Key<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bigint(value) => write!(out, "{value}"),
            Self::Text(text) => write!(out, "{text:?}"),
            Self::Uuid(bytes) => write!(out, "{}", uuid::Uuid::from_bytes(*bytes)),
        }
    }
}

/// A key that a map holds: a split point of a Range group or a value of a List group.
///
/// Ordered like the raw keys: integers by value, text by its UTF-8 bytes (the order of collation "C"),
/// uuids by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnedKey {
    /// An integer.
    Bigint(i64),
    /// A string.
    Text(String),
    /// A uuid.
    Uuid([u8; 16]),
}

impl OwnedKey {
    /// Reads the canonical text of a key of a map; numbers are text there so that no JSON reader rounds them.
    ///
    /// # Errors
    /// [`Error::BadKeyText`] unless `text` is exactly what [`OwnedKey::to_text`] writes for some key.
    pub fn parse(key_type: KeyType, text: &str) -> Result<Self, Error> {
        let parsed = match key_type {
            KeyType::Bigint => text.parse().ok().map(Self::Bigint),
            KeyType::Text => Some(Self::Text(text.to_owned())),
            KeyType::Uuid => uuid::Uuid::try_parse(text).ok().map(|uuid| Self::Uuid(uuid.into_bytes())),
        };
        parsed
            .filter(|key| key.to_text() == text)
            .ok_or_else(|| Error::BadKeyText { key_type: key_type.name(), text: text.to_owned() })
    }

    /// The canonical text: decimal digits, the text itself, or the lower-case form of a uuid.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Bigint(value) => value.to_string(),
            Self::Text(text) => text.clone(),
            Self::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).to_string(),
        }
    }
}

impl OwnedKey {
    /// Orders a key of a map against a key that is looked up; keys of different types order by type.
    #[must_use]
    pub fn order(&self, key: &Key<'_>) -> Ordering {
        match (self, key) {
            (Self::Bigint(own), Key::Bigint(other)) => own.cmp(other),
            (Self::Text(own), Key::Text(other)) => own.as_str().cmp(other),
            (Self::Uuid(own), Key::Uuid(other)) => own.cmp(other),
            (own, other) => own.key_type().cmp(&other.key_type()),
        }
    }

    const fn key_type(&self) -> KeyType {
        match self {
            Self::Bigint(_) => KeyType::Bigint,
            Self::Text(_) => KeyType::Text,
            Self::Uuid(_) => KeyType::Uuid,
        }
    }
}
