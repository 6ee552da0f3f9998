//! Settings on which the promise of an acknowledged commit rests: texts that would change them are refused.
//!
//! Told from the words of a text, and of the bodies of DO blocks and functions in it. What a body puts together
//! as it runs (EXECUTE of an expression) nobody sees here.

use crate::sql::lexer::{Lexer, LiteralKind, Token, TokenKind};
use crate::sql::scan::Literal;
use crate::sql::settings::is_safe;
use crate::sql::strings;

/// Settings that are watched; the last of them is how the words of a text are told from its strings.
const WATCHED: [&str; 3] = ["synchronous_commit", "client_min_messages", "standard_conforming_strings"];

/// How deep bodies may lie in bodies.
const DEEPEST: usize = 3;

/// Where in an assignment the reader stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In none.
    #[default]
    Outside,
    /// Behind the name of a setting, and the sign or word between it and its value.
    Named(&'static str),
    /// Behind `set_config`.
    Called,
    /// Before its first argument.
    First,
    /// Behind a name in its first argument.
    Second(&'static str),
    /// Before its second argument.
    Value(&'static str),
}

/// Looks at the tokens of one statement after the other.
#[derive(Debug, Default)]
pub(super) struct Guard {
    place: Place,
    depth: usize,
}

/// What stands around a token.
pub(super) struct Around<'a> {
    /// The whole text.
    pub sql: &'a str,
    /// The first word of the statement.
    pub first: &'a str,
    /// The word before.
    pub last: &'a str,
}

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn any(word: &str, others: &[&str]) -> bool {
    others.iter().any(|other| is(word, other))
}

/// The setting of this name, if it is watched.
fn watched(name: &str) -> Option<&'static str> {
    WATCHED.into_iter().find(|known| is(known, name.trim()))
}

/// A watched setting may not have this value.
#[must_use]
pub fn refuses(name: &str, value: &str) -> Option<String> {
    let name = watched(name)?;
    let value = value.trim().to_ascii_lowercase();
    (!is_safe(name, &value)).then(|| format!("{name} = {value}"))
}

impl Guard {
    /// The statement ended.
    pub(super) fn end(&mut self) {
        self.place = Place::Outside;
    }

    /// Look at a token; gives what is refused.
    pub(super) fn token(&mut self, token: Token, text: &str, around: &Around<'_>) -> Option<String> {
        let literal = match token.kind {
            TokenKind::Literal(kind) => Some(Literal { kind, start: token.start, end: token.end }),
            _ => None,
        };
        let place = std::mem::take(&mut self.place);
        match place {
            Place::Outside => return self.outside(token, text, literal, around),
            Place::Named(name) if text == "=" || is(text, "to") => self.place = Place::Named(name),
            Place::Named(_) if is(text, "from") => {}
            Place::Named(name) => return refuses(name, &value_of(around.sql, text, literal)),
            Place::Called if text == "(" => self.place = Place::First,
            Place::First => {
                let name = literal.and_then(|literal| watched(&value_of(around.sql, text, Some(literal))));
                self.place = name.map_or(Place::Outside, Place::Second);
            }
            Place::Second(name) if text == "," => self.place = Place::Value(name),
            Place::Second(name) if text != ")" => self.place = Place::Second(name),
            Place::Value(name) => {
                return match literal {
                    Some(literal) => refuses(name, &value_of(around.sql, text, Some(literal))),
                    None => Some(format!("{name} = a value that is not written out")),
                };
            }
            Place::Called | Place::Second(_) => {}
        }
        None
    }

    fn outside(&mut self, token: Token, text: &str, literal: Option<Literal>, around: &Around<'_>) -> Option<String> {
        match token.kind {
            TokenKind::Word | TokenKind::Quoted => {
                let name = text.trim_matches('"');
                if is(name, "set_config") {
                    self.place = Place::Called;
                } else if let Some(name) = watched(name)
                    && any(around.last, &["set", "local", "session"])
                    && (self.depth > 0 || any(around.first, &["set", "alter", "create"]))
                {
                    self.place = Place::Named(name);
                }
                None
            }
            TokenKind::Literal(_) if self.depth < DEEPEST && any(around.first, &["do", "create"]) => {
                self.body(&value_of(around.sql, text, literal))
            }
            _ => None,
        }
    }

    /// Look into a body; one that cannot be read ends where it cannot.
    fn body(&self, sql: &str) -> Option<String> {
        let (mut lexer, mut inner) = (Lexer::new(sql, true), Self { place: Place::Outside, depth: self.depth + 1 });
        let (mut first, mut last) = ("", "");
        while let Ok(Some(token)) = lexer.advance() {
            let text = lexer.text_of(token);
            if token.kind == TokenKind::Symbol(b';') {
                inner.end();
                lexer.end_statement();
                (first, last) = ("", "");
                continue;
            }
            if first.is_empty() {
                first = text;
            }
            let found = inner.token(token, text, &Around { sql, first, last });
            if found.is_some() {
                return found;
            }
            last = text;
        }
        None
    }
}

/// A text that cannot be read may hide what it sets.
pub(super) fn unreadable(sql: &str) -> Option<String> {
    let lower = sql.to_ascii_lowercase();
    let hides = lower.contains("u&\"") || WATCHED.iter().any(|name| lower.contains(name));
    hides.then(|| "a text that the router cannot read".to_owned())
}

/// The text of a constant, or a word as it is written.
fn value_of(sql: &str, written: &str, literal: Option<Literal>) -> String {
    let Some(literal) = literal else { return written.trim_matches('"').to_owned() };
    let literal = match literal.kind {
        LiteralKind::Integer | LiteralKind::Decimal | LiteralKind::Bits | LiteralKind::National => None,
        _ => Some(literal),
    };
    let text = literal.and_then(|literal| strings::text_of(sql, literal).ok());
    text.map_or_else(|| written.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use crate::session::nature::of_bytes;

    fn refused(sql: &str) -> bool {
        of_bytes(sql.as_bytes()).is_some_and(|nature| nature.refused.is_some())
    }

    #[test]
    fn what_would_make_an_acknowledged_commit_unsafe_is_refused() {
        for sql in [
            "SET synchronous_commit TO off",
            "set Session \"synchronous_commit\" = 'local'",
            "SET LOCAL synchronous_commit = remote_write",
            "SELECT 1; SET synchronous_commit = 0",
            "BEGIN; SET LOCAL synchronous_commit TO false; COMMIT",
            "SELECT set_config('synchronous_commit', 'off', true)",
            "SELECT pg_catalog.set_config('Synchronous_Commit'::text, E'o\\x66f', false)",
            "SELECT set_config('synchronous_commit', $1, true)",
            "SELECT set_config('synchronous_commit', lower('OFF'), true)",
            "ALTER ROLE app SET synchronous_commit = off",
            "ALTER DATABASE shop SET synchronous_commit TO 'off'",
            "ALTER ROLE app IN DATABASE shop SET client_min_messages TO error",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET synchronous_commit = off AS 'SELECT 1'",
            "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SET LOCAL synchronous_commit = off; SELECT 1 $$",
            "DO $$ BEGIN SET LOCAL synchronous_commit = off; END $$",
            "DO $$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); END $$",
            "DO 'BEGIN SET LOCAL synchronous_commit TO ''off''; END'",
            "SET client_min_messages = panic",
            "SET client_min_messages TO 'ERROR'",
            "SET standard_conforming_strings = off",
            "SET U&\"synchronous\\005fcommit\" = off",
        ] {
            assert!(refused(sql), "{sql}");
        }
    }

    #[test]
    fn what_leaves_it_safe_is_not() {
        for sql in [
            "SET synchronous_commit TO on",
            "SET synchronous_commit = remote_apply",
            "SET LOCAL synchronous_commit TO DEFAULT",
            "RESET synchronous_commit",
            "SHOW synchronous_commit",
            "SET client_min_messages = warning",
            "SET client_min_messages TO debug1",
            "SELECT set_config('synchronous_commit', 'on', true)",
            "SELECT set_config('work_mem', $1, true)",
            "SELECT set_config($1, $2, true)",
            "SELECT 'SET synchronous_commit = off'",
            "-- SET synchronous_commit = off\nSELECT 1",
            "UPDATE settings SET synchronous_commit = 'off'",
            "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET synchronous_commit = 'off'",
            "ALTER ROLE app SET work_mem = '1MB'",
            "DO $$ BEGIN PERFORM 1; END $$",
            "CREATE TABLE t (synchronous_commit text DEFAULT 'off')",
        ] {
            assert!(!refused(sql), "{sql}");
        }
    }
}
