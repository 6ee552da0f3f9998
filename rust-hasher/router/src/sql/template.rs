//! What is known of a statement before its literals and parameters are: the template.

use super::refusal::Refusal;

/// The result of the analysis of a skeleton; true for as long as its catalog is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The name of the skeleton for people and logs.
    pub fingerprint: u64,
    /// What sort of statement it is.
    pub kind: Kind,
    /// The tables, as `schema.name`.
    pub tables: Vec<String>,
    /// The group of the sharded tables among them.
    pub group: Option<String>,
    /// Where it goes, or why it goes nowhere.
    pub plan: Result<Plan, Refusal>,
    /// A SELECT that locks rows, which only a primary can.
    pub locks: bool,
}

/// The sort of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads.
    Read,
    /// Writes rows.
    Write,
    /// Defines objects.
    Definition,
    /// Belongs to the session.
    Session,
    /// Begins or ends transactions.
    Transaction,
    /// COPY.
    Copy,
    /// EXPLAIN.
    Explain,
    /// Not understood.
    Unknown,
}

impl Kind {
    /// The name for metrics and `EXPLAIN (COVET)`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Definition => "definition",
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Copy => "copy",
            Self::Explain => "explain",
            Self::Unknown => "unknown",
        }
    }
}

/// Where statements of a template go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// To one shard, whichever: every shard answers alike, or the question is about no table of the cluster.
    Any,
    /// To all shards: definitions and writes to reference tables.
    All,
    /// To all shards; the rows of their answers are put one after the other.
    Scatter {
        /// Why it has no key, for `EXPLAIN (COVET)`.
        reason: &'static str,
    },
    /// To the shards that own the keys.
    Keyed(Keyed),
    /// INSERT: each row to the shard that owns its key.
    Rows(Rows),
    /// COPY FROM STDIN in text format: each row to the shard that owns its key.
    CopyRows(CopyRows),
    /// The router keeps the session's state.
    Session(SessionVerb),
    /// The router keeps the state of the transaction.
    Transaction(TxnVerb),
    /// The router answers with the plan of the statement inside.
    ExplainCovet(Box<Template>),
}

/// Tables whose sharding keys are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// One for each set of tables with equal keys; all have to lead to one shard, unless there is only one
    /// and `spread` allows more.
    pub keys: Vec<KeySet>,
    /// Whether several shards may answer, and if not, why.
    pub spread: Result<(), Refusal>,
}

/// The values that the key of a table may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// The column.
    pub column: KeyColumn,
    /// One for `=`, the list for `IN`.
    pub values: Vec<ValuePlace>,
}

/// A sharding key column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Group of its table.
    pub group: String,
    /// Its name, for messages.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
}

/// The types of key columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// smallint
    SmallInt,
    /// integer
    Integer,
    /// bigint
    BigInt,
    /// text, or varchar without a length
    Text,
    /// varchar with a length in characters
    Varchar(u32),
    /// uuid
    Uuid,
}

/// Where the value of a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValuePlace {
    /// The literal or parameter.
    pub source: ValueSource,
    /// A minus stands before it.
    pub negative: bool,
    /// The type it is cast to.
    pub cast: Option<ColumnType>,
}

/// A literal or a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// The place in the statement's list of literals, from 0.
    Literal(usize),
    /// `$n`, and whether the statement names it once, so that its type can only come from here.
    Param {
        /// n
        number: u16,
        /// Named once.
        once: bool,
    },
}

/// The rows of an INSERT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The key.
    pub column: KeyColumn,
    /// The rows in their order.
    pub rows: Vec<RowPlace>,
    /// Whether they may be divided among shards, and if not, why.
    pub split: Result<(), Refusal>,
}

/// A row of VALUES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// Its key.
    pub key: ValuePlace,
    /// Token of its opening parenthesis.
    pub open: usize,
    /// Token of its closing parenthesis.
    pub close: usize,
}

/// The rows of a COPY FROM STDIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyRows {
    /// The key.
    pub column: KeyColumn,
    /// The key's place in a row, from 0.
    pub position: usize,
    /// Columns of a row.
    pub columns: usize,
    /// The byte between columns.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: String,
    /// The first line is a header, for every shard.
    pub header: bool,
}

/// Statements of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnVerb {
    /// BEGIN, START TRANSACTION, with modes in words.
    Begin,
    /// COMMIT, END; `chain` for AND CHAIN.
    Commit {
        /// AND CHAIN
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN
        chain: bool,
    },
    /// SAVEPOINT
    Savepoint(String),
    /// RELEASE
    Release(String),
    /// ROLLBACK TO
    RollbackTo(String),
}

/// Statements of sessions. Names are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionVerb {
    /// SET of a setting.
    Set {
        /// The setting.
        name: String,
        /// SET LOCAL
        local: bool,
        /// Its one value: a literal's place, or a word in the statement itself.
        value: SetValue,
    },
    /// RESET of a setting, or of all.
    Reset(String),
    /// SHOW
    Show(String),
    /// DISCARD and what.
    Discard(String),
    /// LISTEN
    Listen(String),
    /// UNLISTEN
    Unlisten(String),
    /// NOTIFY
    Notify(String),
    /// DEALLOCATE; `all` for all.
    Deallocate(String),
}

/// The value of SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetValue {
    /// A word, folded, or the value of a string.
    Text(String),
    /// The place in the list of literals, until the analysis reads it.
    Literal(usize),
    /// DEFAULT
    Default,
    /// A list or something else.
    Complex,
}
