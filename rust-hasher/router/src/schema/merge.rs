//! The answers of all shards made into one catalog, with what differs between them by name.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;

use crate::schema::answer::{Answer, Column, Relation};
use crate::schema::placement::Placements;
use crate::sql::Catalog;

/// What is not as it should be: where, and what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The shard that differs from the first one; none if the fault is on all of them.
    pub shard: Option<String>,
    /// `schema.name`; none if it is about the database.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// A sentence.
    pub what: String,
}

/// All shards' relations as one.
pub struct Merged {
    /// What statements are read by.
    pub catalog: Catalog,
    /// In the order of shards and tables.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shard) = &self.shard {
            write!(out, "shard {shard}: ")?;
        }
        if let Some(table) = &self.table {
            write!(out, "{table} ")?;
        }
        write!(out, "{}", self.what)
    }
}

/// Merge the answers of shards, which come in the order of the map.
///
/// Statements may use of a table what all shards have alike: its first columns, as far as they agree in name and type. A
/// table that a shard lacks, or has as something else, is refused with the name of that shard.
#[must_use]
pub fn merge(answers: &[(String, Answer)], placements: &Placements) -> Merged {
    let mut faults = Vec::new();
    let Some(((first, base), others)) = answers.split_first() else {
        return Merged { catalog: Catalog::default(), faults };
    };
    let mut relations: BTreeMap<String, Relation> = BTreeMap::new();
    let mut broken = BTreeMap::new();
    for relation in &base.relations {
        relations.insert(relation.full_name(), relation.clone());
    }
    for (shard, answer) in others {
        if answer.encoding != base.encoding {
            let what = format!("is encoded in {}, on shard {first} in {}", answer.encoding, base.encoding);
            faults.push(Fault { shard: Some(shard.clone()), table: None, column: None, what });
        }
        compare(first, shard, answer, &mut relations, &mut broken, &mut faults);
    }
    let mut functions = BTreeSet::new();
    for (_, answer) in answers {
        functions.extend(answer.functions.iter().cloned());
    }
    let utf8 = answers.iter().all(|(_, answer)| answer.encoding == "UTF8");
    let rows = relations.values().map(|relation| relation.row(relation.columns.len())).collect();
    let mut catalog = Catalog::new(rows, functions, placements, utf8);
    for (table, why) in broken {
        if let Some(relation) = relations.get(&table) {
            catalog.refuse(&relation.schema, &relation.name, &format!("{table} {why}"));
        }
    }
    let missing = placements.keys().filter(|table| !relations.contains_key(*table));
    faults.extend(missing.map(|table| Fault {
        shard: None,
        table: Some(table.clone()),
        column: None,
        what: "is placed by the map or by sharding.tables, and no shard has it".to_owned(),
    }));
    Merged { catalog, faults }
}

/// Take up another shard's relations: `relations` keep what is common, `broken` gets tables that cannot be used.
fn compare(
    first: &str,
    shard: &str,
    answer: &Answer,
    relations: &mut BTreeMap<String, Relation>,
    broken: &mut BTreeMap<String, String>,
    faults: &mut Vec<Fault>,
) {
    let mut fault = |table: &str, column: Option<&str>, what: String| {
        let (table, column) = (Some(table.to_owned()), column.map(str::to_owned));
        faults.push(Fault { shard: Some(shard.to_owned()), table, column, what });
    };
    let there: BTreeMap<_, _> = answer.relations.iter().map(|relation| (relation.full_name(), relation)).collect();
    for (table, known) in &mut *relations {
        let Some(found) = there.get(table) else {
            if !broken.contains_key(table) {
                fault(table, None, format!("is missing, shard {first} has it"));
            }
            broken.entry(table.clone()).or_insert_with(|| format!("is missing on shard {shard}"));
            continue;
        };
        if (known.kind, known.rules) != (found.kind, found.rules) {
            fault(table, None, format!("is another kind of relation, or has other rules, than on shard {first}"));
            broken.entry(table.clone()).or_insert_with(|| format!("is something else on shard {shard}"));
            continue;
        }
        for (column, what) in differences(first, &known.columns, &found.columns) {
            fault(table, Some(&column), what);
        }
        let same = |(own, other): &(&Column, &Column)| (&own.name, &own.ty) == (&other.name, &other.ty);
        let common = known.columns.iter().zip(&found.columns).take_while(same).count();
        known.columns.truncate(common);
        for (own, other) in known.columns.iter_mut().zip(&found.columns) {
            own.volatile |= other.volatile;
            own.deterministic &= other.deterministic;
        }
    }
    for (table, relation) in there {
        let Entry::Vacant(place) = relations.entry(table.clone()) else { continue };
        place.insert(relation.clone());
        fault(&table, None, format!("exists here, and not on shard {first}"));
        broken.insert(table, format!("is missing on shard {first}"));
    }
}

/// In what columns differ: the column and a sentence.
fn differences(first: &str, base: &[Column], there: &[Column]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let find = |columns: &[Column], name: &str| columns.iter().position(|column| column.name == name);
    for (place, column) in base.iter().enumerate() {
        let name = &column.name;
        let Some(at) = find(there, name) else {
            found.push((name.clone(), format!("has no column {name}, shard {first} has it")));
            continue;
        };
        let other = &there[at];
        if other.ty != column.ty {
            let what = format!("has column {name} of type {}, shard {first} of type {}", other.ty, column.ty);
            found.push((name.clone(), what));
        } else if other.required != column.required {
            let word = if other.required { "NOT NULL" } else { "with NULL allowed" };
            found.push((name.clone(), format!("has column {name} {word}, other than shard {first}")));
        } else if at != place && there.len() == base.len() {
            found.push((name.clone(), format!("has column {name} in another place than shard {first}")));
        }
    }
    for column in there {
        let name = &column.name;
        if find(base, name).is_none() {
            found.push((name.clone(), format!("has a column {name}, which shard {first} has not")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::config::sharding::Sharding;
    use crate::schema::answer::{Answer, Column};
    use crate::schema::placement::placements;
    use crate::schema::samples;
    use crate::sql::Feature;
    use crate::sql::ast::TableName;
    use crate::sql::catalog::{Catalog, Resolved, Table};

    /// The faults in words, and the catalog, of three shards after the last one was changed.
    fn merged(change: impl FnOnce(&mut Answer)) -> (Vec<String>, Catalog) {
        let mut answers = ["s0", "s1", "s2"].map(|name| (name.to_owned(), samples::answer()));
        change(&mut answers[2].1);
        let placements = placements(&samples::map(), &Sharding::default(), &answers[0].1.relations);
        let merged = merge(&answers, &placements);
        (merged.faults.iter().map(ToString::to_string).collect(), merged.catalog)
    }

    fn customers(catalog: &Catalog) -> &Table {
        let name = TableName { schema: None, name: "customers".into() };
        match catalog.resolve(&name, &["public".to_owned()]) {
            Ok(Resolved::Table(table)) => table,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn shards_that_agree_have_no_faults() {
        let (faults, catalog) = merged(|_| {});
        assert_eq!(Vec::<String>::new(), faults);
        assert_eq!(Some("tenant_id"), customers(&catalog).key().map(|key| key.name.as_str()));
    }

    #[test]
    fn a_column_that_one_shard_has_not_yet_is_named_and_not_used() {
        let (faults, catalog) = merged(|answer| {
            let note = Column { name: "note".into(), ..answer.relations[0].columns[1].clone() };
            answer.relations[0].columns.push(note);
        });
        assert_eq!(vec!["shard s2: public.customers has a column note, which shard s0 has not"], faults);
        assert_eq!(None, customers(&catalog).column("note"));
        assert!(customers(&catalog).place.is_ok());
    }

    #[test]
    fn a_key_of_another_type_breaks_its_table() {
        let (faults, catalog) = merged(|answer| answer.relations[0].columns[0].ty = "integer".into());
        assert_eq!(
            vec!["shard s2: public.customers has column tenant_id of type integer, shard s0 of type bigint"],
            faults
        );
        assert_eq!(Feature::BrokenTable, customers(&catalog).place.as_ref().unwrap_err().feature);
    }

    #[test]
    fn a_table_that_one_shard_lacks_is_refused_with_its_name() {
        let (faults, catalog) = merged(|answer| drop(answer.relations.remove(0)));
        assert_eq!(vec!["shard s2: public.customers is missing, shard s0 has it"], faults);
        let refusal = customers(&catalog).place.as_ref().unwrap_err();
        assert!(refusal.to_string().contains("public.customers is missing on shard s2"), "{refusal}");
    }

    #[test]
    fn a_table_that_only_a_later_shard_has_is_refused_too() {
        let (faults, catalog) = merged(|answer| answer.relations[0].name = "clients".into());
        assert_eq!(2, faults.len(), "{faults:?}");
        let name = TableName { schema: None, name: "clients".into() };
        let Ok(Resolved::Table(table)) = catalog.resolve(&name, &["public".to_owned()]) else { panic!() };
        assert!(table.place.as_ref().unwrap_err().to_string().contains("is missing on shard s0"));
    }

    #[test]
    fn a_text_key_needs_utf8_everywhere_and_a_deterministic_collation() {
        for change in [(|answer: &mut Answer| answer.encoding = "LATIN1".into()) as fn(&mut Answer), |answer| {
            answer.relations[0].columns[0].deterministic = false;
        }] {
            let mut answers = ["s0", "s1"].map(|name| (name.to_owned(), samples::answer()));
            for (_, answer) in &mut answers {
                answer.relations[0].columns[0].ty = "text".into();
            }
            let placements = placements(&samples::map(), &Sharding::default(), &[]);
            assert!(customers(&merge(&answers, &placements).catalog).place.is_ok());
            change(&mut answers[1].1);
            assert!(customers(&merge(&answers, &placements).catalog).place.is_err());
        }
    }

    #[test]
    fn a_table_of_the_map_that_no_shard_has_is_named() {
        let mut answers = [("s0".to_owned(), samples::answer())];
        answers[0].1.relations.clear();
        let placements = placements(&samples::map(), &Sharding::default(), &[]);
        let faults = merge(&answers, &placements).faults;
        assert!(faults[0].to_string().starts_with("public.customers is placed"), "{faults:?}");
    }
}
