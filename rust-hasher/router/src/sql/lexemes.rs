//! The tokens of one statement in a list, as the parser wants them.

use super::lexer::{Lexer, TokenKind};
use super::refusal::Refusal;

/// A token with what the parser asks of it.
#[derive(Clone, Debug)]
pub(super) struct Lexeme {
    pub kind: TokenKind,
    /// A word folded, a quoted name without quotes, an operator as it is; else empty.
    pub name: String,
    /// The place among the literals, for a literal.
    pub ordinal: usize,
    pub start: usize,
    pub end: usize,
}

/// All tokens of a statement.
pub(super) fn lexemes(text: &str, conforming: bool) -> Result<Vec<Lexeme>, Refusal> {
    let mut lexer = Lexer::new(text, conforming);
    let mut tokens = Vec::new();
    let mut literals = 0;
    while let Some(token) = lexer.advance()? {
        let written = lexer.text_of(token);
        let name = match token.kind {
            TokenKind::Word => written.to_ascii_lowercase(),
            TokenKind::Quoted => {
                written.get(1..written.len().saturating_sub(1)).unwrap_or_default().replace("\"\"", "\"")
            }
            TokenKind::Operator => written.to_owned(),
            _ => String::new(),
        };
        tokens.push(Lexeme { kind: token.kind, name, ordinal: literals, start: token.start, end: token.end });
        literals += usize::from(matches!(token.kind, TokenKind::Literal(_)));
    }
    Ok(tokens)
}
