//! What the parser makes of a statement: as much as routing has to know, and no more.

use super::lexer::LiteralKind;

/// A name of a table as it is written, folded; without a schema it is looked up on the search path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The schema, when given.
    pub schema: Option<String>,
    /// The table.
    pub name: String,
}

/// A column, with the table or alias before it when given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName {
    /// Table or alias.
    pub table: Option<String>,
    /// The column.
    pub name: String,
}

/// The type of a cast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    /// Folded, words of one type joined by a space.
    pub name: String,
    /// Without schema, quotes, length, array or other modifiers.
    pub plain: bool,
}

/// An expression. All that can be no sharding key is [`Expr::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// A column.
    Column(ColumnName),
    /// The constant with this place in the statement's list of literals.
    Literal {
        /// From 0.
        ordinal: usize,
        /// What it is written as.
        kind: LiteralKind,
    },
    /// `$n`
    Param(u16),
    /// NULL
    Null,
    /// DEFAULT
    Default,
    /// A minus before an expression.
    Negative(Box<Expr>),
    /// A cast, in either spelling.
    Cast(Box<Expr>, TypeName),
    /// An expression in parentheses has no node of its own; this is `=`.
    Equal(Box<Expr>, Box<Expr>),
    /// AND
    And(Box<Expr>, Box<Expr>),
    /// OR
    Or(Box<Expr>, Box<Expr>),
    /// `item IN (list)`, without NOT.
    In(Box<Expr>, Vec<Expr>),
    /// Anything else, with its parts.
    Other(Vec<Expr>),
}

impl Expr {
    /// Whether a column that fits `wanted` occurs anywhere in the expression.
    pub fn mentions(&self, wanted: &dyn Fn(&ColumnName) -> bool) -> bool {
        match self {
            Self::Column(column) => wanted(column),
            Self::Literal { .. } | Self::Param(_) | Self::Null | Self::Default => false,
            Self::Negative(inner) | Self::Cast(inner, _) => inner.mentions(wanted),
            Self::Equal(left, right) | Self::And(left, right) | Self::Or(left, right) => {
                left.mentions(wanted) || right.mentions(wanted)
            }
            Self::In(item, list) => item.mentions(wanted) || list.iter().any(|one| one.mentions(wanted)),
            Self::Other(parts) => parts.iter().any(|part| part.mentions(wanted)),
        }
    }
}

/// How a table of FROM is joined to those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Join {
    /// The first of an item of the comma list.
    Comma,
    /// CROSS, or INNER with its condition.
    Inner(Option<Expr>),
    /// LEFT with its condition.
    Left(Expr),
    /// INNER, or LEFT when the flag is set, with the columns of USING.
    Using(Vec<String>, bool),
}

/// A table of FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The table.
    pub table: TableName,
    /// Its alias.
    pub alias: Option<String>,
    /// How it is joined.
    pub join: Join,
}

/// A SELECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// The tables.
    pub from: Vec<Source>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// What would need a merge if several shards answered, in the order of the statement.
    pub clauses: Vec<Clause>,
}

/// A clause that one server answers alone and several only with a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    /// DISTINCT
    Distinct,
    /// GROUP BY, HAVING
    Group,
    /// ORDER BY
    Order,
    /// LIMIT, OFFSET, FETCH
    Limit,
    /// FOR UPDATE and its kin
    Lock,
}

/// An INSERT with VALUES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// The table.
    pub table: TableName,
    /// The columns, when listed.
    pub columns: Option<Vec<String>>,
    /// The rows with the indices of their parentheses among the statement's tokens.
    pub rows: Vec<Row>,
    /// Columns that ON CONFLICT DO UPDATE assigns.
    pub assigned: Vec<Assigned>,
    /// RETURNING follows.
    pub returning: bool,
}

/// A row of VALUES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its expressions.
    pub values: Vec<Expr>,
    /// Token of the opening parenthesis.
    pub open: usize,
    /// Token of the closing one.
    pub close: usize,
}

/// An UPDATE or, without assignments, a DELETE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: TableName,
    /// Its alias.
    pub alias: Option<String>,
    /// Columns that are assigned.
    pub assigned: Vec<Assigned>,
    /// WHERE.
    pub filter: Option<Expr>,
}

/// COPY of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The table.
    pub table: TableName,
    /// The columns, when listed.
    pub columns: Option<Vec<String>>,
    /// FROM STDIN, else TO STDOUT.
    pub from: bool,
    /// How rows are written.
    pub format: CopyFormat,
}

/// How COPY writes rows; values are literals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyFormat {
    /// CSV, else the text format.
    pub csv: bool,
    /// The byte between columns.
    pub delimiter: Option<usize>,
    /// What stands for NULL.
    pub null: Option<usize>,
    /// The first line is a header.
    pub header: bool,
}

/// A column that is assigned; whether to its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The column.
    pub column: String,
    /// `= DEFAULT`
    pub default: bool,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// SELECT
    Select(Select),
    /// INSERT
    Insert(Insert),
    /// UPDATE
    Update(Change),
    /// DELETE
    Delete(Change),
    /// COPY
    Copy(Copy),
    /// EXPLAIN of another statement.
    Explain {
        /// EXPLAIN (COVET): the router answers.
        covet: bool,
        /// What is explained.
        inner: Box<Statement>,
    },
    /// BEGIN and its kin.
    Transaction(super::template::TxnVerb),
    /// SET and its kin.
    Session(super::template::SessionVerb),
    /// CREATE and its kin; the first words, for messages.
    Definition(String),
}
