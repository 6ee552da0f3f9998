//! What a text does to the session that runs it, beyond its transaction: settings, and state that ties it to one server.
//!
//! Told from the words of the statements alone. What a function or a DO block does inside, nobody sees here.

use std::rc::Rc;

use crate::session::guard::{self, Around, Guard};
use crate::session::settings::Change;
use crate::sql::lexer::{Lexer, Token, TokenKind};

/// What a text does to its session.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a text")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nature {
    /// Settings that it changes, if it succeeds.
    pub changes: Vec<Change>,
    /// A setting that the router refuses.
    pub refused: Option<String>,
    /// State that stays behind in the server's session.
    pub hold: Option<&'static str>,
    /// It ends a transaction for good.
    pub commits: bool,
    /// It makes the server forget prepared statements.
    pub forgets: bool,
    /// It takes back a part of the transaction, settings included.
    pub partial: bool,
    /// It begins or ends transactions or savepoints.
    pub transaction: bool,
}

/// The nature of a text in the client's encoding, of which every one that servers know contains ASCII; None: it does nothing.
#[must_use]
pub fn of_bytes(sql: &[u8]) -> Option<Rc<Nature>> {
    let nature = match std::str::from_utf8(sql) {
        Ok(sql) => of(sql),
        Err(_) => of(&String::from_utf8_lossy(sql)),
    };
    (nature != Nature::default()).then(|| Rc::new(nature))
}

fn of(sql: &str) -> Nature {
    let mut reader = Reader {
        lexer: Lexer::new(sql, true),
        sql,
        words: Words::default(),
        guard: Guard::default(),
        nature: Nature::default(),
    };
    if reader.run().is_none() {
        reader.nature.hold = Some("a statement that the router cannot read");
        reader.nature.refused = reader.nature.refused.or_else(|| guard::unreadable(sql));
    }
    let mut nature = reader.nature;
    if nature.transaction && !nature.changes.is_empty() {
        nature.hold = Some("a text with settings and transactions in it");
    }
    nature
}

/// The first words of a statement, and where they stand.
#[derive(Default)]
struct Words<'a> {
    first: [&'a str; 4],
    count: usize,
    start: usize,
    end: usize,
    last: &'a str,
    depth: usize,
    set_config: Option<usize>,
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    sql: &'a str,
    words: Words<'a>,
    guard: Guard,
    nature: Nature,
}

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn begins(word: &str, with: &str) -> bool {
    word.get(..with.len()).is_some_and(|start| is(start, with))
}

impl<'a> Reader<'a> {
    /// Read all statements; None if the lexer does not understand them.
    fn run(&mut self) -> Option<()> {
        while let Some(token) = self.lexer.advance().ok()? {
            if token.kind == TokenKind::Symbol(b';') && self.words.depth == 0 {
                self.end();
                self.lexer.end_statement();
            } else {
                self.token(token);
            }
        }
        self.end();
        Some(())
    }

    fn token(&mut self, token: Token) {
        let text = self.lexer.text_of(token);
        let words = &mut self.words;
        if words.count == 0 {
            words.start = token.start;
        }
        words.end = token.end;
        if let Some(place) = words.first.get_mut(words.count) {
            *place = text;
        }
        words.count += 1;
        let around = Around { sql: self.sql, first: words.first[0], last: words.last };
        let found = self.guard.token(token, text, &around);
        self.nature.refused = self.nature.refused.take().or(found);
        let words = &mut self.words;
        match token.kind {
            TokenKind::Word | TokenKind::Quoted => self.word(text),
            TokenKind::Symbol(b'(') => words.depth += 1,
            TokenKind::Symbol(b')') => {
                words.depth = words.depth.saturating_sub(1);
                if words.set_config == Some(words.depth) {
                    words.set_config = None;
                    if !is(words.last, "true") {
                        self.nature.hold = Some("set_config()");
                    }
                }
            }
            _ => {}
        }
        self.words.last = text;
    }

    /// Words that matter wherever they stand.
    fn word(&mut self, text: &'a str) {
        let name = text.trim_matches('"');
        let last = self.words.last;
        let held = match name.as_bytes().first().map(u8::to_ascii_lowercase) {
            Some(b's') if is(name, "set_config") => {
                self.words.set_config = Some(self.words.depth);
                None
            }
            Some(b'p') if begins(name, "pg_advisory_lock") || begins(name, "pg_try_advisory_lock") => {
                Some("a session's advisory lock")
            }
            Some(b'p') if begins(name, "pg_temp") => Some("a temporary object"),
            Some(b't') if is(name, "temp") || is(name, "temporary") => {
                let makes = ["create", "global", "local", "replace", "into"].iter().any(|word| is(last, word));
                makes.then_some("a temporary object")
            }
            Some(b'h') if is(name, "hold") && is(last, "with") => Some("a cursor WITH HOLD"),
            Some(b'c') if is(name, "chain") && is(last, "and") => Some("a chained transaction"),
            _ => None,
        };
        self.nature.hold = self.nature.hold.or(held);
    }

    /// The end of a statement.
    fn end(&mut self) {
        self.guard.end();
        let words = std::mem::take(&mut self.words);
        let [first, second, third, fourth] = words.first;
        let nature = &mut self.nature;
        let starts = |word| is(first, word);
        if starts("set") || starts("reset") {
            let named = if is(second, "session") && !is(third, "authorization") {
                [third, fourth, ""]
            } else {
                [second, third, fourth]
            };
            let text = &self.sql[words.start..words.end];
            nature.changes.extend(change(starts("reset"), named, words.last, text));
        } else if starts("commit") || starts("end") {
            (nature.commits, nature.transaction) = (true, true);
        } else if starts("prepare") {
            if is(second, "transaction") {
                (nature.commits, nature.transaction) = (true, true);
            } else {
                nature.hold = Some("PREPARE");
            }
        } else if starts("rollback") || starts("abort") {
            nature.transaction = true;
            nature.partial |= is(second, "to") || is(third, "to");
        } else if ["begin", "start", "savepoint", "release"].into_iter().any(starts) {
            nature.transaction = true;
        } else if starts("listen") || starts("load") {
            nature.hold = Some("LISTEN or LOAD");
        } else if starts("discard") && is(second, "all") {
            nature.forgets = true;
            nature.changes.push(Change::Discard);
        } else if starts("deallocate") && is(words.last, "all") {
            nature.forgets = true;
        }
    }
}

/// What SET and RESET change for longer than a transaction.
fn change(resets: bool, [first, second, third]: [&str; 3], last: &str, text: &str) -> Option<Change> {
    let local = ["local", "transaction", "constraints"];
    if !resets && local.iter().any(|word| is(first, word)) {
        return None;
    }
    let name = if is(first, "time") && is(second, "zone") {
        "timezone".to_owned()
    } else if is(first, "names") {
        "client_encoding".to_owned()
    } else if is(first, "session") && is(second, "authorization") {
        "session_authorization".to_owned()
    } else if second == "." {
        format!("{first}.{third}").to_ascii_lowercase()
    } else {
        first.trim_matches('"').to_ascii_lowercase()
    };
    Some(match (resets, name.as_str()) {
        (true, "all") => Change::ResetAll,
        (true, _) => Change::Reset(name),
        (false, "role" | "session_authorization") => Change::Set(name, text.to_owned()),
        (false, _) if is(last, "default") => Change::Reset(name),
        (false, _) => Change::Set(name, text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::{Nature, of};
    use crate::session::settings::Change;

    #[test]
    fn ordinary_statements_do_nothing() {
        for sql in [
            "",
            ";",
            "SELECT 1",
            "-- SET a TO b\nSELECT 'LISTEN x; SET y TO z'",
            "SELECT set_config('a', 'b', true)",
            "SELECT pg_advisory_xact_lock(1)",
            "UPDATE t SET a = 1",
            "SET LOCAL a TO b",
            "SELECT temp FROM weather",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "CREATE TABLE t (temporary int)",
            "UNLISTEN *",
            "CLOSE ALL",
        ] {
            assert_eq!(Nature::default(), of(sql), "{sql}");
        }
    }

    #[test]
    fn settings_are_known_by_their_names() {
        for (sql, name) in [
            ("SET a TO 1", "a"),
            ("set session Work_Mem = '1MB'", "work_mem"),
            ("SET TIME ZONE 'UTC'", "timezone"),
            ("SET NAMES 'x'", "client_encoding"),
            ("SET a.b = 1", "a.b"),
            ("SET ROLE x", "role"),
            ("SET SESSION AUTHORIZATION x", "session_authorization"),
            ("SET search_path TO a, b", "search_path"),
        ] {
            assert_eq!(vec![Change::Set(name.into(), sql.into())], of(sql).changes, "{sql}");
        }
        for (sql, change) in [
            ("RESET ALL", Change::ResetAll),
            ("RESET Role", Change::Reset("role".into())),
            ("SET a TO DEFAULT", Change::Reset("a".into())),
            ("RESET TIME ZONE", Change::Reset("timezone".into())),
            ("DISCARD ALL", Change::Discard),
        ] {
            assert_eq!(vec![change], of(sql).changes, "{sql}");
        }
        assert_eq!(2, of("SET a TO 1; SELECT 2; RESET b;").changes.len());
    }

    #[test]
    fn state_that_stays_behind_is_named() {
        for sql in [
            "LISTEN x",
            "CREATE TEMP TABLE t ()",
            "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1",
            "SELECT 1 INTO TEMP t",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "SELECT pg_advisory_lock(1)",
            "PREPARE p AS SELECT 1",
            "SELECT pg_catalog.set_config('search_path', '', false)",
            "SELECT \"pg_try_advisory_lock\"(1)",
            "BEGIN; SET a TO 1; COMMIT",
            "CREATE TABLE pg_temp.t ()",
            "LOAD 'x'",
            "SELECT 'unended",
            "COMMIT AND CHAIN",
            "SELECT set_config('a', upper(true), false)",
        ] {
            assert!(of(sql).hold.is_some(), "{sql}");
        }
    }

    #[test]
    fn ends_of_transactions_are_known() {
        for sql in ["COMMIT", "end work", "PREPARE TRANSACTION 'x'", "SELECT 1; COMMIT"] {
            assert!(of(sql).commits, "{sql}");
        }
        assert!(of("ROLLBACK TO SAVEPOINT x").partial && of("ROLLBACK WORK TO x").partial && !of("ROLLBACK").partial);
        assert!(of("DEALLOCATE PREPARE ALL").forgets && of("DISCARD ALL").forgets);
    }
}
