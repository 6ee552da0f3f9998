//! Promises of the allocator: who gains, who loses, how much moves and into how many ranges.

#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests fail by panicking and compare ratios")]

use std::collections::BTreeMap;

use covet_ring::{Hashes, Map, SLOTS};
use proptest::prelude::*;

type Shards = Vec<(String, u32)>;

fn equal_shards(count: usize) -> Shards {
    (0..count).map(|number| (format!("s{number}"), 1)).collect()
}

fn initial(shards: &[(String, u32)]) -> Map {
    Map::initial("c", shards, Hashes::POSTGRESQL).unwrap()
}

fn counts(map: &Map) -> BTreeMap<String, usize> {
    let ranges = |name: &str| map.ranges("default", name).unwrap();
    let slots = |name: &str| ranges(name).iter().map(|(first, last)| usize::from(last - first) + 1).sum();
    map.shards().iter().map(|shard| (shard.name.clone(), slots(&shard.name))).collect()
}

fn number_of_ranges(map: &Map) -> usize {
    map.group("default").unwrap().hashed().unwrap().ranges().len()
}

/// The exact share of each shard, in slots.
fn exact(shards: &[(String, u32)]) -> BTreeMap<String, f64> {
    let total: f64 = shards.iter().map(|(_, weight)| f64::from(*weight)).sum();
    shards.iter().map(|(name, weight)| (name.clone(), SLOTS as f64 * f64::from(*weight) / total)).collect()
}

fn assert_balanced(map: &Map, shards: &[(String, u32)]) {
    let counts = counts(map);
    for (name, share) in exact(shards) {
        let count = counts[&name] as f64;
        assert!((count - share).abs() < 1.0, "{name} has {count} slots, its share is {share}");
    }
}

/// Slots that have to leave shards whose count is above their new share.
fn ideal_movement(from: &Map, shards: &[(String, u32)]) -> f64 {
    let exact = exact(shards);
    counts(from).iter().map(|(name, count)| (*count as f64 - exact.get(name).copied().unwrap_or(0.0)).max(0.0)).sum()
}

fn moved(from: &Map, to: &Map) -> usize {
    from.diff(to).unwrap().iter().map(|step| usize::from(step.slots())).sum()
}

#[test]
fn sixteen_to_seventeen_equal_shards_moves_one_part_in_seventeen_in_few_ranges() {
    let before = initial(&equal_shards(16));
    let after = before.plan(&equal_shards(17)).unwrap();
    let ideal = SLOTS as f64 / 17.0;
    assert!((moved(&before, &after) as f64 - ideal).abs() < 1.0);
    assert_eq!(2, after.epoch());
    // Donors in pairs cut at their common border, so the new shard has 8 ranges and the old ones 16.
    assert_eq!(8, after.ranges("default", "s16").unwrap().len());
    assert_eq!(24, number_of_ranges(&after));
}

#[test]
fn a_heavier_shard_takes_its_share() {
    let before = initial(&equal_shards(16));
    let mut heavier = equal_shards(16);
    heavier[15].1 = 3;
    let after = before.plan(&heavier).unwrap();
    assert_balanced(&after, &heavier);
    assert!((moved(&before, &after) as f64 - ideal_movement(&before, &heavier)).abs() < 1.0);
    assert!(before.diff(&after).unwrap().iter().all(|step| step.target == "s15"));
}

#[test]
fn a_shard_of_weight_three_beside_32_of_weight_one_moves_three_parts_in_35() {
    let before = initial(&equal_shards(32));
    let mut shards = equal_shards(32);
    shards.push(("heavy".into(), 3));
    let after = before.plan(&shards).unwrap();
    assert_balanced(&after, &shards);
    assert!((moved(&before, &after) as f64 - SLOTS as f64 * 3.0 / 35.0).abs() < 1.0);
}

#[test]
fn adding_one_shard_at_a_time_up_to_128_keeps_ranges_few_and_all_moves_for_the_new_shard() {
    let mut map = initial(&equal_shards(1));
    for count in 2..=128 {
        let next = map.plan(&equal_shards(count)).unwrap();
        let newest = format!("s{}", count - 1);
        assert!(map.diff(&next).unwrap().iter().all(|step| step.target == newest), "at {count}");
        assert_balanced(&next, &equal_shards(count));
        // Each of n donors is cut once, two cuts meet: n/2 new ranges for each shard, n*n/4 in all.
        let few = count * count / 4 + 4 * count;
        assert!(number_of_ranges(&next) <= few, "{} ranges at {count} shards", number_of_ranges(&next));
        map = next;
    }
}

#[test]
fn growing_and_shrinking_back_leaves_the_balance_exact_and_ranges_join_again() {
    let mut map = initial(&equal_shards(1));
    let mut most = 0;
    for count in (2..=64).chain((2..=63).rev()) {
        let shards = equal_shards(count);
        map = map.plan(&shards).unwrap();
        assert_balanced(&map, &shards);
        most = most.max(number_of_ranges(&map));
    }
    assert!(number_of_ranges(&map) * 10 < most, "{} ranges, at most there were {most}", number_of_ranges(&map));
}

#[test]
fn doubling_the_shards_of_a_new_cluster_halves_its_ranges() {
    let before = initial(&equal_shards(4));
    assert_eq!(8, number_of_ranges(&before.plan(&equal_shards(8)).unwrap()));
}

#[test]
fn a_plan_of_the_same_shards_moves_nothing() {
    let shards: Shards = [("a", 3), ("b", 1), ("c", 0), ("d", 7)].map(|(name, weight)| (name.into(), weight)).into();
    let map = initial(&shards);
    assert_eq!(0, moved(&map, &map.plan(&shards).unwrap()));
    assert_eq!(0, counts(&map)["c"]);
}

fn weights() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..20, 1..40)
        .prop_filter("someone has a weight", |all| all.iter().any(|weight| *weight > 0))
}

fn named(weights: &[u32]) -> Shards {
    weights.iter().enumerate().map(|(number, weight)| (format!("s{number}"), *weight)).collect()
}

proptest! {
    #[test]
    fn slots_go_by_weight_with_an_error_below_one_slot(weights in weights()) {
        let shards = named(&weights);
        let map = initial(&shards);
        assert_balanced(&map, &shards);
        prop_assert_eq!(SLOTS, counts(&map).values().sum::<usize>());
        let owning = counts(&map).values().filter(|count| **count > 0).count();
        prop_assert_eq!(owning, number_of_ranges(&map));
    }

    #[test]
    fn an_added_shard_takes_slots_only_for_itself(weights in weights(), added in prop::collection::vec(1_u32..20, 1..4)) {
        let before = initial(&named(&weights));
        let mut all = weights.clone();
        all.extend(&added);
        let shards = named(&all);
        let after = before.plan(&shards).unwrap();
        assert_balanced(&after, &shards);
        for step in before.diff(&after).unwrap() {
            let number: usize = step.target[1..].parse().unwrap();
            prop_assert!(number >= weights.len(), "{step:?} is for an old shard");
        }
    }

    #[test]
    fn a_removed_shard_moves_only_its_own_slots(weights in prop::collection::vec(1_u32..20, 2..40), index in any::<prop::sample::Index>()) {
        let mut shards = named(&weights);
        let before = initial(&shards);
        let removed = shards.remove(index.index(shards.len())).0;
        let after = before.plan(&shards).unwrap();
        assert_balanced(&after, &shards);
        for step in before.diff(&after).unwrap() {
            prop_assert_eq!(&step.source, &removed);
        }
        prop_assert_eq!(counts(&before)[&removed], moved(&before, &after));
    }

    /// "Within one slot": each shard rounds its share by less than one slot.
    #[test]
    fn any_change_of_weights_moves_what_it_must_and_no_more(from in weights(), to in weights()) {
        let before = initial(&named(&from));
        let shards = named(&to);
        let after = before.plan(&shards).unwrap();
        assert_balanced(&after, &shards);
        let (old, new) = (counts(&before), counts(&after));
        let leaves = |(name, count): (&String, &usize)| count.saturating_sub(new.get(name).copied().unwrap_or(0));
        prop_assert_eq!(old.iter().map(leaves).sum::<usize>(), moved(&before, &after));
        let excess = moved(&before, &after) as f64 - ideal_movement(&before, &shards);
        prop_assert!(excess.abs() < 1.0 + from.len().max(to.len()) as f64, "{excess} slots above the ideal");
    }

    #[test]
    fn the_moves_of_a_diff_lead_from_one_map_to_the_other(from in weights(), to in weights()) {
        let before = initial(&named(&from));
        let after = before.plan(&named(&to)).unwrap();
        let union = if from.len() > to.len() {
            let mut all = to.clone();
            all.extend(&from[to.len()..]);
            all
        } else {
            to.clone()
        };
        let grown = before.with_shards(&named(&union)).unwrap();
        let moved = grown.with_moves(&before.diff(&after).unwrap()).unwrap();
        let last = moved.with_shards(&named(&to)).unwrap();
        prop_assert_eq!(after.groups(), last.groups());
        prop_assert_eq!(after.shards(), last.shards());
        prop_assert_eq!(4, last.epoch());
    }
}
