//! The parts of expressions: columns, CASE, casts, calls, arrays, names of types.

use super::ast::{ColumnName, Expr, TypeName};
use super::lexer::TokenKind;
use super::parse::{Call, Parser};
use super::refusal::{Feature, Refusal};

/// The types whose names are more than one word, with what may follow the first.
const LONG_TYPES: &[(&str, &[&str])] = &[
    ("double", &["precision"]),
    ("character", &["varying"]),
    ("char", &["varying"]),
    ("bit", &["varying"]),
    ("national", &["character", "char", "varying"]),
];

impl Parser {
    pub fn column(&mut self) -> Result<Expr, Refusal> {
        let first = self.name()?;
        if self.sees_symbol(b'(') {
            return Err(Refusal::new(Feature::Function, first));
        }
        if !self.eat_symbol(b'.') {
            return Ok(Expr::Column(ColumnName { table: None, name: first }));
        }
        if self.eat_operator("*") {
            return Ok(Expr::Other(vec![]));
        }
        let column = self.any_name()?;
        if self.sees_symbol(b'(') {
            return Err(Refusal::new(Feature::SchemaFunction, format!("{first}.{column}")));
        }
        if self.sees_symbol(b'.') {
            return Err(Refusal::new(Feature::Syntax, "a column with a schema or a field before or after it"));
        }
        Ok(Expr::Column(ColumnName { table: Some(first), name: column }))
    }

    pub fn case(&mut self) -> Result<Expr, Refusal> {
        self.skip();
        let mut parts = Vec::new();
        if !self.sees("when") {
            parts.push(self.expr(0)?);
        }
        while self.eat("when") {
            parts.push(self.expr(0)?);
            self.expect("then")?;
            parts.push(self.expr(0)?);
        }
        if self.eat("else") {
            parts.push(self.expr(0)?);
        }
        self.expect("end")?;
        Ok(Expr::Other(parts))
    }

    pub fn cast(&mut self) -> Result<Expr, Refusal> {
        self.skip();
        self.expect_symbol(b'(')?;
        let inner = self.expr(0)?;
        self.expect("as")?;
        let ty = self.type_name()?;
        self.expect_symbol(b')')?;
        Ok(Expr::Cast(Box::new(inner), ty))
    }

    pub fn extract(&mut self) -> Result<Expr, Refusal> {
        self.skip();
        self.calls.push(Call { name: "extract".to_owned(), window: false });
        self.expect_symbol(b'(')?;
        if self.literal().is_none() {
            self.any_name()?;
        }
        self.expect("from")?;
        let inner = self.expr(0)?;
        self.expect_symbol(b')')?;
        Ok(Expr::Other(vec![inner]))
    }

    /// `[a, [b, c]]` after ARRAY.
    pub fn array(&mut self) -> Result<Expr, Refusal> {
        self.expect_symbol(b'[')?;
        let mut parts = Vec::new();
        while !self.eat_symbol(b']') {
            if !parts.is_empty() {
                self.expect_symbol(b',')?;
            }
            let inner = |parser: &mut Self| if parser.sees_symbol(b'[') { parser.array() } else { parser.expr(0) };
            parts.push(self.deeper(inner)?);
        }
        Ok(Expr::Other(parts))
    }

    /// The name of a type after `::` or in CAST.
    pub fn type_name(&mut self) -> Result<TypeName, Refusal> {
        let mut plain = self.kind() == Some(TokenKind::Word);
        let mut name = self.any_name()?;
        if self.eat_symbol(b'.') {
            self.any_name()?;
            plain = false;
        }
        if let Some((_, following)) = LONG_TYPES.iter().find(|(first, _)| plain && *first == name) {
            while let Some(word) = self.word().filter(|word| following.contains(word)) {
                name = format!("{name} {word}");
                self.skip();
            }
        }
        if self.eat_symbol(b'(') {
            self.expressions()?;
            self.expect_symbol(b')')?;
            plain = false;
        }
        if matches!(name.as_str(), "time" | "timestamp") && (self.sees("with") || self.sees("without")) {
            self.skip();
            self.expect("time")?;
            self.expect("zone")?;
            plain = false;
        }
        while self.sees_symbol(b'[') {
            self.skip();
            self.literal();
            self.expect_symbol(b']')?;
            plain = false;
        }
        if self.sees("array") || self.sees_operator("%") && self.sees_next("type") {
            return Err(self.unexpected());
        }
        Ok(TypeName { name, plain })
    }

    /// `name(arguments) [FILTER (...)] [OVER (...)]`
    pub fn call(&mut self) -> Result<Expr, Refusal> {
        let name = self.any_name()?;
        self.expect_symbol(b'(')?;
        let mut parts = Vec::new();
        if !self.sees_symbol(b')') {
            if !self.eat("distinct") {
                self.eat("all");
            }
            if self.sees("variadic") {
                return Err(Feature::NamedArgument.into());
            }
            self.refuse_query()?;
            parts = self.expressions()?;
            if self.sees_operator("=>") {
                return Err(Feature::NamedArgument.into());
            }
            self.order_by(&mut parts)?;
        }
        self.expect_symbol(b')')?;
        if self.sees("filter") && self.sees_symbol_next(b'(') {
            self.skip();
            self.skip();
            self.expect("where")?;
            parts.push(self.expr(0)?);
            self.expect_symbol(b')')?;
        }
        let window = self.eat("over");
        if window {
            self.window(&mut parts)?;
        }
        self.calls.push(Call { name, window });
        Ok(Expr::Other(parts))
    }

    fn window(&mut self, parts: &mut Vec<Expr>) -> Result<(), Refusal> {
        if !self.eat_symbol(b'(') {
            return Err(Feature::Frame.into());
        }
        if self.eat("partition") {
            self.expect("by")?;
            parts.extend(self.expressions()?);
        }
        self.order_by(parts)?;
        if self.eat_symbol(b')') { Ok(()) } else { Err(Feature::Frame.into()) }
    }

    /// `[ORDER BY ...]`; whether it was there.
    pub fn order_by(&mut self, parts: &mut Vec<Expr>) -> Result<bool, Refusal> {
        if !self.eat("order") {
            return Ok(false);
        }
        self.expect("by")?;
        loop {
            parts.push(self.expr(0)?);
            if !self.eat("asc") {
                self.eat("desc");
            }
            if self.eat("nulls") && !self.eat("first") {
                self.expect("last")?;
            }
            if !self.eat_symbol(b',') {
                return Ok(true);
            }
        }
    }
}
