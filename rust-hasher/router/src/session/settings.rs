//! What a client has set in its session, so that any server connection can be set to the same.

use std::fmt::Write as _;

/// Settings in the order in which they were last made. Two sessions with equal ones may follow each other on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    list: Vec<(String, String)>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This statement sets the setting of this name.
    Set(String, String),
    /// The setting of this name has its default again.
    Reset(String),
    /// All settings have, but for role and authorization.
    ResetAll,
    /// All settings have.
    Discard,
}

/// Settings that `RESET ALL` leaves as they are.
const APART: [&str; 2] = ["session_authorization", "role"];

impl Settings {
    /// The settings that a client asks for with its startup packet.
    #[must_use]
    pub fn of_startup(parameters: &[(String, String)]) -> Self {
        let mut made = Self::default();
        for (name, value) in asked(parameters) {
            made.set_text(&name, &value);
        }
        made
    }

    fn set_text(&mut self, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        let sql = format!("SELECT pg_catalog.set_config({}, {}, false)", literal(&name), literal(value));
        self.apply(&Change::Set(name, sql));
    }

    /// Take a change up.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Set(name, sql) => {
                self.list.retain(|(known, _)| known != name);
                // A new authorization brings its own role.
                if name == "session_authorization" {
                    self.list.retain(|(known, _)| known != "role");
                }
                self.list.push((name.clone(), sql.clone()));
            }
            Change::Reset(name) => self.list.retain(|(known, _)| known != name),
            Change::ResetAll => self.list.retain(|(known, _)| APART.contains(&known.as_str())),
            Change::Discard => self.list.clear(),
        }
    }

    /// Nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(known, _)| known == name)
    }

    /// Statements that turn a session with the settings `from` into one with these.
    #[must_use]
    pub fn script(&self, from: &Self) -> String {
        let mut sql = String::from("RESET ALL");
        if from.has("session_authorization") {
            sql.push_str("; RESET SESSION AUTHORIZATION");
        }
        if from.has("session_authorization") || from.has("role") {
            sql.push_str("; RESET ROLE");
        }
        for (_, statement) in &self.list {
            let _ = write!(sql, "; {statement}");
        }
        sql
    }
}

/// Names and values of the settings in a startup packet.
#[must_use]
pub fn asked(parameters: &[(String, String)]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => found.extend(options(value)),
            name if name.starts_with("_pq_.") => {}
            name => found.push((name.to_owned(), value.clone())),
        }
    }
    found
}

/// `-c name=value` and `--name=value` of the startup parameter `options`.
fn options(text: &str) -> Vec<(String, String)> {
    let mut words = split(text).into_iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--") {
            Some(setting) => setting.to_owned(),
            None if word == "-c" => words.next().unwrap_or_default(),
            None => word.strip_prefix("-c").unwrap_or_default().to_owned(),
        };
        if let Some((name, value)) = setting.split_once('=') {
            found.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    found
}

/// Words between blanks; a backslash keeps the next character.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut kept) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        if kept || !(letter == '\\' || letter.is_ascii_whitespace()) {
            word.push(letter);
            kept = false;
        } else if letter == '\\' {
            kept = true;
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn literal(text: &str) -> String {
    // An escape string reads the same whatever standard_conforming_strings is.
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::{Change, Settings, options};

    fn set(name: &str) -> Change {
        Change::Set(name.into(), format!("SET {name} TO 1"))
    }

    #[test]
    fn a_script_makes_what_was_set_last() {
        let mut settings = Settings::default();
        for change in [set("a"), set("b"), set("a"), Change::Reset("b".into()), set("role")] {
            settings.apply(&change);
        }
        assert_eq!("RESET ALL; SET a TO 1; SET role TO 1", settings.script(&Settings::default()));
        let mut bare = settings.clone();
        bare.apply(&Change::ResetAll);
        assert!(bare.has("role") && !bare.has("a"));
        assert_eq!("RESET ALL; RESET ROLE", Settings::default().script(&settings));
    }

    #[test]
    fn startup_parameters_are_settings() {
        let parameters = [("user", "app"), ("application_name", "it's"), ("options", r"-c a.b=1 --work-mem=2\ MB")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sql = Settings::of_startup(&parameters).script(&Settings::default());
        assert!(sql.contains(r"set_config(E'application_name', E'it\'s', false)"), "{sql}");
        assert!(sql.contains("set_config(E'work_mem', E'2 MB', false)"), "{sql}");
        assert_eq!(vec![("x".to_owned(), "y=z".to_owned())], options("-cx=y=z -d"));
    }
}
