//! The question to a shard, and its answer: one row of JSON, so that all of it is of one snapshot.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::sql::catalog::{ColumnRow, RelationRow};

/// Answered by one row with one column of JSON; every user may ask.
///
/// A default may differ between servers unless its tree has nothing but constants and immutable functions, or it belongs
/// to a generated column, which may have nothing else.
pub const QUERY: &str = include_str!("catalog.sql");

/// What a shard has.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `server_encoding`
    pub encoding: String,
    /// `search_path` where neither role nor database say otherwise; none if this session cannot tell.
    pub search_path: Option<String>,
    /// Search paths that roles and databases have.
    pub paths: Vec<PathRow>,
    /// Relations outside of the system's schemas, in the order of their names.
    pub relations: Vec<Relation>,
    /// Names of functions outside of `pg_catalog`.
    pub functions: Vec<String>,
}

/// A search path of `ALTER ROLE .. SET` or `ALTER DATABASE .. SET`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PathRow {
    /// The role; none for all.
    pub role: Option<String>,
    /// It holds in this database only.
    pub here: bool,
    /// The list as it was given.
    pub path: String,
}

/// A relation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `relkind`
    pub kind: char,
    /// `relhasrules`
    pub rules: bool,
    /// In the order of `attnum`.
    pub columns: Vec<Column>,
    /// Columns of each unique index, null for an expression.
    pub uniques: Vec<Unique>,
    /// Foreign keys.
    pub foreign: Vec<Foreign>,
}

/// A column.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type with its modifier.
    #[serde(rename = "type")]
    pub ty: String,
    /// It takes no NULL.
    pub required: bool,
    /// Its collation is deterministic, or its type has none.
    pub deterministic: bool,
    /// Its default may differ between servers.
    pub volatile: bool,
}

/// A unique index, that of a primary key included.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Unique {
    /// Name of the index.
    pub name: String,
    /// Its columns; none stands for an expression.
    pub columns: Vec<Option<String>>,
}

/// A foreign key.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// Name of the constraint.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table it refers to, as `schema.name`.
    pub table: String,
    /// The columns there, in the same order.
    pub referenced: Vec<String>,
}

impl Answer {
    /// Read the text of the one row.
    ///
    /// # Errors
    /// The text is no such answer.
    pub fn read(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text).map_err(|error| {
            tracing::error!(%error, "the answer to the question for the catalog cannot be read");
            Error::Protocol("a server answered the question for its catalog with something else")
        })
    }
}

impl Relation {
    /// `schema.name`
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// As statements are read by, with the first `columns` of its columns.
    #[must_use]
    pub fn row(&self, columns: usize) -> RelationRow {
        let column = |column: &Column| ColumnRow {
            name: column.name.clone(),
            ty: column.ty.clone(),
            deterministic: column.deterministic,
            volatile_default: column.volatile,
        };
        RelationRow {
            schema: self.schema.clone(),
            name: self.name.clone(),
            kind: self.kind,
            rules: self.rules,
            columns: self.columns.iter().take(columns).map(column).collect(),
        }
    }
}
