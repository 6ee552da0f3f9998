//! Statements that hold no rows of their own: transactions, the session, definitions, EXPLAIN, COPY.

use super::ast::{Copy, CopyFormat, Statement};
use super::lexer::{LiteralKind, TokenKind};
use super::parse::Parser;
use super::refusal::{Feature, Refusal};
use super::template::{SessionVerb, SetValue, TxnVerb};

/// Objects whose definitions are no business of applications, or of one shard alone.
const FOREIGN_OBJECTS: &[&str] = &[
    "database",
    "tablespace",
    "subscription",
    "publication",
    "server",
    "foreign",
    "system",
    "materialized",
    "temp",
    "temporary",
    "event",
    "access",
    "user",
    "role",
    "group",
    "default",
    "large",
];

impl Parser {
    /// A statement that begins with `first` and is none of SELECT, INSERT, UPDATE, DELETE.
    pub fn other(&mut self, first: &str) -> Result<Statement, Refusal> {
        match first {
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
                self.transaction(first).map(Statement::Transaction)
            }
            "set" => self.set().map(Statement::Session),
            "reset" | "show" | "discard" | "listen" | "unlisten" | "notify" | "deallocate" => {
                self.session(first).map(Statement::Session)
            }
            "create" | "alter" | "drop" | "truncate" | "comment" | "grant" | "revoke" | "vacuum" | "analyze"
            | "analyse" | "reindex" | "cluster" => self.definition(first),
            "explain" => self.explain(),
            "copy" => self.copy().map(Statement::Copy),
            _ => Err(Refusal::new(Feature::Statement, first.to_ascii_uppercase())),
        }
    }

    fn transaction(&mut self, first: &str) -> Result<TxnVerb, Refusal> {
        self.skip();
        if self.sees("prepared") || self.sees("transaction") && self.sees_next("prepare") {
            return Err(Refusal::new(Feature::Statement, "two-phase commit by hand"));
        }
        match first {
            "savepoint" => return self.name().map(TxnVerb::Savepoint),
            "release" => {
                self.eat("savepoint");
                return self.name().map(TxnVerb::Release);
            }
            _ => {}
        }
        if !self.eat("work") {
            self.eat("transaction");
        }
        if matches!(first, "begin" | "start") {
            while self.kind() == Some(TokenKind::Word) || self.sees_symbol(b',') {
                self.skip();
            }
            return Ok(TxnVerb::Begin);
        }
        if first == "rollback" && self.eat("to") {
            self.eat("savepoint");
            return self.name().map(TxnVerb::RollbackTo);
        }
        let mut chain = self.eat("and");
        if chain {
            chain = !self.eat("no");
            self.expect("chain")?;
        }
        Ok(if matches!(first, "commit" | "end") { TxnVerb::Commit { chain } } else { TxnVerb::Rollback { chain } })
    }

    /// `SET [SESSION | LOCAL] name = value`
    fn set(&mut self) -> Result<SessionVerb, Refusal> {
        self.skip();
        let local = self.eat("local");
        if !local && !self.sees_next("characteristics") && !self.sees_next("authorization") {
            self.eat("session");
        }
        match self.word() {
            Some("transaction" | "constraints" | "session" | "catalog" | "xml") => {
                Err(Refusal::new(Feature::Statement, "SET of something else than a setting"))
            }
            Some("time") if self.sees_next("zone") => {
                self.skip();
                self.skip();
                Ok(SessionVerb::Set { name: "timezone".to_owned(), local, value: self.set_value()? })
            }
            Some(word @ ("names" | "role" | "schema")) => {
                let setting = if word == "names" { "client_encoding" } else { "search_path" };
                let name = if word == "role" { "role" } else { setting }.to_owned();
                self.skip();
                if !self.eat_operator("=") {
                    self.eat("to");
                }
                Ok(SessionVerb::Set { name, local, value: self.set_value()? })
            }
            _ => {
                let name = self.setting_name()?;
                if !self.eat_operator("=") {
                    self.expect("to")?;
                }
                Ok(SessionVerb::Set { name, local, value: self.set_value()? })
            }
        }
    }

    fn setting_name(&mut self) -> Result<String, Refusal> {
        let mut name = self.any_name()?.to_ascii_lowercase();
        while self.eat_symbol(b'.') {
            name = format!("{name}.{}", self.any_name()?.to_ascii_lowercase());
        }
        Ok(name)
    }

    fn set_value(&mut self) -> Result<SetValue, Refusal> {
        let value = if let Some((ordinal, _)) = self.literal() {
            SetValue::Literal(ordinal)
        } else if self.eat("default") {
            SetValue::Default
        } else if self.kind() == Some(TokenKind::Word) {
            SetValue::Text(self.any_name()?)
        } else {
            SetValue::Complex
        };
        if self.at_end() {
            return Ok(value);
        }
        while !self.at_end() {
            self.skip();
        }
        Ok(SetValue::Complex)
    }

    fn session(&mut self, first: &str) -> Result<SessionVerb, Refusal> {
        self.skip();
        if first == "deallocate" {
            self.eat("prepare");
        }
        if first == "unlisten" && self.eat_operator("*") {
            return Ok(SessionVerb::Unlisten("*".to_owned()));
        }
        let mut name = self.setting_name()?;
        if matches!(first, "show" | "reset" | "discard") {
            while self.kind() == Some(TokenKind::Word) {
                name = format!("{name} {}", self.any_name()?);
            }
        }
        if name == "session authorization" {
            return Err(Refusal::new(Feature::Setting, "session_authorization"));
        }
        if first == "notify" && self.eat_symbol(b',') && self.literal().is_none() {
            return Err(self.unexpected());
        }
        Ok(match first {
            "reset" => SessionVerb::Reset(name),
            "show" => SessionVerb::Show(name),
            "discard" => SessionVerb::Discard(name),
            "listen" => SessionVerb::Listen(name),
            "unlisten" => SessionVerb::Unlisten(name),
            "notify" => SessionVerb::Notify(name),
            _ => SessionVerb::Deallocate(name),
        })
    }

    /// A definition is not read beyond what decides whether it may run on every shard.
    fn definition(&mut self, first: &str) -> Result<Statement, Refusal> {
        self.skip();
        for modifier in ["or", "replace", "global", "local"] {
            self.eat(modifier);
        }
        let object = self.word().unwrap_or_default().to_owned();
        let verb = format!("{} {}", first.to_ascii_uppercase(), object.to_ascii_uppercase());
        if matches!(first, "create" | "alter" | "drop") {
            if object.starts_with("temp") {
                return Err(Feature::TemporaryTable.into());
            }
            if FOREIGN_OBJECTS.contains(&object.as_str()) {
                return Err(Refusal::new(Feature::Statement, verb));
            }
        }
        let mut depth = 0_u32;
        while !self.at_end() {
            if self.sees_named("pg_temp") {
                return Err(Feature::TemporaryTable.into());
            }
            if self.sees_symbol(b'(') {
                depth += 1;
            } else if self.sees_symbol(b')') {
                depth = depth.saturating_sub(1);
            } else if first == "create" && matches!(object.as_str(), "table" | "unlogged") && depth == 0 {
                if self.sees("as") {
                    return Err(Refusal::new(Feature::Statement, "CREATE TABLE AS"));
                }
            } else if object == "schema" && (self.sees("create") || self.sees("grant")) {
                return Err(Refusal::new(Feature::Statement, "CREATE SCHEMA with its objects"));
            }
            self.skip();
        }
        Ok(Statement::Definition(verb.trim_end().to_owned()))
    }

    fn explain(&mut self) -> Result<Statement, Refusal> {
        self.skip();
        let mut covet = false;
        if self.eat_symbol(b'(') {
            covet = self.sees("covet") && self.sees_symbol_next(b')');
            while !self.eat_symbol(b')') {
                if self.sees("covet") && !covet {
                    return Err(Refusal::new(Feature::Syntax, "COVET is the only option of its EXPLAIN"));
                }
                if self.at_end() {
                    return Err(self.unexpected());
                }
                self.skip();
            }
        } else {
            for option in ["analyze", "analyse", "verbose"] {
                self.eat(option);
            }
        }
        if self.sees("explain") {
            return Err(self.unexpected());
        }
        let inner = Box::new(self.statement()?);
        Ok(Statement::Explain { covet, inner })
    }

    /// `COPY table [(columns)] FROM STDIN | TO STDOUT [options]`
    fn copy(&mut self) -> Result<Copy, Refusal> {
        self.skip();
        if self.sees_symbol(b'(') || self.sees("binary") {
            return Err(Refusal::new(Feature::CopyShape, "COPY of a query, or BINARY"));
        }
        let table = self.table_name()?;
        let columns = if self.sees_symbol(b'(') { Some(self.column_list()?) } else { None };
        let from = self.eat("from");
        if !from {
            self.expect("to")?;
        }
        if !self.eat(if from { "stdin" } else { "stdout" }) {
            return Err(Refusal::new(Feature::Statement, "COPY with a file or program of the server"));
        }
        self.eat("with");
        let mut format = CopyFormat::default();
        if self.eat_symbol(b'(') {
            loop {
                self.copy_option(&mut format)?;
                if !self.eat_symbol(b',') {
                    break;
                }
            }
            self.expect_symbol(b')')?;
        } else {
            while !self.at_end() {
                self.copy_option(&mut format)?;
            }
        }
        Ok(Copy { table, columns, from, format })
    }

    /// One option, old or new spelling; those that change how a row is read and are not known are refused.
    fn copy_option(&mut self, format: &mut CopyFormat) -> Result<(), Refusal> {
        let option = self.any_name()?;
        self.eat("as");
        match option.as_str() {
            "format" if self.eat("csv") => format.csv = true,
            "format" if self.eat("text") => format.csv = false,
            "csv" => format.csv = true,
            "header" => {
                format.header = !(self.eat("false") || self.eat("off"));
                if !self.eat("true") {
                    self.eat("on");
                }
            }
            "delimiter" | "delimiters" => format.delimiter = Some(self.copy_text()?),
            "null" => format.null = Some(self.copy_text()?),
            _ => return Err(Refusal::new(Feature::CopyShape, option)),
        }
        Ok(())
    }

    fn copy_text(&mut self) -> Result<usize, Refusal> {
        match self.literal() {
            Some((ordinal, LiteralKind::Text | LiteralKind::Escaped)) => Ok(ordinal),
            _ => Err(self.unexpected()),
        }
    }
}
