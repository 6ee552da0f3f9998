//! Settings that a session may not have, since the router's promises rest on them.

use super::refusal::{Feature, Refusal};
use super::strings;
use super::template::{SessionVerb, SetValue};
use super::value::Values;

/// Reads the value of SET and refuses what would make answers or acknowledgements untrue.
pub(super) fn check(verb: &SessionVerb, values: &Values<'_>) -> Result<SessionVerb, Refusal> {
    let SessionVerb::Set { name, local, value } = verb else { return Ok(verb.clone()) };
    let value = match value {
        SetValue::Literal(ordinal) => SetValue::Text(text_of(*ordinal, values)),
        other => other.clone(),
    };
    let wanted = match &value {
        SetValue::Text(text) => text.to_ascii_lowercase(),
        SetValue::Default => "default".to_owned(),
        SetValue::Literal(_) | SetValue::Complex => String::new(),
    };
    if is_allowed(name, &wanted) {
        return Ok(SessionVerb::Set { name: name.clone(), local: *local, value });
    }
    Err(Refusal::new(Feature::Setting, format!("{name} = {wanted}")))
}

/// The text of a string, or a number as it is written.
fn text_of(ordinal: usize, values: &Values<'_>) -> String {
    let Some(literal) = values.literals.get(ordinal) else { return String::new() };
    let written = || values.text.get(literal.start..literal.end).unwrap_or_default().to_owned();
    strings::text_of(values.text, *literal).map_or_else(|_| written(), std::borrow::Cow::into_owned)
}

/// A setting that the promise of an acknowledged commit rests on keeps it with this value, in lower case; others do with any.
pub(crate) fn is_safe(name: &str, wanted: &str) -> bool {
    match name {
        // How text is read.
        "standard_conforming_strings" => matches!(wanted, "on" | "true" | "yes" | "1" | "default"),
        // A commit is acknowledged once it is safe, and a warning that it is not is seen.
        "synchronous_commit" => matches!(wanted, "on" | "true" | "yes" | "1" | "remote_apply" | "default"),
        "client_min_messages" => {
            matches!(wanted, "log" | "info" | "notice" | "warning" | "default") || wanted.starts_with("debug")
        }
        _ => true,
    }
}

fn is_allowed(name: &str, wanted: &str) -> bool {
    if !is_safe(name, wanted) {
        return false;
    }
    match name {
        "client_encoding" => matches!(wanted, "utf8" | "utf-8" | "unicode" | "default"),
        // Who may do what, and what triggers and constraints see.
        "session_authorization" | "session_replication_role" => false,
        _ => true,
    }
}
