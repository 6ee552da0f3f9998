//! Which slots each shard gets, by weight and with as little movement as the weights allow.
//!
//! Every shard ends within one slot of its exact share. Only what is above its new share leaves a shard,
//! so an added shard takes slots only for itself and a removed one moves only its own. Donors give whole
//! ranges, longest first; what is left to give is cut from the end of a range, next to other slots that
//! leave, so that the number of ranges stays small.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::hash::SLOTS;
use crate::map::Shard;

type Owners = Box<[u16; SLOTS]>;

/// A run of slots: first and one past the last.
type Run = std::ops::Range<usize>;

/// Slots of a new group: each shard one range, in the order of the shards.
///
/// # Errors
/// [`Error::NoWeight`] when no shard may own slots.
pub fn initial(shards: &[Shard]) -> Result<Owners, Error> {
    let quotas = divide(shards, &BTreeMap::new())?;
    let mut owners = Box::new([0_u16; SLOTS]);
    let mut first = 0;
    for shard in shards {
        let end = first + quotas.get(&shard.id).copied().unwrap_or(0);
        owners[first..end].fill(shard.id);
        first = end;
    }
    Ok(owners)
}

/// Slots after a change of shards or weights.
///
/// # Errors
/// [`Error::NoWeight`] when no shard may own slots.
pub fn rebalance(current: &[u16; SLOTS], shards: &[Shard]) -> Result<Owners, Error> {
    let mut counts = BTreeMap::new();
    for owner in current {
        *counts.entry(*owner).or_insert(0) += 1;
    }
    let quotas = divide(shards, &counts)?;
    let owners = Box::new(*current);
    let mut pool = Pool { owners, free: Box::new([false; SLOTS]), surplus: BTreeMap::new() };
    for (id, count) in &counts {
        let keeps = quotas.get(id).copied().unwrap_or(0);
        if *count > keeps {
            pool.surplus.insert(*id, count - keeps);
        }
    }
    pool.take_whole_ranges();
    pool.take_ends();
    let missing = quotas
        .into_iter()
        .map(|(id, share)| (id, share.saturating_sub(counts.get(&id).copied().unwrap_or(0))))
        .filter(|(_, missing)| *missing > 0)
        .collect();
    pool.hand_out(missing);
    Ok(pool.owners)
}

/// How many slots each shard gets: its exact share rounded down, and one more for as many shards as
/// slots are left over.
///
/// Those that hold one more already keep it, as it would have to move otherwise; then the largest
/// remainder decides, then the order of the ids.
fn divide(shards: &[Shard], counts: &BTreeMap<u16, usize>) -> Result<BTreeMap<u16, usize>, Error> {
    let total: u64 = shards.iter().map(|shard| u64::from(shard.weight)).sum();
    if total == 0 {
        return Err(Error::NoWeight);
    }
    let mut quotas = BTreeMap::new();
    let mut remainders = Vec::new();
    for shard in shards {
        let product = SLOTS as u64 * u64::from(shard.weight);
        let whole = usize::try_from(product / total).unwrap_or(SLOTS);
        quotas.insert(shard.id, whole);
        let remainder = product % total;
        if remainder > 0 {
            let holds_more = counts.get(&shard.id).is_some_and(|count| *count > whole);
            remainders.push((!holds_more, std::cmp::Reverse(remainder), shard.id));
        }
    }
    let left = SLOTS - quotas.values().sum::<usize>();
    remainders.sort_unstable();
    for (_, _, id) in remainders.into_iter().take(left) {
        *quotas.entry(id).or_insert(0) += 1;
    }
    Ok(quotas)
}

/// Slots on their way: who owns what, which slots are free to be handed out, and how many each donor
/// still has to give.
struct Pool {
    owners: Owners,
    free: Box<[bool; SLOTS]>,
    surplus: BTreeMap<u16, usize>,
}

impl Pool {
    /// Frees whole ranges, longest first, as long as a donor's surplus covers them.
    fn take_whole_ranges(&mut self) {
        for (id, surplus) in self.surplus.clone() {
            let mut runs = self.runs_of(id);
            runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
            let given = longest_that_fit(&runs, surplus);
            self.surplus.insert(id, surplus - given.iter().map(Run::len).sum::<usize>());
            for run in given {
                self.free[run].fill(true);
            }
        }
        self.surplus.retain(|_, left| *left > 0);
    }

    /// Frees what donors still have to give, from one end of one of their ranges each.
    ///
    /// Every range left is longer than its donor's surplus, so one cut is enough.
    fn take_ends(&mut self) {
        let mut donors: Vec<(usize, u16)> = self.surplus.keys().map(|id| (self.first_slot_of(*id), *id)).collect();
        donors.sort_unstable();
        for (_, id) in donors {
            let Some(amount) = self.surplus.remove(&id) else { continue };
            let mut best: Option<(u8, usize, Run)> = None;
            for run in self.runs_of(id) {
                let low = (self.appeal(run.start.checked_sub(1)), run.len(), run.start..run.start + amount);
                let high = (self.appeal(Some(run.end)), run.len(), run.end - amount..run.end);
                for candidate in [low, high] {
                    if best.as_ref().is_none_or(|best| (candidate.0, candidate.1) > (best.0, best.1)) {
                        best = Some(candidate);
                    }
                }
            }
            if let Some((_, _, run)) = best {
                self.free[run].fill(true);
            }
        }
    }

    /// How good it is to cut a range beside this slot: best beside a free one, as the two leave as one
    /// range, then beside a donor that still has to cut and can do so there.
    fn appeal(&self, neighbour: Option<usize>) -> u8 {
        let Some(slot) = neighbour.filter(|slot| *slot < SLOTS) else { return 1 };
        if self.free[slot] {
            return 3;
        }
        if self.surplus.contains_key(&self.owners[slot]) { 2 } else { 0 }
    }

    /// Gives the free slots to the shards that miss some.
    ///
    /// First the compaction: free runs join a neighbour that needs all of their slots; those between two
    /// ranges of one shard join both, and then the shortest come first, as many short ones fit where one
    /// long one does. What is left goes longest first to the need that it fits best; only a run longer
    /// than every need is cut.
    fn hand_out(&mut self, mut missing: BTreeMap<u16, usize>) {
        let mut runs = self.free_runs();
        runs.sort_by_key(|run| {
            let [before, after] = self.neighbours(run);
            (before.is_none() || before != after, run.len(), run.start)
        });
        for run in runs {
            let needs = |id: &u16| missing.get(id).copied().unwrap_or(0);
            let sides = self.neighbours(&run).into_iter().flatten();
            let joined = sides.filter(|id| needs(id) >= run.len()).max_by_key(needs);
            if let Some(id) = joined {
                self.give(run, id, &mut missing);
            }
        }
        let mut queue = self.free_runs();
        while let Some(at) = (0..queue.len()).max_by_key(|at| (queue[*at].len(), std::cmp::Reverse(queue[*at].start))) {
            let run = queue.swap_remove(at);
            let Some((id, from_end)) = self.taker(&run, &missing) else { return };
            let amount = run.len().min(missing.get(&id).copied().unwrap_or(0));
            let (given, rest) = if from_end {
                (run.end - amount..run.end, run.start..run.end - amount)
            } else {
                (run.start..run.start + amount, run.start + amount..run.end)
            };
            self.give(given, id, &mut missing);
            if !rest.is_empty() {
                queue.push(rest);
            }
        }
    }

    /// Makes a shard the owner of a free run.
    fn give(&mut self, run: Run, id: u16, missing: &mut BTreeMap<u16, usize>) {
        if let Some(need) = missing.get_mut(&id) {
            *need -= run.len();
            missing.retain(|_, need| *need > 0);
        }
        self.owners[run.clone()].fill(id);
        self.free[run].fill(false);
    }

    /// Who owns the slots before and after a run; nobody owns a free slot.
    fn neighbours(&self, run: &Run) -> [Option<u16>; 2] {
        [run.start.checked_sub(1), Some(run.end)].map(|slot| {
            let slot = slot.filter(|slot| *slot < SLOTS && !self.free[*slot])?;
            Some(self.owners[slot])
        })
    }

    /// Who gets (a part of) a free run, and whether from its end.
    fn taker(&self, run: &Run, missing: &BTreeMap<u16, usize>) -> Option<(u16, bool)> {
        let [before, after] = self.neighbours(run).map(|id| id.filter(|id| missing.contains_key(id)));
        if let Some(id) = before.or(after) {
            return Some((id, before.is_none()));
        }
        let fitting = missing.iter().filter(|(_, need)| **need >= run.len()).min_by_key(|(_, need)| **need);
        let largest = || missing.iter().max_by_key(|(_, need)| **need);
        fitting.or_else(largest).map(|(id, _)| (*id, false))
    }

    /// Runs that a shard still owns.
    fn runs_of(&self, id: u16) -> Vec<Run> {
        runs(|slot| self.owners[slot] == id && !self.free[slot])
    }

    /// Runs that are free.
    fn free_runs(&self) -> Vec<Run> {
        runs(|slot| self.free[slot])
    }

    fn first_slot_of(&self, id: u16) -> usize {
        self.owners.iter().position(|owner| *owner == id).unwrap_or(SLOTS)
    }
}

/// The longest runs of slots that belong.
fn runs(belongs: impl Fn(usize) -> bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for slot in (0..SLOTS).filter(|slot| belongs(*slot)) {
        match runs.last_mut() {
            Some(run) if run.end == slot => run.end += 1,
            _ => runs.push(slot..slot + 1),
        }
    }
    runs
}

/// The longest runs that `amount` covers, longest first.
fn longest_that_fit(runs: &[Run], mut amount: usize) -> Vec<Run> {
    let mut fit = Vec::new();
    for run in runs {
        if run.len() <= amount {
            amount -= run.len();
            fit.push(run.clone());
        }
    }
    fit
}
