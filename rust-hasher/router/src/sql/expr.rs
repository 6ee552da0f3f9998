//! Expressions, by PostgreSQL's precedence (its manual, "Operator Precedence", and the grammar's declarations).

use super::ast::Expr;
use super::lexer::TokenKind;
use super::parse::{Call, Parser};
use super::refusal::{Feature, Refusal};
use super::words;

// From loose to tight. An operator is read while it binds tighter than the floor of its caller.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const IS: u8 = 4;
const COMPARISON: u8 = 5;
const RANGE: u8 = 6;
const OTHER: u8 = 8;
const SUM: u8 = 9;
const PRODUCT: u8 = 10;
const POWER: u8 = 11;
const AT: u8 = 12;
const COLLATE: u8 = 13;
const MINUS: u8 = 14;
const POSTFIX: u8 = 15;

/// How many operators one expression may chain: every one is a level of the tree.
const CHAIN: u32 = 256;

impl Parser {
    /// Reads an expression of operators that bind tighter than `floor`.
    pub fn expr(&mut self, floor: u8) -> Result<Expr, Refusal> {
        self.deeper(|parser| {
            let mut left = parser.prefix()?;
            for _ in 0..CHAIN {
                match parser.infix_power() {
                    Some(power) if power > floor => left = parser.infix(left, power)?,
                    _ => return Ok(left),
                }
            }
            Err(Feature::TooDeep.into())
        })
    }

    fn prefix(&mut self) -> Result<Expr, Refusal> {
        if self.eat("not") {
            return Ok(Expr::Other(vec![self.expr(NOT)?]));
        }
        match self.operator() {
            Some("-") => {
                self.skip();
                Ok(Expr::Negative(Box::new(self.expr(MINUS)?)))
            }
            // A plus changes nothing but the types that it accepts, so it is no part of a key.
            Some("+") => {
                self.skip();
                Ok(Expr::Other(vec![self.expr(MINUS)?]))
            }
            Some("*") => {
                self.skip();
                Ok(Expr::Other(vec![]))
            }
            Some(_) => {
                self.skip();
                Ok(Expr::Other(vec![self.expr(OTHER)?]))
            }
            None => self.primary(),
        }
    }

    fn infix_power(&self) -> Option<u8> {
        if let Some(operator) = self.operator() {
            return Some(match operator {
                "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" => COMPARISON,
                "+" | "-" => SUM,
                "*" | "/" | "%" => PRODUCT,
                "^" => POWER,
                "=>" => return None,
                _ => OTHER,
            });
        }
        match self.kind()? {
            TokenKind::Cast | TokenKind::Symbol(b'[') => return Some(POSTFIX),
            _ => {}
        }
        match self.word()? {
            "or" => Some(OR),
            "and" => Some(AND),
            "is" | "isnull" | "notnull" => Some(IS),
            "between" | "in" | "like" | "ilike" | "similar" | "not" => Some(RANGE),
            "at" if self.sees_next("time") => Some(AT),
            "collate" => Some(COLLATE),
            _ => None,
        }
    }

    fn infix(&mut self, left: Expr, power: u8) -> Result<Expr, Refusal> {
        match power {
            POSTFIX => self.postfix(left),
            OR => {
                self.skip();
                Ok(Expr::Or(Box::new(left), Box::new(self.expr(OR)?)))
            }
            AND => {
                self.skip();
                Ok(Expr::And(Box::new(left), Box::new(self.expr(AND)?)))
            }
            IS => self.is(left),
            RANGE => self.range(left),
            AT => {
                self.skip();
                self.expect("time")?;
                self.expect("zone")?;
                Ok(Expr::Other(vec![left, self.expr(AT)?]))
            }
            COLLATE => {
                self.skip();
                self.any_name()?;
                if self.eat_symbol(b'.') {
                    self.any_name()?;
                }
                Ok(Expr::Other(vec![left]))
            }
            _ => self.binary(left, power),
        }
    }

    fn binary(&mut self, left: Expr, power: u8) -> Result<Expr, Refusal> {
        let equal = self.sees_operator("=");
        self.skip();
        if matches!(self.word(), Some("any" | "some" | "all")) {
            return Err(Feature::AnyArray.into());
        }
        let right = self.expr(power)?;
        Ok(if equal { Expr::Equal(Box::new(left), Box::new(right)) } else { Expr::Other(vec![left, right]) })
    }

    fn postfix(&mut self, left: Expr) -> Result<Expr, Refusal> {
        if self.kind() == Some(TokenKind::Cast) {
            self.skip();
            return Ok(Expr::Cast(Box::new(left), self.type_name()?));
        }
        self.skip();
        let mut parts = vec![left];
        if !self.sees_symbol(b':') {
            parts.push(self.expr(0)?);
        }
        if self.eat_symbol(b':') && !self.sees_symbol(b']') {
            parts.push(self.expr(0)?);
        }
        self.expect_symbol(b']')?;
        Ok(Expr::Other(parts))
    }

    fn is(&mut self, left: Expr) -> Result<Expr, Refusal> {
        if !self.eat("is") {
            self.skip();
            return Ok(Expr::Other(vec![left]));
        }
        self.eat("not");
        match self.word() {
            Some("null" | "true" | "false" | "unknown") => {
                self.skip();
                Ok(Expr::Other(vec![left]))
            }
            Some("distinct") => {
                self.skip();
                self.expect("from")?;
                Ok(Expr::Other(vec![left, self.expr(IS)?]))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `[NOT] BETWEEN, IN, LIKE, ILIKE, SIMILAR TO`
    fn range(&mut self, left: Expr) -> Result<Expr, Refusal> {
        let negated = self.eat("not");
        if self.eat("between") {
            if !self.eat("symmetric") {
                self.eat("asymmetric");
            }
            let low = self.expr(RANGE)?;
            self.expect("and")?;
            return Ok(Expr::Other(vec![left, low, self.expr(RANGE)?]));
        }
        if self.eat("in") {
            self.expect_symbol(b'(')?;
            self.refuse_query()?;
            let mut list = self.expressions()?;
            self.expect_symbol(b')')?;
            if !negated {
                return Ok(Expr::In(Box::new(left), list));
            }
            list.push(left);
            return Ok(Expr::Other(list));
        }
        if self.eat("similar") {
            self.expect("to")?;
        } else if !self.eat("like") && !self.eat("ilike") {
            return Err(self.unexpected());
        }
        if matches!(self.word(), Some("any" | "some" | "all")) {
            return Err(Feature::AnyArray.into());
        }
        let mut parts = vec![left, self.expr(RANGE)?];
        if self.eat("escape") {
            parts.push(self.expr(RANGE)?);
        }
        Ok(Expr::Other(parts))
    }

    /// Refuses a query where an expression is expected.
    pub fn refuse_query(&self) -> Result<(), Refusal> {
        match self.word() {
            Some("select" | "with" | "values" | "table") => Err(Feature::Subquery.into()),
            _ => Ok(()),
        }
    }

    fn primary(&mut self) -> Result<Expr, Refusal> {
        if let Some((ordinal, kind)) = self.literal() {
            return Ok(Expr::Literal { ordinal, kind });
        }
        match self.kind() {
            Some(TokenKind::Param(number)) => {
                self.skip();
                self.params.push(number);
                Ok(Expr::Param(number))
            }
            Some(TokenKind::Symbol(b'(')) => self.parenthesis(),
            Some(TokenKind::Word) => self.reserved_or_name(),
            Some(TokenKind::Quoted) => self.column(),
            _ => Err(self.unexpected()),
        }
    }

    fn parenthesis(&mut self) -> Result<Expr, Refusal> {
        self.skip();
        self.refuse_query()?;
        let mut list = self.expressions()?;
        self.expect_symbol(b')')?;
        if self.sees_symbol(b'.') {
            return Err(self.unexpected());
        }
        match list.pop() {
            Some(only) if list.is_empty() => Ok(only),
            rest => Ok(Expr::Other(list.into_iter().chain(rest).collect())),
        }
    }

    fn reserved_or_name(&mut self) -> Result<Expr, Refusal> {
        let word = self.word().unwrap_or_default().to_owned();
        let called = self.sees_symbol_next(b'(');
        match word.as_str() {
            "null" | "default" | "true" | "false" => {
                self.skip();
                Ok(match word.as_str() {
                    "null" => Expr::Null,
                    "default" => Expr::Default,
                    _ => Expr::Other(vec![]),
                })
            }
            "case" => self.case(),
            "cast" if called => self.cast(),
            "extract" if called => self.extract(),
            "array" if self.sees_symbol_next(b'[') => {
                self.skip();
                self.array()
            }
            "row" if called => {
                self.skip();
                self.parenthesis().map(|inner| Expr::Other(vec![inner]))
            }
            "exists" => Err(Feature::Subquery.into()),
            "array" if called => Err(Feature::Subquery.into()),
            _ if words::is_bare_call(&word) && !called => {
                self.skip();
                self.calls.push(Call { name: word, window: false });
                Ok(Expr::Other(vec![]))
            }
            _ if words::is_literal_type(&word) && self.literal_next() => {
                self.skip();
                self.literal();
                Ok(Expr::Other(vec![]))
            }
            _ if called && words::nature(&word).is_some() => self.call(),
            _ if called && !words::is_reserved(&word) => self.call(),
            _ => self.column(),
        }
    }
}
