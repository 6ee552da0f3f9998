//! The tables of the cluster: what the shards' catalogs and the map say of them, as data.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use covet_ring::{KeyType, Table as Placement};

use super::ast::TableName;
use super::refusal::{Feature, Refusal};
use super::template::{ColumnType, KeyColumn};

/// A relation as `pg_class` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationRow {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `relkind`: `r` and `p` are tables, all else is refused.
    pub kind: char,
    /// `relhasrules`
    pub rules: bool,
    /// Its columns in the order of `attnum`, without dropped ones.
    pub columns: Vec<ColumnRow>,
}

/// A column as `pg_attribute` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRow {
    /// Its name.
    pub name: String,
    /// `format_type(atttypid, atttypmod)`
    pub ty: String,
    /// Its collation is deterministic, or its type has none.
    pub deterministic: bool,
    /// It has a default that calls a function, or is an identity column.
    pub volatile_default: bool,
}

/// All relations of the cluster with their places; made anew when the shards' catalogs or the map change.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    tables: HashMap<(String, String), Table>,
    functions: BTreeSet<String>,
}

/// A relation and where its rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// As the shards know it.
    pub row: RelationRow,
    /// Where its rows are, or why it cannot be used.
    pub place: Result<Place, Refusal>,
}

/// Where the rows of a table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Each on the shard that owns its key.
    Sharded(KeyColumn),
    /// All of them on every shard.
    Reference,
}

/// What a name in a statement stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved<'a> {
    /// A table of the cluster.
    Table(&'a Table),
    /// A relation of `pg_catalog` or `information_schema`.
    System,
}

impl Catalog {
    /// The catalog of relations that every shard has, with the places that map and configuration give them.
    ///
    /// A placed table is `name`, in schema public, or `schema.name`. `functions` are the names of all
    /// functions outside of `pg_catalog`: they are never taken for built-in ones. `utf8` says that the databases
    /// are encoded so; text is no key otherwise.
    #[must_use]
    pub fn new(
        relations: Vec<RelationRow>,
        functions: BTreeSet<String>,
        placements: &BTreeMap<String, Placement>,
        utf8: bool,
    ) -> Self {
        let mut tables = HashMap::with_capacity(relations.len());
        for row in relations {
            let place = place(&row, placements, utf8);
            tables.insert((row.schema.clone(), row.name.clone()), Table { row, place });
        }
        Self { tables, functions }
    }

    /// The relation of a name, by the schemas of the search path, with `pg_catalog` before all of them.
    ///
    /// # Errors
    /// [`Feature::UnknownTable`].
    pub fn resolve(&self, name: &TableName, search_path: &[String]) -> Result<Resolved<'_>, Refusal> {
        let find = |schema: &str| self.tables.get(&(schema.to_owned(), name.name.clone()));
        let found = match &name.schema {
            Some(schema) if matches!(schema.as_str(), "pg_catalog" | "information_schema") => {
                return Ok(Resolved::System);
            }
            Some(schema) => find(schema),
            None => search_path.iter().find_map(|schema| find(schema)),
        };
        // Which of the two the server would take depends on what pg_catalog has in its version.
        match (found, name.schema.is_none() && name.name.starts_with("pg_")) {
            (None, true) => return Ok(Resolved::System),
            (Some(_), true) => return Err(Refusal::new(Feature::Relation, name.to_string())),
            _ => {}
        }
        found.map(Resolved::Table).ok_or_else(|| Refusal::new(Feature::UnknownTable, name.to_string()))
    }

    /// Whether a function of this name was made by a user.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    /// Refuse statements on a relation, for a reason that its rows do not show.
    pub fn refuse(&mut self, schema: &str, name: &str, why: &str) {
        if let Some(table) = self.tables.get_mut(&(schema.to_owned(), name.to_owned())) {
            table.place = Err(Refusal::new(Feature::BrokenTable, why));
        }
    }

    /// All relations, in the order of their names.
    #[must_use]
    pub fn tables(&self) -> Vec<&Table> {
        let mut tables: Vec<_> = self.tables.values().collect();
        tables.sort_unstable_by_key(|table| (&table.row.schema, &table.row.name));
        tables
    }
}

impl Table {
    /// `schema.name`
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.row.schema, self.row.name)
    }

    /// The position of a column among those of the table.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.row.columns.iter().position(|column| column.name == name)
    }

    /// The key column of a sharded table.
    #[must_use]
    pub fn key(&self) -> Option<&KeyColumn> {
        match &self.place {
            Ok(Place::Sharded(key)) => Some(key),
            _ => None,
        }
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(out, "{schema}.{}", self.name),
            None => write!(out, "{}", self.name),
        }
    }
}

fn place(row: &RelationRow, placements: &BTreeMap<String, Placement>, utf8: bool) -> Result<Place, Refusal> {
    let full = format!("{}.{}", row.schema, row.name);
    let broken = |why: &str| Refusal::new(Feature::BrokenTable, format!("{full} {why}"));
    if !matches!(row.kind, 'r' | 'p') {
        return Err(Refusal::new(Feature::Relation, full));
    }
    if row.rules {
        return Err(broken("has rules, which rewrite statements"));
    }
    let short = if row.schema == "public" { placements.get(&row.name) } else { None };
    let (group, key) = match placements.get(&full).or(short) {
        None => return Err(Refusal::new(Feature::UnplacedTable, full)),
        Some(Placement::Reference) => return Ok(Place::Reference),
        Some(Placement::Sharded { group, key }) => (group, key),
    };
    let Some(column) = row.columns.iter().find(|column| column.name == *key) else {
        return Err(broken(&format!("has no column {key}, which the map calls its key")));
    };
    let ty = ColumnType::from_sql(&column.ty)
        .ok_or_else(|| broken(&format!("has key {key} of type {}, which is no key", column.ty)))?;
    if ty.key_type() == KeyType::Text && !(utf8 && column.deterministic) {
        return Err(broken("has a text key whose collation is not deterministic, or a database that is not UTF8"));
    }
    Ok(Place::Sharded(KeyColumn { group: group.clone(), name: key.clone(), ty }))
}

impl ColumnType {
    /// The type of this name, as `format_type` writes it.
    #[must_use]
    pub fn from_sql(name: &str) -> Option<Self> {
        match name {
            "smallint" => Some(Self::SmallInt),
            "integer" => Some(Self::Integer),
            "bigint" => Some(Self::BigInt),
            "text" | "character varying" => Some(Self::Text),
            "uuid" => Some(Self::Uuid),
            _ => {
                let length = name.strip_prefix("character varying(")?.strip_suffix(')')?;
                length.parse().ok().map(Self::Varchar)
            }
        }
    }

    /// The type of the key in maps.
    #[must_use]
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::SmallInt | Self::Integer | Self::BigInt => KeyType::Bigint,
            Self::Text | Self::Varchar(_) => KeyType::Text,
            Self::Uuid => KeyType::Uuid,
        }
    }
}
