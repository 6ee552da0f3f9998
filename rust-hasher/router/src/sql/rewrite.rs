//! An INSERT of several rows, divided by shard.

use super::lexemes::lexemes;
use super::refusal::{Feature, Refusal};
use super::template::Rows;

/// The text of an INSERT with the rows `chosen` only; everything before and after them as it was written.
///
/// # Errors
/// Those of the lexer; [`Feature::SpreadInsert`] when the rows are not those of this text.
pub fn with_rows(statement: &str, rows: &Rows, chosen: &[usize], conforming: bool) -> Result<String, Refusal> {
    let tokens = lexemes(statement, conforming)?;
    let wrong = || Refusal::from(Feature::SpreadInsert);
    let (first, last) = (rows.rows.first().ok_or_else(wrong)?, rows.rows.last().ok_or_else(wrong)?);
    let span = |open: usize, close: usize| Some((tokens.get(open)?.start, tokens.get(close)?.end));
    let (head, tail) = span(first.open, last.close).ok_or_else(wrong)?;
    let mut text = String::with_capacity(statement.len());
    text.push_str(statement.get(..head).ok_or_else(wrong)?);
    for (at, index) in chosen.iter().enumerate() {
        let row = rows.rows.get(*index).ok_or_else(wrong)?;
        let (start, end) = span(row.open, row.close).ok_or_else(wrong)?;
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(statement.get(start..end).ok_or_else(wrong)?);
    }
    text.push_str(statement.get(tail..).ok_or_else(wrong)?);
    Ok(text)
}
