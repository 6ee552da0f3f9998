//! INSERT, UPDATE, DELETE.

use super::ast::{Assigned, Change, Expr, Insert, Row};
use super::parse::Parser;
use super::refusal::{Feature, Refusal};

impl Parser {
    /// `INSERT INTO table [AS alias] [(columns)] VALUES (...), ... [ON CONFLICT ...] [RETURNING ...]`
    pub fn insert(&mut self) -> Result<Insert, Refusal> {
        self.expect("insert")?;
        self.expect("into")?;
        let table = self.table_name()?;
        if self.eat("as") {
            self.name()?;
        }
        if self.sees("default") {
            return Err(Feature::DefaultValues.into());
        }
        let mut columns = None;
        if self.sees_symbol(b'(') {
            if self.sees_next("select") || self.sees_next("with") || self.sees_symbol_next(b'(') {
                return Err(Feature::InsertSelect.into());
            }
            columns = Some(self.column_list()?);
        }
        if self.eat("overriding") {
            if self.sees("user") {
                return Err(Feature::OverridingUser.into());
            }
            self.expect("system")?;
            self.expect("value")?;
        }
        if self.sees("select") || self.sees("table") || self.sees_symbol(b'(') {
            return Err(Feature::InsertSelect.into());
        }
        self.expect("values")?;
        let rows = self.rows()?;
        let mut insert = Insert { table, columns, rows, assigned: Vec::new(), returning: false };
        if self.sees("on") {
            insert.assigned = self.on_conflict()?;
        }
        insert.returning = self.returning()?;
        Ok(insert)
    }

    fn rows(&mut self) -> Result<Vec<Row>, Refusal> {
        let mut rows = Vec::new();
        loop {
            let open = self.position();
            self.expect_symbol(b'(')?;
            let values = self.expressions()?;
            let close = self.position();
            self.expect_symbol(b')')?;
            rows.push(Row { values, open, close });
            if !self.eat_symbol(b',') {
                break;
            }
        }
        // VALUES may go on as a query.
        match self.word() {
            Some("order" | "limit" | "offset" | "fetch" | "for") => Err(Feature::InsertSelect.into()),
            _ => Ok(rows),
        }
    }

    /// Gives the columns that DO UPDATE assigns.
    fn on_conflict(&mut self) -> Result<Vec<Assigned>, Refusal> {
        self.expect("on")?;
        self.expect("conflict")?;
        if self.eat("on") {
            self.expect("constraint")?;
            self.name()?;
        } else if self.eat_symbol(b'(') {
            self.expressions()?;
            self.expect_symbol(b')')?;
            if self.eat("where") {
                self.expr(0)?;
            }
        }
        self.expect("do")?;
        if self.eat("nothing") {
            return Ok(Vec::new());
        }
        self.expect("update")?;
        self.expect("set")?;
        let assigned = self.assignments()?;
        if self.eat("where") {
            self.expr(0)?;
        }
        Ok(assigned)
    }

    fn assignments(&mut self) -> Result<Vec<Assigned>, Refusal> {
        let mut assigned = Vec::new();
        loop {
            if self.sees_symbol(b'(') {
                return Err(Feature::RowAssignment.into());
            }
            let column = self.name()?;
            while self.eat_symbol(b'[') {
                self.expr(0)?;
                self.expect_symbol(b']')?;
            }
            if !self.eat_operator("=") {
                return Err(self.unexpected());
            }
            let default = self.expr(0)? == Expr::Default;
            assigned.push(Assigned { column, default });
            if !self.eat_symbol(b',') {
                return Ok(assigned);
            }
        }
    }

    fn returning(&mut self) -> Result<bool, Refusal> {
        if !self.eat("returning") {
            return Ok(false);
        }
        // OLD and NEW of PostgreSQL 18 may be renamed first.
        if self.sees("with") {
            return Err(self.unexpected());
        }
        self.targets()?;
        Ok(true)
    }

    /// `UPDATE table [AS alias] SET ... [WHERE ...] [RETURNING ...]`
    pub fn update(&mut self) -> Result<Change, Refusal> {
        self.expect("update")?;
        let table = self.table_name()?;
        let alias = self.alias()?;
        self.expect("set")?;
        let assigned = self.assignments()?;
        if self.sees("from") {
            return Err(Feature::UpdateFrom.into());
        }
        self.change(Change { table, alias, assigned, filter: None })
    }

    /// `DELETE FROM table [AS alias] [WHERE ...] [RETURNING ...]`
    pub fn delete(&mut self) -> Result<Change, Refusal> {
        self.expect("delete")?;
        self.expect("from")?;
        let table = self.table_name()?;
        let alias = self.alias()?;
        if self.sees("using") {
            return Err(Feature::DeleteUsing.into());
        }
        self.change(Change { table, alias, assigned: Vec::new(), filter: None })
    }

    fn change(&mut self, mut change: Change) -> Result<Change, Refusal> {
        if self.eat("where") {
            change.filter = Some(self.expr(0)?);
        }
        self.returning()?;
        Ok(change)
    }
}
