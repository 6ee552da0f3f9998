//! What is refused: the feature by name, a sentence, an SQLSTATE.

/// Why a statement, or a key in it, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", .feature.sentence(), if .about.is_empty() { "" } else { ": " }, .about)]
pub struct Refusal {
    /// The feature that is missing or the fault that was found.
    pub feature: Feature,
    /// What it is about: a table, a function, a word of the statement; may be empty.
    pub about: String,
}

impl Refusal {
    /// A refusal of `feature`, with what it is about.
    pub fn new(feature: Feature, about: impl Into<String>) -> Self {
        Self { feature, about: about.into() }
    }

    /// The SQLSTATE for the client.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static str {
        self.feature.sqlstate()
    }
}

impl From<Feature> for Refusal {
    fn from(feature: Feature) -> Self {
        Self { feature, about: String::new() }
    }
}

/// Declares the features: name, SQLSTATE, sentence. The sentence is the documentation as well.
macro_rules! features {
    ($($name:ident $code:literal $sentence:literal)*) => {
        /// Everything that is refused, each with a name that stays.
        #[allow(clippy::doc_markdown, reason = "sentences for people name settings")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Feature {
            $(#[doc = concat!("`", $code, "`: ", $sentence)] $name,)*
        }

        impl Feature {
            /// All features.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name as one CamelCase word, stable for programs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The SQLSTATE that a client sees.
            #[must_use]
            pub const fn sqlstate(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// One sentence without a full stop.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

features! {
    // Text
    Encoding "22021" "the statement is not valid text in its client encoding"
    UnsafeEncoding "0A000" "only client_encoding UTF8 may send characters beyond ASCII"
    Unterminated "42601" "a string, quoted name or comment has no end"
    BadCharacter "42601" "a character that no statement may have outside of strings"
    NumberJunk "42601" "a number runs into what follows it"
    StrayDollar "42601" "a dollar sign that begins neither a parameter nor a dollar-quoted string"
    EmptyName "42601" "a quoted name is empty"
    LongName "0A000" "a name has more than 63 bytes, which the server would cut"
    UnicodeName "0A000" "a name is written with Unicode escapes (U&\"...\")"
    ContinuedString "0A000" "a string is continued by a second one"
    Backslash "0A000" "a backslash in a string while standard_conforming_strings is off"
    Unbalanced "42601" "parentheses do not balance"
    // Hints
    HintPlace "0A000" "a covet hint stands elsewhere than before the first word of its statement"
    HintUnknown "42601" "a covet hint is not understood; known is /* covet: shard=NAME */"
    HintConflict "0A000" "the shard of the hint does not own the key of the statement"
    HintUseless "0A000" "a hint stands on a statement that belongs to the session, not to a shard"
    UnknownShard "42704" "the map lists no shard of this name"
    // Shapes
    Syntax "0A000" "the router does not understand this shape of statement"
    TooDeep "54001" "expressions are nested too deep"
    Statement "0A000" "the router does not run this kind of statement over shards"
    SeveralStatements "0A000" "several statements in one message go to different places"
    Subquery "0A000" "a subquery"
    CommonTable "0A000" "WITH (a common table expression)"
    SetOperation "0A000" "UNION, INTERSECT or EXCEPT"
    OuterJoin "0A000" "a RIGHT or FULL join"
    NaturalJoin "0A000" "a NATURAL join"
    FromItem "0A000" "FROM holds something else than plain tables and joins"
    Only "0A000" "ONLY before a table"
    ColumnAliases "0A000" "an alias that renames columns"
    SelectInto "0A000" "SELECT INTO"
    InsertSelect "0A000" "INSERT from a query"
    DefaultValues "0A000" "INSERT with DEFAULT VALUES"
    OverridingUser "0A000" "INSERT OVERRIDING USER VALUE"
    RowAssignment "0A000" "an assignment to several columns at once"
    UpdateFrom "0A000" "UPDATE with FROM"
    DeleteUsing "0A000" "DELETE with USING"
    AnyArray "0A000" "a comparison with ANY, SOME or ALL of an array"
    Frame "0A000" "a window with a frame clause or a name"
    NamedArgument "0A000" "a named or VARIADIC argument"
    SchemaFunction "0A000" "a function with a schema before its name"
    Function "0A000" "a function that the router does not know to be built in and to touch no table"
    // Tables
    UnknownTable "42P01" "no shard has a table of this name on the search path"
    UnplacedTable "0A000" "the map places neither the rows of this table nor calls it a reference table"
    BrokenTable "0A000" "the table cannot be routed"
    Relation "0A000" "not a plain or partitioned table"
    SystemWrite "0A000" "a write to a system catalog"
    MixedTables "0A000" "system catalogs and tables of the cluster in one statement"
    UnknownColumn "42703" "the table has no column of this name"
    // Keys
    WriteWithoutKey "0A000" "a write that does not name the sharding key"
    InsertWithoutKey "0A000" "an INSERT that gives the sharding key no value"
    KeyUpdate "0A000" "an UPDATE that assigns the sharding key"
    KeyExpression "0A000" "the sharding key is an expression, not a literal or a parameter"
    KeyNull "0A000" "the sharding key is NULL"
    KeyType "42804" "a value of this type is no sharding key"
    KeyText "22P02" "the text is no value of the type of the sharding key"
    KeyRange "22003" "the value is out of the range of the sharding key"
    KeyEscape "0A000" "the sharding key is written with Unicode escapes or bytes above ASCII"
    KeyCast "0A000" "the sharding key is cast to a type that is not its own"
    ParameterMissing "08P01" "a parameter that the statement names was not bound"
    ParameterType "0A000" "the type of a parameter that is a sharding key is not known for sure"
    Uncovered "23514" "no range or value of the group covers the sharding key"
    // Several shards
    SpreadWrite "0A000" "a write to several shards"
    SpreadInsert "0A000" "an INSERT whose rows belong to several shards cannot be split"
    UnequatedJoin "0A000" "a join whose sharding keys are neither equated nor all given"
    ApartJoin "0A000" "a join of keys that lie on different shards"
    GroupJoin "0A000" "a join of tables of different groups"
    OuterReference "0A000" "an outer join that keeps rows of a reference table over all shards"
    SpreadOrder "0A000" "ORDER BY over several shards, until merges exist"
    SpreadLimit "0A000" "LIMIT, OFFSET or FETCH over several shards, until merges exist"
    SpreadAggregate "0A000" "an aggregate over several shards, until merges exist"
    SpreadGroup "0A000" "GROUP BY or HAVING over several shards, until merges exist"
    SpreadDistinct "0A000" "DISTINCT over several shards, until merges exist"
    SpreadWindow "0A000" "a window function over several shards, until merges exist"
    SpreadLock "0A000" "FOR UPDATE or FOR SHARE over several shards"
    SpreadExplain "0A000" "EXPLAIN over several shards"
    // Reference tables
    ReferenceVolatile "0A000" "a write to a reference table calls a function whose value may differ between shards"
    ReferenceDefault "0A000" "an INSERT into a reference table leaves a column to a default that may differ between shards"
    // Others
    CopyShape "0A000" "COPY in a form that the router does not split"
    ReferenceCopy "0A000" "COPY into a reference table"
    Setting "0A000" "a setting that would make the router unsafe"
    TemporaryTable "0A000" "a temporary table"
    KeyOverride "0A000" "the key override does not fit the statement"
}
