//! What has to move to get from one map to another.

use crate::error::Error;
use crate::group::{Group, HashGroup, Strategy};
use crate::hash::LAST_SLOT;
use crate::map::Map;

/// A run of slots of one group that leaves one shard for another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Move {
    /// Name of the group.
    pub group: String,
    /// First slot.
    pub first: u16,
    /// Last slot, inclusive.
    pub last: u16,
    /// Name of the shard that owns the slots.
    pub source: String,
    /// Name of the shard that shall own them.
    pub target: String,
}

impl Move {
    /// Number of slots that move.
    #[must_use]
    pub const fn slots(&self) -> u16 {
        self.last - self.first + 1
    }
}

/// The moves that turn `from` into `to`.
pub(crate) fn moves(from: &Map, to: &Map) -> Result<Vec<Move>, Error> {
    if from.cluster != to.cluster {
        return Err(Error::OtherCluster { current: from.cluster.clone(), offered: to.cluster.clone() });
    }
    if from.tables != to.tables {
        return Err(Error::NoSlotDiff("their tables differ".to_owned()));
    }
    for shard in &from.shards {
        if to.shards.iter().any(|other| other.name == shard.name && other.id != shard.id) {
            return Err(Error::NoSlotDiff(format!("shard {:?} has another id", shard.name)));
        }
    }
    if from.groups.len() != to.groups.len() {
        return Err(Error::NoSlotDiff("their groups differ".to_owned()));
    }
    let mut moves = Vec::new();
    for (old, new) in from.groups.iter().zip(&to.groups) {
        match (&old.strategy, &new.strategy) {
            (Strategy::Hash(olds), Strategy::Hash(news)) if old.name == new.name && olds.hashes() == news.hashes() => {
                for (first, last, source, target) in runs(olds, news) {
                    let source = shard_name(from, &old.name, source)?;
                    let target = shard_name(to, &new.name, target)?;
                    moves.push(Move { group: old.name.clone(), first, last, source, target });
                }
            }
            _ if old == new => {}
            _ => return Err(Error::NoSlotDiff(format!("group {:?} differs", old.name))),
        }
    }
    Ok(moves)
}

/// Runs of slots with one old and one other new owner.
fn runs(old: &HashGroup, new: &HashGroup) -> Vec<(u16, u16, u16, u16)> {
    let mut runs: Vec<(u16, u16, u16, u16)> = Vec::new();
    for slot in 0..=LAST_SLOT {
        let (source, target) = (old.owners()[usize::from(slot)], new.owners()[usize::from(slot)]);
        if source == target {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.1 + 1 == slot && (run.2, run.3) == (source, target) => run.1 = slot,
            _ => runs.push((slot, slot, source, target)),
        }
    }
    runs
}

fn shard_name(map: &Map, group: &str, id: u16) -> Result<String, Error> {
    map.shard_with_id(id)
        .map(|shard| shard.name.clone())
        .ok_or_else(|| Error::UnknownShardId { group: group.to_owned(), id })
}

/// Carries out one move on the groups of `map`.
pub(crate) fn apply(map: &Map, groups: &mut [Group], step: &Move) -> Result<(), Error> {
    let (first, last) = check_range(step.first.into(), step.last.into())?;
    let source = map.shard(&step.source)?.id;
    let target = map.shard(&step.target)?.id;
    let group = groups
        .iter_mut()
        .find(|group| group.name == step.group)
        .ok_or_else(|| Error::UnknownGroup(step.group.clone()))?;
    let hashed = group.hashed()?;
    let mut owners = Box::new(*hashed.owners());
    let places = &mut owners[usize::from(first)..=usize::from(last)];
    if places.iter().any(|owner| *owner != source) {
        return Err(Error::NotTheOwner { group: step.group.clone(), first, last, from: step.source.clone() });
    }
    places.fill(target);
    group.strategy = Strategy::Hash(HashGroup::new(*hashed.hashes(), owners));
    Ok(())
}

/// A range of slots that was checked to lie on the ring.
///
/// # Errors
/// [`Error::BadRange`] when it ends before it begins or beyond slot 16383.
pub fn check_range(first: i64, last: i64) -> Result<(u16, u16), Error> {
    match (u16::try_from(first), u16::try_from(last)) {
        (Ok(low), Ok(high)) if low <= high && high <= LAST_SLOT => Ok((low, high)),
        _ => Err(Error::BadRange { first, last }),
    }
}
