//! The ring in SQL: the one place that writes it.
//!
//! A slot is a contiguous range of hash values, so "this row belongs to slots A to B" is one `BETWEEN`.
//! All forms use built-in immutable functions and constants only: CHECK constraints, index expressions
//! and publication row filters accept them (`tests/e2e/process/test_ring_sql.py` asks a server).

use crate::error::Error;
use crate::hash::{Hash, PG1_SEED, SLOT_SHIFT};
use crate::key::{Key, KeyType};

/// The expression of `PostgreSQL` that a range of slots is a range of, for a column of this type.
///
/// `pg1` gives the server's signed 64-bit hash, the others the ring position. An index on it serves
/// [`predicate`].
///
/// # Errors
/// [`Error::HashKeyType`] when the hash is not defined for the type, [`Error::NoSql`] for `crc1`, which
/// `PostgreSQL` cannot compute, [`Error::BadColumn`] for a name that SQL cannot hold.
pub fn expression(column: &str, key_type: KeyType, hash: Hash) -> Result<String, Error> {
    if !hash.accepts(key_type) {
        return Err(Error::HashKeyType { hash: hash.name(), key_type: key_type.name() });
    }
    expression_of(&quote_name(column)?, key_type, hash)
}

/// `expression` between the bounds of slots `first` to `last`, both inclusive.
///
/// # Errors
/// As [`expression`], and [`Error::BadRange`].
pub fn predicate(column: &str, key_type: KeyType, hash: Hash, first: u16, last: u16) -> Result<String, Error> {
    let (first, last) = crate::diff::check_range(first.into(), last.into())?;
    let expression = expression(column, key_type, hash)?;
    let (low, high) = bounds(hash, first, last);
    Ok(format!("{expression} BETWEEN {low} AND {high}"))
}

/// The predicate of several ranges of slots, joined by OR; no ranges are `false`.
///
/// # Errors
/// As [`predicate`].
pub fn predicate_of_ranges(
    column: &str,
    key_type: KeyType,
    hash: Hash,
    ranges: &[(u16, u16)],
) -> Result<String, Error> {
    let parts = ranges
        .iter()
        .map(|(first, last)| predicate(column, key_type, hash, *first, *last).map(|sql| format!("({sql})")))
        .collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() {
        return Ok("false".to_owned());
    }
    Ok(parts.join(" OR "))
}

/// Questions to a server before it may hold keys: a SELECT with one column per question, and the numbers
/// it must answer with. A different answer means that the server hashes differently and must not be used.
///
/// # Errors
/// [`Error::NoSql`] for `crc1`.
pub fn probe(hash: Hash) -> Result<(String, Vec<i64>), Error> {
    let keys = [
        Key::Bigint(0),
        Key::Bigint(-1),
        Key::Bigint(1_234_567_890_123),
        Key::Text(""),
        Key::Text("customer-42"),
        Key::Text("stra\u{df}e"),
        Key::Uuid([0x12, 0x63, 0x98, 0xb1, 0x12, 0xd8, 0x22, 0x68, 0xe8, 0xd1, 0x30, 0xb7, 0xc1, 0x38, 0x0d, 0xd9]),
    ];
    let mut columns = Vec::new();
    let mut answers = Vec::new();
    for key in keys.into_iter().filter(|key| hash.accepts(key.key_type())) {
        columns.push(expression_of(&literal(key), key.key_type(), hash)?);
        answers.push(if hash == Hash::Pg1 { crate::hash::pg1_hash(key) } else { i64::from(hash.position(key)?) });
    }
    Ok((format!("SELECT {}", columns.join(", ")), answers))
}

fn expression_of(operand: &str, key_type: KeyType, hash: Hash) -> Result<String, Error> {
    match (hash, key_type) {
        (Hash::Pg1, KeyType::Bigint) => Ok(format!("hashint8extended({operand}, {PG1_SEED})")),
        (Hash::Pg1, KeyType::Text) => Ok(format!("hashtextextended({operand}, {PG1_SEED})")),
        (Hash::Pg1, KeyType::Uuid) => Ok(format!("uuid_hash_extended({operand}, {PG1_SEED})")),
        (Hash::Cv1, _) => {
            // The cast widens smallint and integer before the shift; on bigint it is nothing.
            let a = format!(
                "(({operand}::bigint & 4294967295) * 739982445 + (({operand}::bigint >> 32) & 4294967295) * 695872825)"
            );
            Ok(format!("(((({a} # ({a} >> 32)) & 4294967295) * 2146121005) & 4294967295)"))
        }
        (Hash::Md1, _) => {
            // Not ('x' || ...)::bit(32): row filters refuse casts through text.
            let byte = |at: u8| format!("get_byte(decode(md5({operand}), 'hex'), {at})");
            let [first, second, third, fourth] = [0, 1, 2, 3].map(byte);
            Ok(format!("({first}::bigint * 16777216 + {second} * 65536 + {third} * 256 + {fourth})"))
        }
        (Hash::Crc1, _) => Err(Error::NoSql(hash.name())),
    }
}

/// The smallest and largest value of the expression for a range of slots, as literals.
fn bounds(hash: Hash, first: u16, last: u16) -> (String, String) {
    let low = u64::from(first) << SLOT_SHIFT;
    let high = ((u64::from(last) + 1) << SLOT_SHIFT) - 1;
    if hash != Hash::Pg1 {
        return (low.to_string(), high.to_string());
    }
    // Positions are the upper half of the signed hash with its sign bit flipped. Quoted, for the lowest
    // bigint cannot be written as a negated number.
    let signed = |bits: u64| i64::from_ne_bytes((bits ^ (1 << 63)).to_ne_bytes());
    (format!("'{}'::bigint", signed(low << 32)), format!("'{}'::bigint", signed((high << 32) | 0xffff_ffff)))
}

fn quote_name(column: &str) -> Result<String, Error> {
    if column.is_empty() || column.len() > 63 || column.contains('\0') {
        return Err(Error::BadColumn(column.to_owned()));
    }
    Ok(format!("\"{}\"", column.replace('"', "\"\"")))
}

fn literal(key: Key<'_>) -> String {
    match key {
        Key::Bigint(value) => format!("'{value}'::bigint"),
        Key::Text(text) => format!("'{}'::text", text.replace('\'', "''")),
        Key::Uuid(_) => format!("'{key}'::uuid"),
    }
}
