//! Values of keys, read exactly as the server reads them; any doubt is a refusal.

use std::borrow::Cow;

use covet_ring::{Key, KeyType};

use super::lexer::LiteralKind;
use super::refusal::{Feature, Refusal};
use super::scan::Literal;
use super::strings::text_of;
use super::template::{ColumnType, KeyColumn, ValuePlace, ValueSource};

/// A parameter as Bind brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The value; `None` for NULL.
    pub value: Option<&'a [u8]>,
    /// In binary format.
    pub binary: bool,
    /// Its type as the client or the server named it; 0 when not known.
    pub oid: u32,
}

/// A statement's constants and parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// The text that the literals point into.
    pub text: &'a str,
    /// The literals.
    pub literals: &'a [Literal],
    /// The parameters, `$1` first.
    pub params: &'a [Parameter<'a>],
    /// `client_encoding` is UTF8; else a parameter may only be ASCII.
    pub utf8: bool,
}

/// A key that was read; text may had to be unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyValue<'a> {
    /// smallint, integer, bigint
    Bigint(i64),
    /// text, varchar
    Text(Cow<'a, str>),
    /// uuid
    Uuid([u8; 16]),
}

impl KeyValue<'_> {
    /// The key for the ring.
    #[must_use]
    pub fn key(&self) -> Key<'_> {
        match self {
            Self::Bigint(value) => Key::Bigint(*value),
            Self::Text(text) => Key::Text(text),
            Self::Uuid(bytes) => Key::Uuid(*bytes),
        }
    }
}

impl<'a> Values<'a> {
    /// Reads the key of `column` at a place.
    ///
    /// # Errors
    /// [`Feature::KeyText`], [`Feature::KeyRange`], [`Feature::KeyType`] and the others of keys.
    pub fn read(&self, place: &ValuePlace, column: &KeyColumn) -> Result<KeyValue<'a>, Refusal> {
        let value = match place.source {
            ValueSource::Literal(ordinal) => self.literal(ordinal, place, column)?,
            ValueSource::Param { number, once } => self.param(number, once, place.cast.unwrap_or(column.ty), column)?,
        };
        fit(value, column)
    }

    fn literal(&self, ordinal: usize, place: &ValuePlace, column: &KeyColumn) -> Result<KeyValue<'a>, Refusal> {
        let about = || column.name.clone();
        let literal = self.literals.get(ordinal).ok_or_else(|| Refusal::new(Feature::KeyExpression, about()))?;
        let ty = place.cast.unwrap_or(column.ty);
        if literal.kind == LiteralKind::Integer {
            if ty.key_type() != KeyType::Bigint {
                return Err(Refusal::new(Feature::KeyType, format!("a number for {}", column.name)));
            }
            let digits = self.text.get(literal.start..literal.end).unwrap_or_default();
            let value = integer(digits).ok_or_else(|| Refusal::new(Feature::KeyRange, about()))?;
            // A cast binds tighter than the minus: what is cast is the number without its sign.
            if place.cast.is_some_and(|cast| !in_range(value, cast)) {
                return Err(Refusal::new(Feature::KeyRange, about()));
            }
            let value = if place.negative { -value } else { value };
            return i64::try_from(value).map(KeyValue::Bigint).map_err(|_| Refusal::new(Feature::KeyRange, about()));
        }
        if place.negative {
            return Err(Refusal::new(Feature::KeyType, format!("a minus before a string for {}", column.name)));
        }
        let text = text_of(self.text, *literal).map_err(|refusal| Refusal::new(refusal.feature, about()))?;
        read_text(text, ty, column)
    }

    fn param(&self, number: u16, once: bool, ty: ColumnType, column: &KeyColumn) -> Result<KeyValue<'a>, Refusal> {
        let refuse = |feature| Refusal::new(feature, format!("${number} for {}", column.name));
        let param = usize::from(number)
            .checked_sub(1)
            .and_then(|at| self.params.get(at))
            .ok_or_else(|| refuse(Feature::ParameterMissing))?;
        let ty = match (param.oid, once) {
            (0, true) => ty,
            (0, false) => return Err(refuse(Feature::ParameterType)),
            (oid, _) => type_of_oid(oid, ty).ok_or_else(|| refuse(Feature::ParameterType))?,
        };
        if ty.key_type() != column.ty.key_type() {
            return Err(refuse(Feature::KeyType));
        }
        let bytes = param.value.ok_or_else(|| refuse(Feature::KeyNull))?;
        if param.binary && ty.key_type() != KeyType::Text {
            return binary(bytes, ty).ok_or_else(|| refuse(Feature::KeyText));
        }
        if !self.utf8 && !bytes.is_ascii() {
            return Err(refuse(Feature::UnsafeEncoding));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse(Feature::Encoding))?;
        read_text(Cow::Borrowed(text), ty, column)
    }
}

/// The key type that the server gives a parameter of this type.
const fn type_of_oid(oid: u32, context: ColumnType) -> Option<ColumnType> {
    match oid {
        20 => Some(ColumnType::BigInt),
        21 => Some(ColumnType::SmallInt),
        23 => Some(ColumnType::Integer),
        25 | 1043 => Some(ColumnType::Text),
        2950 => Some(ColumnType::Uuid),
        // unknown: the server takes the type from the context
        705 => Some(context),
        _ => None,
    }
}

fn binary(bytes: &[u8], ty: ColumnType) -> Option<KeyValue<'static>> {
    match ty {
        ColumnType::SmallInt => bytes.try_into().ok().map(|two| KeyValue::Bigint(i16::from_be_bytes(two).into())),
        ColumnType::Integer => bytes.try_into().ok().map(|four| KeyValue::Bigint(i32::from_be_bytes(four).into())),
        ColumnType::BigInt => bytes.try_into().ok().map(|eight| KeyValue::Bigint(i64::from_be_bytes(eight))),
        ColumnType::Uuid => bytes.try_into().ok().map(KeyValue::Uuid),
        ColumnType::Text | ColumnType::Varchar(_) => None,
    }
}

/// Reads the text form of a value of `ty`, as the type's input function does.
pub(super) fn read_text<'a>(text: Cow<'a, str>, ty: ColumnType, column: &KeyColumn) -> Result<KeyValue<'a>, Refusal> {
    let refuse = |feature| Err(Refusal::new(feature, format!("{:?} for {}", shortened(&text), column.name)));
    if ty.key_type() != column.ty.key_type() {
        return refuse(Feature::KeyType);
    }
    match ty.key_type() {
        KeyType::Text => Ok(KeyValue::Text(text)),
        KeyType::Uuid => uuid(text.as_bytes()).map_or_else(|| refuse(Feature::KeyText), |key| Ok(KeyValue::Uuid(key))),
        KeyType::Bigint => {
            let trimmed = text.trim_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
            let (negative, digits) = match trimmed.as_bytes().first() {
                Some(b'-') => (true, trimmed.get(1..).unwrap_or_default()),
                Some(b'+') => (false, trimmed.get(1..).unwrap_or_default()),
                _ => (false, trimmed),
            };
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return refuse(Feature::KeyText);
            }
            let value = integer(digits).map(|value| if negative { -value } else { value });
            match value.filter(|value| in_range(*value, ty)).map(i64::try_from) {
                Some(Ok(value)) => Ok(KeyValue::Bigint(value)),
                _ => refuse(Feature::KeyRange),
            }
        }
    }
}

/// The number of a run of decimal digits; `None` when it is far beyond a bigint.
fn integer(digits: &str) -> Option<i128> {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

const fn in_range(value: i128, ty: ColumnType) -> bool {
    let (low, high) = match ty {
        ColumnType::SmallInt => (i16::MIN as i128, i16::MAX as i128),
        ColumnType::Integer => (i32::MIN as i128, i32::MAX as i128),
        _ => (i64::MIN as i128, i64::MAX as i128),
    };
    low <= value && value <= high
}

/// Refuses what the column could not hold; the server would refuse it, cut it or find no row.
fn fit<'a>(value: KeyValue<'a>, column: &KeyColumn) -> Result<KeyValue<'a>, Refusal> {
    let fits = match (&value, column.ty) {
        (KeyValue::Bigint(number), ty) => in_range(i128::from(*number), ty),
        (KeyValue::Text(text), ColumnType::Varchar(most)) => text.chars().nth(most as usize).is_none(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(Refusal::new(Feature::KeyRange, column.name.clone())) }
}

/// The uuid of a text: 32 hex digits of either case, a hyphen allowed after every four, braces around all.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut rest = match text {
        [b'{', inner @ .., b'}'] => inner,
        [b'{', ..] => return None,
        _ => text,
    };
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let (pair, after) = rest.split_first_chunk::<2>()?;
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        rest = match after {
            [b'-', after @ ..] if at % 2 == 1 && at < 15 => after,
            _ => after,
        };
    }
    rest.is_empty().then_some(bytes)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The first characters of a value, for messages.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
