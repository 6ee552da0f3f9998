//! SELECT.

use super::ast::{Clause, Join, Select, Source};
use super::parse::Parser;
use super::refusal::{Feature, Refusal};

impl Parser {
    /// A SELECT of one query, without WITH and without UNION.
    pub fn select(&mut self) -> Result<Select, Refusal> {
        self.expect("select")?;
        let mut select = Select::default();
        if self.eat("distinct") {
            select.clauses.push(Clause::Distinct);
            if self.eat("on") {
                self.expect_symbol(b'(')?;
                self.expressions()?;
                self.expect_symbol(b')')?;
            }
        } else {
            self.eat("all");
        }
        self.targets()?;
        if self.sees("into") {
            return Err(Feature::SelectInto.into());
        }
        if self.eat("from") {
            select.from = self.from()?;
        }
        if self.eat("where") {
            select.filter = Some(self.expr(0)?);
        }
        self.groups(&mut select)?;
        self.tail(&mut select)?;
        Ok(select)
    }

    /// The output list, also that of RETURNING.
    pub fn targets(&mut self) -> Result<(), Refusal> {
        if self.at_end() || self.sees("from") {
            return Ok(());
        }
        loop {
            self.expr(0)?;
            if self.eat("as") {
                self.any_name()?;
            } else if self.sees_name() {
                self.skip();
            }
            if !self.eat_symbol(b',') {
                return Ok(());
            }
        }
    }

    fn groups(&mut self, select: &mut Select) -> Result<(), Refusal> {
        if self.eat("group") {
            self.expect("by")?;
            if !self.eat("distinct") {
                self.eat("all");
            }
            self.expressions()?;
            select.clauses.push(Clause::Group);
        }
        if self.eat("having") {
            self.expr(0)?;
            select.clauses.push(Clause::Group);
        }
        if self.sees("window") {
            return Err(Feature::Frame.into());
        }
        Ok(())
    }

    fn tail(&mut self, select: &mut Select) -> Result<(), Refusal> {
        if self.order_by(&mut Vec::new())? {
            select.clauses.push(Clause::Order);
        }
        loop {
            if self.eat("limit") {
                if !self.eat("all") {
                    self.expr(0)?;
                }
                select.clauses.push(Clause::Limit);
            } else if self.eat("offset") {
                self.expr(0)?;
                if !self.eat("rows") {
                    self.eat("row");
                }
                select.clauses.push(Clause::Limit);
            } else if self.sees("fetch") {
                self.fetch()?;
                select.clauses.push(Clause::Limit);
            } else if self.sees("for") {
                self.locking()?;
                select.clauses.push(Clause::Lock);
            } else {
                return Ok(());
            }
        }
    }

    /// `FETCH FIRST [n] ROWS ONLY | WITH TIES`
    fn fetch(&mut self) -> Result<(), Refusal> {
        self.skip();
        if !self.eat("first") {
            self.expect("next")?;
        }
        if !self.sees("row") && !self.sees("rows") {
            self.expr(0)?;
        }
        if !self.eat("rows") {
            self.expect("row")?;
        }
        if self.eat("with") { self.expect("ties") } else { self.expect("only") }
    }

    /// `FOR [NO KEY] UPDATE | [KEY] SHARE [OF tables] [NOWAIT | SKIP LOCKED]`
    fn locking(&mut self) -> Result<(), Refusal> {
        self.skip();
        if self.eat("no") {
            self.expect("key")?;
            self.expect("update")?;
        } else if self.eat("key") {
            self.expect("share")?;
        } else if !self.eat("share") {
            self.expect("update")?;
        }
        if self.eat("of") {
            self.table_name()?;
            while self.eat_symbol(b',') {
                self.table_name()?;
            }
        }
        if self.eat("skip") {
            return self.expect("locked");
        }
        self.eat("nowait");
        Ok(())
    }

    fn from(&mut self) -> Result<Vec<Source>, Refusal> {
        let mut sources = Vec::new();
        loop {
            sources.push(self.source(Join::Comma)?);
            while let Some(source) = self.joined()? {
                sources.push(source);
            }
            if !self.eat_symbol(b',') {
                return Ok(sources);
            }
        }
    }

    fn joined(&mut self) -> Result<Option<Source>, Refusal> {
        if self.eat("cross") {
            self.expect("join")?;
            return self.source(Join::Inner(None)).map(Some);
        }
        let outer = match self.word() {
            Some("natural") => return Err(Feature::NaturalJoin.into()),
            Some("right" | "full") => return Err(Feature::OuterJoin.into()),
            Some("left") => {
                self.skip();
                self.eat("outer");
                true
            }
            Some("inner") => {
                self.skip();
                false
            }
            Some("join") => false,
            _ => return Ok(None),
        };
        self.expect("join")?;
        let mut source = self.source(Join::Inner(None))?;
        source.join = if self.eat("using") {
            let columns = self.column_list()?;
            if self.sees("as") {
                return Err(self.unexpected());
            }
            Join::Using(columns, outer)
        } else {
            self.expect("on")?;
            let condition = self.expr(0)?;
            if outer { Join::Left(condition) } else { Join::Inner(Some(condition)) }
        };
        Ok(Some(source))
    }

    /// A plain table with its alias.
    fn source(&mut self, join: Join) -> Result<Source, Refusal> {
        if self.sees_symbol(b'(') {
            self.skip();
            self.refuse_query()?;
            return Err(Refusal::new(Feature::FromItem, "parentheses"));
        }
        if self.sees("lateral") || self.sees("rows") && self.sees_next("from") {
            return Err(Refusal::new(Feature::FromItem, "LATERAL or ROWS FROM"));
        }
        let table = self.table_name()?;
        if self.sees_symbol(b'(') {
            return Err(Refusal::new(Feature::FromItem, "a function"));
        }
        let alias = self.alias()?;
        if self.sees("tablesample") {
            return Err(Refusal::new(Feature::FromItem, "TABLESAMPLE"));
        }
        Ok(Source { table, alias, join })
    }

    /// `[AS] alias`
    pub fn alias(&mut self) -> Result<Option<String>, Refusal> {
        let alias = if self.eat("as") {
            Some(self.name()?)
        } else if self.sees_name() {
            Some(self.any_name()?)
        } else {
            None
        };
        if alias.is_some() && self.sees_symbol(b'(') {
            return Err(Feature::ColumnAliases.into());
        }
        Ok(alias)
    }
}
