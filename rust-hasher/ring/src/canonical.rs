//! Canonical JSON: the one text of a document, so that a checksum and a digest mean something.
//!
//! Objects have their members in the order of the code points of the names, no white space, integers
//! only, and strings escape only what JSON demands. Python's `json.dumps(document, sort_keys=True,
//! separators=(",", ":"), ensure_ascii=False)` writes the same bytes.

use std::fmt;

use crc::{CRC_32_ISCSI, Crc, Table};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map as Object, Value};
use sha2::{Digest, Sha256};

use crate::error::Error;

const CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Name of the member that holds the checksum.
pub(crate) const CHECKSUM: &str = "crc32c";

/// Reads JSON and refuses what serde would pass over: a member named twice and a number with a fraction.
pub(crate) fn read(text: &str) -> Result<Value, Error> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0).map_err(|error| Error::Malformed(error.to_string()))
}

/// Writes canonical JSON.
pub(crate) fn write(value: &Value) -> String {
    let mut out = String::new();
    append(&mut out, value);
    out
}

/// CRC-32C of the canonical text without the checksum member, as 8 lower-case hex digits.
pub(crate) fn checksum(object: &Object<String, Value>) -> String {
    let mut bare = object.clone();
    bare.remove(CHECKSUM);
    format!("{:08x}", CRC32C.checksum(write(&Value::Object(bare)).as_bytes()))
}

/// sha256 of a text, as `sha256:<64 hex digits>`.
pub(crate) fn digest(text: &str) -> String {
    use fmt::Write as _;
    let mut out = String::from("sha256:");
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn append(out: &mut String, value: &Value) {
    match value {
        Value::Object(object) => {
            // serde_json sorts only without its feature `preserve_order`, which another crate may turn on.
            let mut members: Vec<_> = object.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            let items = members.into_iter().map(|(name, item)| (Some(name), item));
            append_all(out, ['{', '}'], items);
        }
        Value::Array(items) => append_all(out, ['[', ']'], items.iter().map(|item| (None, item))),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn append_all<'a>(out: &mut String, brackets: [char; 2], items: impl Iterator<Item = (Option<&'a String>, &'a Value)>) {
    out.push(brackets[0]);
    for (index, (name, item)) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(name) = name {
            out.push_str(&Value::from(name.as_str()).to_string());
            out.push(':');
        }
        append(out, item);
    }
    out.push(brackets[1]);
}

/// A JSON value in which no object names a member twice and every number is an integer.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON with integers only")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            let Strict(item) = members.next_value()?;
            if out.contains_key(&name) {
                return Err(A::Error::custom(format!("{name:?} is named twice in one object")));
            }
            out.insert(name, item);
        }
        Ok(Value::Object(out))
    }
}
