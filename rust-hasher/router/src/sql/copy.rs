//! Rows of COPY FROM STDIN in text format: which shard gets each.

use covet_ring::Map;

use super::refusal::{Feature, Refusal};
use super::route::owner;
use super::template::CopyRows;
use super::value;

/// The shard of one row, a line without its end. The line `\.` ends the data and is no row.
///
/// # Errors
/// [`Feature::KeyNull`], [`Feature::InsertWithoutKey`] for a line that ends before the key, those of keys.
pub fn shard_of_row(line: &[u8], copy: &CopyRows, map: &Map) -> Result<u16, Refusal> {
    let refuse = |feature| Refusal::new(feature, copy.column.name.clone());
    let field = field(line, copy.delimiter, copy.position).ok_or_else(|| refuse(Feature::InsertWithoutKey))?;
    // NULL is recognised before backslashes are.
    if field == copy.null.as_bytes() {
        return Err(refuse(Feature::KeyNull));
    }
    let text = unescape(field).ok_or_else(|| refuse(Feature::KeyEscape))?;
    let text = String::from_utf8(text).map_err(|_| refuse(Feature::Encoding))?;
    owner(&value::read_text(text.into(), copy.column.ty, &copy.column)?, &copy.column, map)
}

/// The bytes of a column, with their backslashes.
fn field(line: &[u8], delimiter: u8, position: usize) -> Option<&[u8]> {
    let (mut start, mut at, mut column) = (0, 0, 0);
    while at < line.len() {
        match line.get(at) {
            Some(b'\\') => at += 1,
            Some(byte) if *byte == delimiter => {
                if column == position {
                    return line.get(start..at);
                }
                column += 1;
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if column == position { line.get(start..) } else { None }
}

/// Reads backslashes as COPY does; `None` for octal and hexadecimal codes, which no program writes for a key.
fn unescape(field: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let Some((escaped, after)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = after;
        out.push(match escaped {
            b'b' => b'\x08',
            b'f' => b'\x0c',
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => b'\x0b',
            b'0'..=b'7' | b'x' => return None,
            other => *other,
        });
    }
    Some(out)
}
