//! From a parsed statement and the catalog to its template.

use super::ast::{Assigned, Change, Clause, Expr, Insert, Join, Select, Source, Statement, TableName};
use super::catalog::{Catalog, Place, Resolved, Table};
use super::parse::{self, Parsed};
use super::refusal::{Feature, Refusal};
use super::scan::{self, Scratch};
use super::scope::{Scope, value_place};
use super::settings;
use super::template::{Keyed, Kind, Plan, RowPlace, Rows, Template};
use super::value::Values;
use super::words::{self, Nature};

/// What a statement means depends on these as well as on its text.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The tables.
    pub catalog: &'a Catalog,
    /// The schemas in which names are looked up.
    pub search_path: &'a [String],
    /// `standard_conforming_strings` is on.
    pub conforming: bool,
}

/// The template of a statement: `text` is the whole message, `statement` the part that `scratch` describes.
#[must_use]
pub fn analyse(text: &str, statement: &str, scratch: &Scratch, context: &Context<'_>) -> Template {
    let mut template = Template {
        fingerprint: scan::fingerprint(&scratch.skeleton),
        kind: kind_of_word(&scratch.skeleton),
        tables: Vec::new(),
        group: None,
        plan: Ok(Plan::Any),
        locks: false,
    };
    template.plan = parse::parse(statement, context.conforming).and_then(|parsed| {
        let values = Values { text, literals: &scratch.literals, ..Values::default() };
        Analysis { context, parsed: &parsed, values }.plan(&parsed.statement, &mut template)
    });
    template
}

/// The kind by the first word, for statements that are not understood: they may write.
fn kind_of_word(skeleton: &[u8]) -> Kind {
    match skeleton.split(|byte| *byte == b' ').next().unwrap_or_default() {
        b"select" | b"insert" | b"update" | b"delete" | b"with" | b"merge" | b"values" | b"table" | b"(" => Kind::Write,
        _ => Kind::Unknown,
    }
}

pub(super) struct Analysis<'a> {
    context: &'a Context<'a>,
    parsed: &'a Parsed,
    pub values: Values<'a>,
}

impl<'a> Analysis<'a> {
    pub fn plan(&self, statement: &Statement, template: &mut Template) -> Result<Plan, Refusal> {
        match statement {
            Statement::Select(select) => {
                template.locks = select.clauses.contains(&Clause::Lock);
                self.check_calls()?;
                let plan = self.select(select, template)?;
                template.kind = Kind::Read;
                Ok(plan)
            }
            Statement::Insert(insert) => {
                self.check_calls()?;
                self.insert(insert, template)
            }
            Statement::Update(change) | Statement::Delete(change) => {
                self.check_calls()?;
                self.change(change, template)
            }
            Statement::Copy(copy) => {
                template.kind = Kind::Copy;
                self.copy(copy, template)
            }
            Statement::Explain { covet, inner } => self.explain(*covet, inner, template),
            Statement::Transaction(verb) => {
                template.kind = Kind::Transaction;
                Ok(Plan::Transaction(verb.clone()))
            }
            Statement::Session(verb) => {
                template.kind = Kind::Session;
                settings::check(verb, &self.values).map(Plan::Session)
            }
            Statement::Definition(_) => {
                template.kind = Kind::Definition;
                Ok(Plan::All)
            }
        }
    }

    /// Refuses a call of a function that may read or write tables.
    fn check_calls(&self) -> Result<(), Refusal> {
        let unknown = |name: &str| words::nature(name).is_none() || self.context.catalog.has_function(name);
        match self.parsed.calls.iter().find(|call| unknown(&call.name)) {
            Some(call) => Err(Refusal::new(Feature::Function, call.name.clone())),
            None => Ok(()),
        }
    }

    /// Refuses, for a write that every shard does on its own, a function that may give each another value.
    fn check_same_everywhere(&self) -> Result<(), Refusal> {
        let differs = |name: &str| words::nature(name) != Some(Nature::Immutable);
        match self.parsed.calls.iter().find(|call| differs(&call.name)) {
            Some(call) => Err(Refusal::new(Feature::ReferenceVolatile, call.name.clone())),
            None => Ok(()),
        }
    }

    pub fn resolve(&self, name: &TableName, template: &mut Template) -> Result<Resolved<'a>, Refusal> {
        let found = self.context.catalog.resolve(name, self.context.search_path)?;
        template.tables.push(match found {
            Resolved::Table(table) => table.full_name(),
            Resolved::System => name.to_string(),
        });
        Ok(found)
    }

    /// A table that is written.
    fn target(&self, name: &TableName, template: &mut Template) -> Result<(&'a Table, &'a Place), Refusal> {
        match self.resolve(name, template)? {
            Resolved::System => Err(Refusal::new(Feature::SystemWrite, name.to_string())),
            Resolved::Table(table) => match &table.place {
                Ok(place) => Ok((table, place)),
                Err(refusal) => Err(refusal.clone()),
            },
        }
    }

    fn select(&self, select: &Select, template: &mut Template) -> Result<Plan, Refusal> {
        let mut tables = Vec::new();
        for source in &select.from {
            if let Resolved::Table(table) = self.resolve(&source.table, template)? {
                table.place.as_ref().map_err(Clone::clone)?;
                tables.push(table);
            }
        }
        if tables.is_empty() {
            return Ok(Plan::Any);
        }
        if tables.len() < select.from.len() {
            return Err(Feature::MixedTables.into());
        }
        // A lock on one shard's copy of a row keeps nobody from the others'.
        if let Some(table) = tables.iter().find(|table| template.locks && table.key().is_none()) {
            return Err(Refusal::new(Feature::SpreadLock, table.full_name()));
        }
        let mut scope = Scope::new(&select.from, tables, &self.parsed.params)?;
        if let Some(filter) = &select.filter {
            scope.strong(filter)?;
        }
        if !scope.is_sharded() {
            return Ok(Plan::Any);
        }
        template.group = scope.group()?;
        let spread = scope.divisible().and_then(|()| self.mergeable(select));
        if let Some(keys) = scope.keys() {
            return Ok(Plan::Keyed(Keyed { keys, spread }));
        }
        let reason = scope.reason();
        let because = format!("{}: {reason}", scope.key_name());
        spread
            .map(|()| Plan::Scatter { reason })
            .map_err(|refusal| if refusal.about.is_empty() { Refusal::new(refusal.feature, because) } else { refusal })
    }

    /// Whether the answers of several shards, one after the other, are the answer.
    fn mergeable(&self, select: &Select) -> Result<(), Refusal> {
        if let Some(clause) = select.clauses.first() {
            return Err(match clause {
                Clause::Distinct => Feature::SpreadDistinct,
                Clause::Group => Feature::SpreadGroup,
                Clause::Order => Feature::SpreadOrder,
                Clause::Limit => Feature::SpreadLimit,
                Clause::Lock => Feature::SpreadLock,
            }
            .into());
        }
        for call in &self.parsed.calls {
            match words::nature(&call.name) {
                _ if call.window => return Err(Feature::SpreadWindow.into()),
                Some(Nature::Window) => return Err(Feature::SpreadWindow.into()),
                Some(Nature::Aggregate) => return Err(Feature::SpreadAggregate.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn insert(&self, insert: &Insert, template: &mut Template) -> Result<Plan, Refusal> {
        template.kind = Kind::Write;
        let (table, place) = self.target(&insert.table, template)?;
        let Place::Sharded(column) = place else { return self.insert_reference(insert, table) };
        template.group = Some(column.group.clone());
        refuse_key(&insert.assigned, &column.name)?;
        let missing = || Refusal::new(Feature::InsertWithoutKey, column.name.clone());
        let position = match &insert.columns {
            Some(columns) => columns.iter().position(|name| *name == column.name),
            None => table.column(&column.name),
        }
        .ok_or_else(missing)?;
        let mut rows = Vec::with_capacity(insert.rows.len());
        for row in &insert.rows {
            let key = match row.values.get(position) {
                None | Some(Expr::Default) => return Err(missing()),
                Some(Expr::Null) => return Err(Refusal::new(Feature::KeyNull, column.name.clone())),
                Some(value) => value_place(value, &self.parsed.params)
                    .ok_or_else(|| Refusal::new(Feature::KeyExpression, column.name.clone()))?,
            };
            rows.push(RowPlace { key, open: row.open, close: row.close });
        }
        let split = if insert.returning {
            Err(Refusal::new(Feature::SpreadInsert, "it has RETURNING"))
        } else if self.parsed.params.is_empty() {
            Ok(())
        } else {
            Err(Refusal::new(Feature::SpreadInsert, "it has parameters"))
        };
        Ok(Plan::Rows(Rows { column: column.clone(), rows, split }))
    }

    /// Every shard gets the statement, so every value must be the same everywhere.
    fn insert_reference(&self, insert: &Insert, table: &Table) -> Result<Plan, Refusal> {
        self.check_same_everywhere()?;
        for (at, column) in table.row.columns.iter().enumerate().filter(|(_, column)| column.volatile_default) {
            let position = match &insert.columns {
                Some(columns) => columns.iter().position(|name| *name == column.name),
                None => Some(at),
            };
            let given = |value: Option<&Expr>| value.is_some_and(|value| *value != Expr::Default);
            if !insert.rows.iter().all(|row| given(position.and_then(|position| row.values.get(position)))) {
                return Err(Refusal::new(Feature::ReferenceDefault, column.name.clone()));
            }
        }
        check_defaults(&insert.assigned, table)?;
        Ok(Plan::All)
    }

    fn change(&self, change: &Change, template: &mut Template) -> Result<Plan, Refusal> {
        template.kind = Kind::Write;
        let (table, place) = self.target(&change.table, template)?;
        let Place::Sharded(column) = place else {
            self.check_same_everywhere()?;
            check_defaults(&change.assigned, table)?;
            return Ok(Plan::All);
        };
        template.group = Some(column.group.clone());
        refuse_key(&change.assigned, &column.name)?;
        let source = Source { table: change.table.clone(), alias: change.alias.clone(), join: Join::Comma };
        let mut scope = Scope::new(&[source], vec![table], &self.parsed.params)?;
        if let Some(filter) = &change.filter {
            scope.strong(filter)?;
        }
        match scope.keys() {
            Some(keys) => Ok(Plan::Keyed(Keyed { keys, spread: Err(Feature::SpreadWrite.into()) })),
            None => Err(Refusal::new(Feature::WriteWithoutKey, format!("{}: {}", column.name, scope.reason()))),
        }
    }
}

fn refuse_key(assigned: &[Assigned], key: &str) -> Result<(), Refusal> {
    match assigned.iter().find(|assigned| assigned.column == key) {
        Some(_) => Err(Refusal::new(Feature::KeyUpdate, key)),
        None => Ok(()),
    }
}

fn check_defaults(assigned: &[Assigned], table: &Table) -> Result<(), Refusal> {
    let volatile = |name: &str| table.row.columns.iter().any(|column| column.name == name && column.volatile_default);
    match assigned.iter().find(|assigned| assigned.default && volatile(&assigned.column)) {
        Some(assigned) => Err(Refusal::new(Feature::ReferenceDefault, assigned.column.clone())),
        None => Ok(()),
    }
}
