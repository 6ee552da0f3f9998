//! The parser: a cursor over tokens, and the choice by the first word.
//!
//! It knows the shapes that the router routes and refuses the rest by name. It may accept text that the
//! server refuses, for then the server says so; it must never see another structure than the server does.

use super::ast::{Expr, Statement, TableName};
use super::lexemes::{Lexeme, lexemes};
use super::lexer::{LiteralKind, TokenKind};
use super::refusal::{Feature, Refusal};
use super::words;

/// How deep expressions may be nested: every level costs stack.
const DEPTH: u32 = 32;

/// A call that the statement makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Name of the function, folded.
    pub name: String,
    /// OVER follows.
    pub window: bool,
}

/// A parsed statement with what it calls and names.
#[derive(Debug)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Functions that it calls.
    pub calls: Vec<Call>,
    /// Numbers of its parameters, as often as they occur.
    pub params: Vec<u16>,
}

/// The cursor.
pub(super) struct Parser {
    tokens: Vec<Lexeme>,
    at: usize,
    depth: u32,
    pub calls: Vec<Call>,
    pub params: Vec<u16>,
}

/// Parses one statement, as [`super::scan::Scanner`] divides them off a text.
///
/// # Errors
/// The name of what is not understood, and those of the lexer.
pub fn parse(text: &str, conforming: bool) -> Result<Parsed, Refusal> {
    let mut parser = Parser { tokens: lexemes(text, conforming)?, at: 0, depth: 0, calls: vec![], params: vec![] };
    let statement = parser.statement()?;
    parser.expect_end()?;
    Ok(Parsed { statement, calls: parser.calls, params: parser.params })
}

impl Parser {
    pub fn statement(&mut self) -> Result<Statement, Refusal> {
        let first = match self.tokens.get(self.at) {
            Some(Lexeme { kind: TokenKind::Word, name, .. }) => name.clone(),
            Some(Lexeme { kind: TokenKind::Symbol(b'('), .. }) => return Err(Feature::SetOperation.into()),
            _ => return Err(self.unexpected()),
        };
        match first.as_str() {
            "select" => self.select().map(Statement::Select),
            "insert" => self.insert().map(Statement::Insert),
            "update" => self.update().map(Statement::Update),
            "delete" => self.delete().map(Statement::Delete),
            "with" => Err(Feature::CommonTable.into()),
            _ => self.other(&first),
        }
    }

    // Looking

    pub fn position(&self) -> usize {
        self.at
    }

    fn word_at(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead) {
            Some(Lexeme { kind: TokenKind::Word, name, .. }) => Some(name),
            _ => None,
        }
    }

    /// The word at the cursor; a quoted name is none.
    pub fn word(&self) -> Option<&str> {
        self.word_at(0)
    }

    pub fn sees(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub fn sees_next(&self, word: &str) -> bool {
        self.word_at(1) == Some(word)
    }

    pub fn sees_symbol(&self, symbol: u8) -> bool {
        self.kind() == Some(TokenKind::Symbol(symbol))
    }

    pub fn sees_symbol_next(&self, symbol: u8) -> bool {
        self.tokens.get(self.at + 1).map(|token| token.kind) == Some(TokenKind::Symbol(symbol))
    }

    pub fn sees_operator(&self, operator: &str) -> bool {
        self.operator() == Some(operator)
    }

    pub fn operator(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some(Lexeme { kind: TokenKind::Operator, name, .. }) => Some(name),
            _ => None,
        }
    }

    pub fn kind(&self) -> Option<TokenKind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    pub fn literal_next(&self) -> bool {
        matches!(self.tokens.get(self.at + 1).map(|token| token.kind), Some(TokenKind::Literal(_)))
    }

    pub fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    // Moving

    pub fn skip(&mut self) {
        self.at += 1;
    }

    pub fn eat(&mut self, word: &str) -> bool {
        let seen = self.sees(word);
        self.at += usize::from(seen);
        seen
    }

    pub fn eat_symbol(&mut self, symbol: u8) -> bool {
        let seen = self.sees_symbol(symbol);
        self.at += usize::from(seen);
        seen
    }

    pub fn eat_operator(&mut self, operator: &str) -> bool {
        let seen = self.sees_operator(operator);
        self.at += usize::from(seen);
        seen
    }

    pub fn expect(&mut self, word: &str) -> Result<(), Refusal> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_symbol(&mut self, symbol: u8) -> Result<(), Refusal> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_end(&self) -> Result<(), Refusal> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The literal at the cursor, if one is there.
    pub fn literal(&mut self) -> Option<(usize, LiteralKind)> {
        match self.tokens.get(self.at) {
            Some(Lexeme { kind: TokenKind::Literal(kind), ordinal, .. }) => {
                self.at += 1;
                Some((*ordinal, *kind))
            }
            _ => None,
        }
    }

    /// A name: quoted, or a word that is not reserved.
    pub fn name(&mut self) -> Result<String, Refusal> {
        if let Some(Lexeme { kind, name, .. }) = self.tokens.get(self.at) {
            let fits = match kind {
                TokenKind::Quoted => true,
                TokenKind::Word => !words::is_reserved(name),
                _ => false,
            };
            if fits {
                let name = name.clone();
                self.at += 1;
                return Ok(name);
            }
        }
        Err(self.unexpected())
    }

    /// Any word or quoted name, reserved or not.
    pub fn any_name(&mut self) -> Result<String, Refusal> {
        match self.tokens.get(self.at) {
            Some(Lexeme { kind: TokenKind::Word | TokenKind::Quoted, name, .. }) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Whether this name stands at the cursor, quoted or not.
    pub fn sees_named(&self, wanted: &str) -> bool {
        self.tokens
            .get(self.at)
            .is_some_and(|token| matches!(token.kind, TokenKind::Word | TokenKind::Quoted) && token.name == wanted)
    }

    /// Whether a name stands at the cursor.
    pub fn sees_name(&self) -> bool {
        match self.tokens.get(self.at) {
            Some(Lexeme { kind: TokenKind::Quoted, .. }) => true,
            Some(Lexeme { kind: TokenKind::Word, name, .. }) => !words::is_reserved(name),
            _ => false,
        }
    }

    /// `table` or `schema.table`.
    pub fn table_name(&mut self) -> Result<TableName, Refusal> {
        if self.sees("only") {
            return Err(Feature::Only.into());
        }
        let first = self.name()?;
        if !self.eat_symbol(b'.') {
            return Ok(TableName { schema: None, name: first });
        }
        let name = self.any_name()?;
        if self.sees_symbol(b'.') {
            return Err(Refusal::new(Feature::Syntax, "a name with a database"));
        }
        Ok(TableName { schema: Some(first), name })
    }

    /// `(a, b, c)`, plain names only.
    pub fn column_list(&mut self) -> Result<Vec<String>, Refusal> {
        self.expect_symbol(b'(')?;
        let mut columns = vec![self.name()?];
        while self.eat_symbol(b',') {
            columns.push(self.name()?);
        }
        self.expect_symbol(b')')?;
        Ok(columns)
    }

    /// Expressions divided by commas.
    pub fn expressions(&mut self) -> Result<Vec<Expr>, Refusal> {
        let mut list = vec![self.expr(0)?];
        while self.eat_symbol(b',') {
            list.push(self.expr(0)?);
        }
        Ok(list)
    }

    /// Runs `inside` one level deeper.
    pub fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        if self.depth >= DEPTH {
            return Err(Feature::TooDeep.into());
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// The refusal of the token at the cursor; what cannot go on here.
    pub fn unexpected(&self) -> Refusal {
        let Some(token) = self.tokens.get(self.at) else {
            return Refusal::new(Feature::Syntax, "it ends too early");
        };
        let near = match token.kind {
            TokenKind::Literal(_) => "a constant".to_owned(),
            TokenKind::Param(number) => format!("${number}"),
            TokenKind::Cast => "::".to_owned(),
            TokenKind::Symbol(symbol) => char::from(symbol).to_string(),
            _ => token.name.clone(),
        };
        match near.as_str() {
            "union" | "intersect" | "except" => Feature::SetOperation.into(),
            "with" => Feature::CommonTable.into(),
            _ => Refusal::new(Feature::Syntax, format!("near {near}")),
        }
    }
}
