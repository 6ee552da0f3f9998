//! Which keys of the tables of FROM are equal to each other, and which to a value.
//!
//! A result row is computed by one server, so all rows that it is made of must lie on one shard. An inner
//! condition or WHERE holds for every result row (also where an outer join has put NULL: a comparison with NULL
//! does not hold). The condition of a LEFT JOIN says nothing of the rows on its left, only of those on its right.

use super::ast::{ColumnName, Expr, Join, Source};
use super::catalog::Table;
use super::refusal::{Feature, Refusal};
use super::template::{ColumnType, KeySet, ValuePlace, ValueSource};

/// A table of FROM.
struct Entry<'c> {
    table: &'c Table,
    label: String,
    /// Entries with one number have equal keys.
    class: usize,
    /// The values that the condition of its LEFT JOIN allows; true for this table alone.
    own: Option<Vec<ValuePlace>>,
    /// The values that hold for every result row.
    all: Option<Vec<ValuePlace>>,
    /// A LEFT JOIN brings it, and no sharded table stands before it in its item of the list.
    outer_of_references: bool,
    /// Columns that USING merges with those before.
    merged: Vec<String>,
}

/// The tables of FROM with what the conditions say of their keys.
pub(super) struct Scope<'c> {
    entries: Vec<Entry<'c>>,
    params: Vec<u16>,
    /// The first thing that speaks of a key and gives it no value.
    doubt: Option<&'static str>,
}

impl<'c> Scope<'c> {
    /// The scope of tables, resolved in the order of `sources`.
    pub fn new(sources: &[Source], tables: Vec<&'c Table>, params: &[u16]) -> Result<Self, Refusal> {
        let mut scope = Self { entries: Vec::new(), params: params.to_vec(), doubt: None };
        let mut sharded_before = false;
        for (source, table) in sources.iter().zip(tables) {
            let label = source.alias.clone().unwrap_or_else(|| source.table.name.clone());
            let class = scope.entries.len();
            if source.join == Join::Comma {
                sharded_before = false;
            }
            let outer = matches!(source.join, Join::Left(_) | Join::Using(_, true));
            let merged = if let Join::Using(columns, _) = &source.join { columns.clone() } else { Vec::new() };
            let lost = outer && !sharded_before && table.key().is_some();
            sharded_before |= table.key().is_some();
            scope.entries.push(Entry { table, label, class, own: None, all: None, outer_of_references: lost, merged });
            match &source.join {
                Join::Comma | Join::Inner(None) => {}
                Join::Inner(Some(condition)) => scope.strong(condition)?,
                Join::Left(condition) => scope.weak(condition, class)?,
                Join::Using(columns, _) => scope.using(columns, class),
            }
        }
        Ok(scope)
    }

    /// Takes in a condition that holds for every result row.
    pub fn strong(&mut self, condition: &Expr) -> Result<(), Refusal> {
        for part in conjuncts(condition) {
            if let Some((left, right)) = self.equated(part) {
                self.merge(left, right);
            } else if let Some((at, values)) = self.given(part)? {
                if let Some(entry) = self.entries.get_mut(at) {
                    entry.all.get_or_insert(values);
                }
            } else {
                self.note_doubt(part);
            }
        }
        Ok(())
    }

    /// Takes in the condition of the LEFT JOIN that brings table `new`.
    fn weak(&mut self, condition: &Expr, new: usize) -> Result<(), Refusal> {
        let mut equated = false;
        for part in conjuncts(condition) {
            match self.equated(part) {
                // A second equality would say something of two tables on the left, which it does not hold for.
                Some((left, right)) if !equated && (left == new) != (right == new) => {
                    self.merge(left, right);
                    equated = true;
                }
                Some(_) => {}
                None => {
                    if let Some((at, values)) = self.given(part)? {
                        if let Some(entry) = self.entries.get_mut(at).filter(|_| at == new) {
                            entry.own.get_or_insert(values);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn using(&mut self, columns: &[String], new: usize) {
        let key = |entry: &Entry<'_>| entry.table.key().map(|key| key.name.clone());
        let Some(own) = self.entries.get(new).and_then(key).filter(|key| columns.contains(key)) else { return };
        let before = self.entries.get(..new).unwrap_or_default();
        // With two tables on the left that have the column, the server finds it ambiguous.
        let Some(left) = before.iter().position(|entry| entry.table.column(&own).is_some()) else { return };
        if before.get(left).and_then(key).is_some_and(|key| key == own) {
            self.merge(left, new);
        }
    }

    /// The entry whose sharding key a column is.
    fn key_of(&self, column: &ColumnName) -> Option<usize> {
        let fits = |entry: &Entry<'_>| match &column.table {
            Some(label) => entry.label == *label,
            None => entry.table.column(&column.name).is_some() && !entry.merged.contains(&column.name),
        };
        let mut found = self.entries.iter().enumerate().filter(|(_, entry)| fits(entry));
        let (at, entry) = found.next()?;
        let is_key = entry.table.key().is_some_and(|key| key.name == column.name);
        (is_key && found.next().is_none()).then_some(at)
    }

    fn equated(&self, part: &Expr) -> Option<(usize, usize)> {
        let Expr::Equal(left, right) = part else { return None };
        let (Expr::Column(left), Expr::Column(right)) = (&**left, &**right) else { return None };
        Some((self.key_of(left)?, self.key_of(right)?))
    }

    fn given(&self, part: &Expr) -> Result<Option<(usize, Vec<ValuePlace>)>, Refusal> {
        let (column, values) = match part {
            Expr::Equal(left, right) => match (&**left, &**right) {
                (Expr::Column(column), value) | (value, Expr::Column(column)) => (column, std::slice::from_ref(value)),
                _ => return Ok(None),
            },
            Expr::In(item, list) => match &**item {
                Expr::Column(column) => (column, list.as_slice()),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let Some(at) = self.key_of(column) else { return Ok(None) };
        if values.contains(&Expr::Null) {
            return Err(Refusal::new(Feature::KeyNull, column.name.clone()));
        }
        let places: Option<Vec<_>> = values.iter().map(|value| value_place(value, &self.params)).collect();
        Ok(places.map(|places| (at, places)))
    }

    fn merge(&mut self, left: usize, right: usize) {
        let class = |at: usize| self.entries.get(at).map(|entry| entry.class);
        let (Some(keep), Some(drop)) = (class(left), class(right)) else { return };
        for entry in self.entries.iter_mut().filter(|entry| entry.class == drop) {
            entry.class = keep;
        }
    }

    fn note_doubt(&mut self, part: &Expr) {
        if self.doubt.is_none() && part.mentions(&|column| self.key_of(column).is_some()) {
            self.doubt = Some(match part {
                Expr::Or(..) => "it stands under OR",
                Expr::Equal(..) | Expr::In(..) => "it is compared with an expression",
                _ => "it stands in another condition than = and IN",
            });
        }
    }

    fn sharded(&self) -> impl Iterator<Item = &Entry<'c>> {
        self.entries.iter().filter(|entry| entry.table.key().is_some())
    }

    /// The name of the first sharding key.
    pub fn key_name(&self) -> String {
        self.sharded().find_map(|entry| entry.table.key()).map_or_else(String::new, |key| key.name.clone())
    }

    /// Why no key is known, in words.
    pub const fn reason(&self) -> &'static str {
        match self.doubt {
            Some(doubt) => doubt,
            None => "no condition names it",
        }
    }

    /// Whether any table is sharded.
    pub fn is_sharded(&self) -> bool {
        self.sharded().next().is_some()
    }

    /// The one group of the sharded tables.
    ///
    /// # Errors
    /// [`Feature::GroupJoin`]
    pub fn group(&self) -> Result<Option<String>, Refusal> {
        let mut keys = self.sharded().filter_map(|entry| entry.table.key());
        let Some(first) = keys.next() else { return Ok(None) };
        match keys.find(|key| key.group != first.group || key.ty.key_type() != first.ty.key_type()) {
            None => Ok(Some(first.group.clone())),
            Some(other) => Err(Refusal::new(Feature::GroupJoin, format!("{} and {}", first.group, other.group))),
        }
    }

    /// The values of the keys, when every sharded table has some; `None` otherwise.
    pub fn keys(&self) -> Option<Vec<KeySet>> {
        let mut sets: Vec<(usize, KeySet)> = Vec::new();
        for entry in self.sharded() {
            let column = entry.table.key()?.clone();
            let shared = self.sharded().find(|other| other.class == entry.class && other.all.is_some());
            match (shared.and_then(|other| Some((other.table.key()?, other.all.clone()?))), &entry.own) {
                (Some((key, values)), _) => {
                    if sets.iter().all(|(class, _)| *class != entry.class) {
                        sets.push((entry.class, KeySet { column: key.clone(), values }));
                    }
                }
                (None, Some(values)) => sets.push((usize::MAX, KeySet { column, values: values.clone() })),
                (None, None) => return None,
            }
        }
        (!sets.is_empty()).then(|| sets.into_iter().map(|(_, set)| set).collect())
    }

    /// Whether every shard can compute its part of the result from its own rows.
    ///
    /// # Errors
    /// [`Feature::UnequatedJoin`], [`Feature::OuterReference`]
    pub fn divisible(&self) -> Result<(), Refusal> {
        let mut classes = self.sharded().map(|entry| entry.class);
        if let Some(first) = classes.next() {
            if classes.any(|class| class != first) {
                return Err(Feature::UnequatedJoin.into());
            }
        }
        match self.sharded().find(|entry| entry.outer_of_references) {
            Some(entry) => Err(Refusal::new(Feature::OuterReference, entry.label.clone())),
            None => Ok(()),
        }
    }
}

/// The parts of a condition that all have to hold.
fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    let (mut parts, mut rest) = (Vec::new(), vec![condition]);
    while let Some(one) = rest.pop() {
        if let Expr::And(left, right) = one {
            rest.push(right);
            rest.push(left);
        } else {
            parts.push(one);
        }
    }
    parts
}

/// The place of a key's value: a literal or a parameter, perhaps with a minus or one cast to a type of keys.
pub(super) fn value_place(expr: &Expr, params: &[u16]) -> Option<ValuePlace> {
    match expr {
        Expr::Literal { ordinal, .. } => {
            Some(ValuePlace { source: ValueSource::Literal(*ordinal), negative: false, cast: None })
        }
        Expr::Param(number) => {
            let once = params.iter().filter(|other| *other == number).count() == 1;
            Some(ValuePlace { source: ValueSource::Param { number: *number, once }, negative: false, cast: None })
        }
        Expr::Negative(inner) => {
            let place = value_place(inner, params)?;
            let fits = matches!(place.source, ValueSource::Literal(_)) && !place.negative;
            fits.then_some(ValuePlace { negative: true, ..place })
        }
        Expr::Cast(inner, ty) => {
            let cast = Some(cast_type(&ty.name).filter(|_| ty.plain)?);
            let place = value_place(inner, params)?;
            (!place.negative && place.cast.is_none()).then_some(ValuePlace { cast, ..place })
        }
        _ => None,
    }
}

fn cast_type(name: &str) -> Option<ColumnType> {
    match name {
        "bigint" | "int8" => Some(ColumnType::BigInt),
        "integer" | "int" | "int4" => Some(ColumnType::Integer),
        "smallint" | "int2" => Some(ColumnType::SmallInt),
        "text" | "varchar" | "character varying" | "char varying" => Some(ColumnType::Text),
        "uuid" => Some(ColumnType::Uuid),
        _ => None,
    }
}
