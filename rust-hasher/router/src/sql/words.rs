//! Word lists of PostgreSQL: what cannot be a name, and functions whose nature is known.

/// Whether a word without quotes is refused as the name of a column, table or alias.
///
/// Reserved words, words that may only name types or functions, and those that only `AS` lets be a label,
/// of PostgreSQL 12 to 18. The list errs on the side of refusing.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// What a call of a function means for routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// The same arguments give the same value on every server.
    Immutable,
    /// Depends on the moment, the session, the server or chance, and touches no table.
    Volatile,
    /// Takes many rows.
    Aggregate,
    /// Needs `OVER`.
    Window,
}

/// The nature of a built-in function; `None` for one that is not known to be harmless.
pub fn nature(function: &str) -> Option<Nature> {
    let lists = [
        (IMMUTABLE, Nature::Immutable),
        (VOLATILE, Nature::Volatile),
        (AGGREGATES, Nature::Aggregate),
        (WINDOWS, Nature::Window),
    ];
    lists.into_iter().find(|(list, _)| list.binary_search(&function).is_ok()).map(|(_, nature)| nature)
}

/// Words that read as values or calls without parentheses, as `current_date` does.
pub fn is_bare_call(word: &str) -> bool {
    BARE_CALLS.binary_search(&word).is_ok()
}

/// Types that may stand directly before a string: `date '2026-01-01'`.
pub fn is_literal_type(word: &str) -> bool {
    LITERAL_TYPES.binary_search(&word).is_ok()
}

#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between",
    "binary", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation", "column",
    "concurrently", "constraint", "create", "cross", "current", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc",
    "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "filter", "for", "foreign",
    "freeze", "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "initially",
    "inner", "intersect", "interval", "into", "is", "isnull", "join", "json", "json_array", "json_arrayagg",
    "json_exists", "json_object", "json_objectagg", "json_query", "json_scalar", "json_serialize", "json_table",
    "json_value", "lateral", "leading", "least", "left", "like", "limit", "localtime", "localtimestamp",
    "merge_action", "national", "natural", "nchar", "normalize", "not", "notnull", "null", "nullif", "offset", "on",
    "only", "operator", "or", "order", "outer", "over", "overlaps", "overlay", "placing", "position", "precision",
    "primary", "references", "returning", "right", "row", "select", "session_user", "set", "setof", "similar", "some",
    "substring", "symmetric", "system_user", "table", "tablesample", "then", "to", "trailing", "treat", "trim",
    "true", "uescape", "union", "unique", "user", "using", "values", "variadic", "varying", "verbose", "when",
    "where", "window", "with", "within", "without", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists",
    "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

#[rustfmt::skip]
const IMMUTABLE: &[&str] = &[
    "abs", "array_append", "array_length", "array_position", "array_prepend", "array_remove", "array_to_string",
    "ascii", "btrim", "cardinality", "ceil", "ceiling", "char_length", "character_length", "chr", "coalesce",
    "date_part", "decode", "div", "encode", "exp", "floor", "greatest", "hashint4", "hashint4extended", "hashint8",
    "hashint8extended", "hashtext", "hashtextextended", "initcap", "json_array_length", "jsonb_array_length",
    "jsonb_set", "least", "left", "length", "ln", "log", "lower", "lpad", "ltrim", "make_date", "make_interval",
    "make_time", "make_timestamp", "md5", "mod", "nullif", "num_nulls", "octet_length", "pi", "power", "quote_ident",
    "quote_literal", "regexp_match", "regexp_replace", "repeat", "replace", "reverse", "right", "round", "rpad",
    "rtrim", "sha256", "sign", "split_part", "sqrt", "starts_with", "string_to_array", "strpos", "substr",
    "to_hex", "translate", "trunc", "upper", "uuid_hash", "uuid_hash_extended", "width_bucket",
];

#[rustfmt::skip]
const VOLATILE: &[&str] = &[
    "age", "array_to_json", "clock_timestamp", "col_description", "concat", "concat_ws", "current_catalog",
    "current_database", "current_date", "current_query", "current_role", "current_schema", "current_schemas",
    "current_setting", "current_time", "current_timestamp", "current_user", "date_trunc", "extract", "format",
    "format_type", "gen_random_uuid", "generate_series", "has_column_privilege", "has_database_privilege",
    "has_schema_privilege", "has_table_privilege", "inet_client_addr", "inet_server_addr", "json_build_array",
    "json_build_object", "jsonb_build_array", "jsonb_build_object", "localtime", "localtimestamp", "make_timestamptz",
    "now", "obj_description", "pg_backend_pid", "pg_encoding_to_char", "pg_get_constraintdef", "pg_get_expr",
    "pg_get_indexdef", "pg_get_userbyid", "pg_get_viewdef", "pg_is_in_recovery", "pg_table_is_visible", "pg_typeof",
    "random", "session_user", "statement_timestamp", "timeofday", "to_char", "to_date", "to_json", "to_jsonb",
    "to_number", "to_regclass", "to_timestamp", "transaction_timestamp", "unnest", "user", "version",
];

#[rustfmt::skip]
const AGGREGATES: &[&str] = &[
    "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count", "covar_pop",
    "covar_samp", "every", "json_agg", "json_object_agg", "jsonb_agg", "jsonb_object_agg", "max", "min", "mode",
    "percentile_cont", "percentile_disc", "range_agg", "regr_count", "regr_slope", "stddev", "stddev_pop",
    "stddev_samp", "string_agg", "sum", "var_pop", "var_samp", "variance",
];

#[rustfmt::skip]
const WINDOWS: &[&str] = &[
    "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "percent_rank",
    "rank", "row_number",
];

#[rustfmt::skip]
const BARE_CALLS: &[&str] = &[
    "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp",
    "current_user", "localtime", "localtimestamp", "session_user", "user",
];

#[rustfmt::skip]
const LITERAL_TYPES: &[&str] = &[
    "bool", "bytea", "date", "inet", "interval", "json", "jsonb", "time", "timestamp", "timestamptz",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_the_search() {
        for list in [RESERVED, IMMUTABLE, VOLATILE, AGGREGATES, WINDOWS, BARE_CALLS, LITERAL_TYPES] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }
}
