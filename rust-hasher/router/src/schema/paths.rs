//! The schemas that a user's unqualified names are looked for in, before a session says otherwise.

use crate::schema::answer::PathRow;

/// The search path of a user's new sessions, from what roles and databases have and `base`, which all others have.
///
/// None where it cannot be told: the user has none of its own, and neither has the session that asked known the base.
#[must_use]
pub fn of_user(user: &str, rows: &[PathRow], base: Option<&str>) -> Option<Vec<String>> {
    // As PostgreSQL ranks them: a role in a database, a role, a database, all.
    let find = |role: Option<&str>, here: bool| {
        rows.iter().find(|row| row.role.as_deref() == role && row.here == here).map(|row| row.path.as_str())
    };
    let own = find(Some(user), true).or_else(|| find(Some(user), false));
    let own = own.or_else(|| find(None, true)).or_else(|| find(None, false)).or(base)?;
    Some(list(own).into_iter().map(|schema| if schema == "$user" { user.to_owned() } else { schema }).collect())
}

/// The names of a list as settings have it: separated by commas, folded unless they are quoted.
#[must_use]
pub fn list(text: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                name.push('"');
            }
            '"' => {
                quoted = !quoted;
                any = true;
            }
            ',' if !quoted => {
                names.push(std::mem::take(&mut name));
                any = false;
            }
            letter if quoted => name.push(letter),
            letter if letter.is_whitespace() => {}
            letter => {
                any = true;
                name.push(letter.to_ascii_lowercase());
            }
        }
    }
    if any {
        names.push(name);
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::{list, of_user};
    use crate::schema::answer::PathRow;

    fn row(role: Option<&str>, here: bool, path: &str) -> PathRow {
        PathRow { role: role.map(str::to_owned), here, path: path.to_owned() }
    }

    #[test]
    fn names_of_a_list_are_read_as_the_server_reads_them() {
        assert_eq!(vec!["$user", "public"], list("\"$user\", public"));
        assert_eq!(vec!["sales", "My, \"own\"", "public"], list("Sales,\"My, \"\"own\"\"\" , public"));
        assert_eq!(Vec::<String>::new(), list("\"\""));
        assert_eq!(Vec::<String>::new(), list(""));
    }

    #[test]
    fn the_narrowest_setting_counts() {
        let all = row(None, false, "d");
        let rows = [row(Some("app"), true, "a"), row(Some("app"), false, "b"), row(None, true, "c"), all];
        for (from, expected) in ["a", "b", "c", "d"].into_iter().enumerate() {
            assert_eq!(Some(vec![expected.to_owned()]), of_user("app", &rows[from..], Some("e")));
        }
        assert_eq!(Some(vec!["other".to_owned(), "e".to_owned()]), of_user("other", &rows[..2], Some("\"$user\", e")));
        assert_eq!(None, of_user("other", &rows[..2], None));
    }
}
