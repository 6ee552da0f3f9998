//! Where the rows of each table are, by the map's document and `sharding` of the configuration.

use std::collections::BTreeMap;

use covet_ring::{DEFAULT_GROUP, Map, Table as Placement};

use crate::config::sharding::{Sharding, full_name};
use crate::schema::answer::Relation;

/// Placements of tables by `schema.name`.
pub type Placements = BTreeMap<String, Placement>;

/// What map and configuration say of these relations. The map's word counts before `sharding`, and a table's own before
/// the column of all.
#[must_use]
pub fn placements(map: &Map, sharding: &Sharding, relations: &[Relation]) -> Placements {
    let sharded = |key: &str| Placement::Sharded { group: DEFAULT_GROUP.to_owned(), key: key.to_owned() };
    let mut found = Placements::new();
    if let Some(key) = &sharding.key {
        for relation in relations {
            if matches!(relation.kind, 'r' | 'p') && relation.columns.iter().any(|column| column.name == *key) {
                found.insert(relation.full_name(), sharded(key));
            }
        }
    }
    for (name, entry) in &sharding.tables {
        let placement = entry.key.as_deref().map_or(Placement::Reference, sharded);
        found.insert(full_name(name), placement);
    }
    found.extend(map.tables().iter().map(|(name, placement)| (full_name(name), placement.clone())));
    found
}

#[cfg(test)]
mod tests {
    use covet_ring::Table as Placement;

    use super::placements;
    use crate::config::sharding::{Sharding, TableEntry};
    use crate::schema::samples;

    #[test]
    fn the_map_counts_before_tables_and_tables_before_the_key_of_all() {
        let entry = TableEntry { key: None, reference: true };
        let tables = [("orders", entry.clone()), ("customers", entry.clone()), ("sales.later", entry)];
        let sharding = Sharding {
            key: Some("tenant_id".into()),
            tables: tables.map(|(name, entry)| (name.to_owned(), entry)).into(),
        };
        let relations: Vec<_> = ["customers", "orders", "visits"].map(samples::table).into();
        let found = placements(&samples::map(), &sharding, &relations);
        let key = Placement::Sharded { group: "default".into(), key: "tenant_id".into() };
        assert_eq!(Some(&key), found.get("public.customers"));
        assert_eq!(Some(&Placement::Reference), found.get("public.orders"));
        assert_eq!(Some(&key), found.get("public.visits"));
        assert_eq!(Some(&Placement::Reference), found.get("sales.later"));
    }
}
