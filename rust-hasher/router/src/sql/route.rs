//! From a template and the values of one statement to the shards that shall run it.

use std::borrow::Cow;

use covet_ring::Map;

use super::refusal::{Feature, Refusal};
use super::strings;
use super::template::{ColumnType, CopyRows, KeyColumn, KeySet, Kind, Plan, Rows, SessionVerb, Template, TxnVerb};
use super::value::{self, KeyValue, Values};

/// Words that stand for a moment in the text of a date or time.
const MOMENTS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];
/// Longer texts are no dates.
const MOMENT_BYTES: usize = 40;

/// Where one statement goes. Shards are named by their ids in the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<'t> {
    /// To one shard, whichever.
    Any,
    /// To this shard.
    Shard(u16),
    /// To these shards, at least two, whose answers are put one after the other.
    Shards(Vec<u16>),
    /// A part of the INSERT to each: shard, and indices of rows in their order.
    Split(Vec<(u16, Vec<usize>)>),
    /// To all shards, and done only when all have done it.
    All,
    /// Row by row, see [`super::copy::shard_of_row`].
    CopyRows(&'t CopyRows),
    /// The session's own affair.
    Session(&'t SessionVerb),
    /// The transaction's own affair.
    Transaction(&'t TxnVerb),
    /// The router answers with [`super::explain::lines`] of the template inside.
    Explain(&'t Template),
}

/// Decides where a statement goes; `wanted` is the shard of a hint or of the session's override.
///
/// # Errors
/// The refusal of the template, unless `wanted` overrides it; those of keys; [`Feature::HintConflict`],
/// [`Feature::HintUseless`].
pub fn route<'t>(
    template: &'t Template,
    values: &Values<'_>,
    wanted: Option<u16>,
    map: &Map,
) -> Result<Decision<'t>, Refusal> {
    let plan = match (&template.plan, wanted) {
        (Ok(plan), _) => plan,
        (Err(refusal), Some(shard)) if is_overridden(template.kind, refusal.feature) => {
            return known(shard, map).map(Decision::Shard);
        }
        (Err(refusal), _) => return Err(refusal.clone()),
    };
    let decision = follow(plan, values, map)?;
    if template.kind == Kind::Write && decision == Decision::All {
        refuse_moments(values)?;
    }
    match wanted {
        None => allowed(plan, decision, map),
        Some(shard) => hinted(plan, &decision, known(shard, map)?),
    }
}

/// The id of the shard that a hint names.
///
/// # Errors
/// [`Feature::UnknownShard`]
pub fn shard_named(name: &str, map: &Map) -> Result<u16, Refusal> {
    map.shard(name).map(|shard| shard.id).map_err(|_| Refusal::new(Feature::UnknownShard, name))
}

/// The shard of a key given as text, for `SET covet.shard_key`.
///
/// # Errors
/// Those of keys.
pub fn shard_of_text(text: &str, group: &str, ty: ColumnType, map: &Map) -> Result<u16, Refusal> {
    let column = KeyColumn { group: group.to_owned(), name: "covet.shard_key".to_owned(), ty };
    owner(&value::read_text(text.into(), ty, &column)?, &column, map)
}

/// Where several statements of one message go, which the server runs as one transaction.
///
/// # Errors
/// [`Feature::SeveralStatements`] unless all of them go to one shard.
pub fn together(decisions: Vec<Decision<'_>>) -> Result<Decision<'_>, Refusal> {
    if decisions.len() == 1 {
        return decisions.into_iter().next().ok_or_else(|| Feature::Syntax.into());
    }
    let mut shard = None;
    for decision in decisions {
        match (decision, shard) {
            (Decision::Any, _) => {}
            (Decision::Shard(one), None) => shard = Some(one),
            (Decision::Shard(one), Some(other)) if one == other => {}
            _ => return Err(Feature::SeveralStatements.into()),
        }
    }
    Ok(shard.map_or(Decision::Any, Decision::Shard))
}

fn known(shard: u16, map: &Map) -> Result<u16, Refusal> {
    map.shard_with_id(shard).map(|shard| shard.id).ok_or_else(|| Refusal::new(Feature::UnknownShard, shard.to_string()))
}

/// The decision of a plan, before it is known whether several shards may answer.
fn follow<'t>(plan: &'t Plan, values: &Values<'_>, map: &Map) -> Result<Decision<'t>, Refusal> {
    Ok(match plan {
        Plan::Any => Decision::Any,
        Plan::All => Decision::All,
        Plan::Scatter { .. } => to_shards(map.shards().iter().map(|shard| shard.id).collect()),
        Plan::Keyed(keyed) => {
            let mut sets = keyed.keys.iter().map(|set| shards_of(set, values, map));
            let first = sets.next().transpose()?.unwrap_or_default();
            for set in sets {
                let other = set?;
                if first.len() != 1 || other != first {
                    return Err(Feature::ApartJoin.into());
                }
            }
            to_shards(first)
        }
        Plan::Rows(rows) => divide(rows, values, map)?,
        Plan::CopyRows(copy) => Decision::CopyRows(copy),
        Plan::Session(verb) => Decision::Session(verb),
        Plan::Transaction(verb) => Decision::Transaction(verb),
        Plan::ExplainCovet(inner) => Decision::Explain(inner),
    })
}

/// Refuses strings that dates and times are made of when they are read: each shard would read another moment.
fn refuse_moments(values: &Values<'_>) -> Result<(), Refusal> {
    let is_moment = |text: &str| {
        let mut words = text.split(|char: char| !char.is_ascii_alphabetic());
        text.len() <= MOMENT_BYTES && words.any(|word| MOMENTS.iter().any(|moment| word.eq_ignore_ascii_case(moment)))
    };
    let literals = values.literals.iter().filter_map(|literal| strings::text_of(values.text, *literal).ok());
    let params = values.params.iter().filter(|param| !param.binary).filter_map(|param| param.value);
    let params = params.filter_map(|value| std::str::from_utf8(value).ok()).map(Cow::Borrowed);
    match literals.chain(params).find(|text| is_moment(text)) {
        Some(text) => Err(Refusal::new(Feature::ReferenceVolatile, format!("the text {text:?}"))),
        None => Ok(()),
    }
}

fn to_shards(mut shards: Vec<u16>) -> Decision<'static> {
    shards.sort_unstable();
    if let [only] = shards.as_slice() { Decision::Shard(*only) } else { Decision::Shards(shards) }
}

/// The shards that own the values of a key, each once, in rising order.
fn shards_of(set: &KeySet, values: &Values<'_>, map: &Map) -> Result<Vec<u16>, Refusal> {
    let mut shards = Vec::with_capacity(1);
    for place in &set.values {
        let shard = owner(&values.read(place, &set.column)?, &set.column, map)?;
        if !shards.contains(&shard) {
            shards.push(shard);
        }
    }
    shards.sort_unstable();
    Ok(shards)
}

/// The shard that owns a key.
pub(super) fn owner(value: &KeyValue<'_>, column: &KeyColumn, map: &Map) -> Result<u16, Refusal> {
    let found = map.group(&column.group).and_then(|group| group.owner_of(value.key()));
    found.map_err(|error| match error {
        covet_ring::Error::Uncovered { .. } => Refusal::new(Feature::Uncovered, error.to_string()),
        other => Refusal::new(Feature::KeyType, other.to_string()),
    })
}

fn divide(rows: &Rows, values: &Values<'_>, map: &Map) -> Result<Decision<'static>, Refusal> {
    let mut parts: Vec<(u16, Vec<usize>)> = Vec::new();
    for (at, row) in rows.rows.iter().enumerate() {
        let shard = owner(&values.read(&row.key, &rows.column)?, &rows.column, map)?;
        if let Some((_, indices)) = parts.iter_mut().find(|(other, _)| *other == shard) {
            indices.push(at);
        } else {
            parts.push((shard, vec![at]));
        }
    }
    parts.sort_unstable_by_key(|(shard, _)| *shard);
    Ok(match parts.as_slice() {
        [(only, _)] => Decision::Shard(*only),
        _ => Decision::Split(parts),
    })
}

/// Refuses a decision for several shards where only one may answer.
fn allowed<'t>(plan: &Plan, decision: Decision<'t>, map: &Map) -> Result<Decision<'t>, Refusal> {
    let verdict = match (plan, &decision) {
        (Plan::Keyed(keyed), Decision::Shards(_)) => &keyed.spread,
        (Plan::Rows(rows), Decision::Split(_)) => &rows.split,
        _ => &Ok(()),
    };
    let names = |shards: &mut dyn Iterator<Item = u16>| {
        let name = |id| map.shard_with_id(id).map_or_else(|| id.to_string(), |shard| shard.name.clone());
        shards.map(name).collect::<Vec<_>>().join(", ")
    };
    match (verdict, &decision) {
        (Ok(()), _) => Ok(decision),
        (Err(refusal), Decision::Shards(shards)) if refusal.about.is_empty() => {
            Err(Refusal::new(refusal.feature, names(&mut shards.iter().copied())))
        }
        (Err(refusal), Decision::Split(parts)) if refusal.about.is_empty() => {
            Err(Refusal::new(refusal.feature, names(&mut parts.iter().map(|(shard, _)| *shard))))
        }
        (Err(refusal), _) => Err(refusal.clone()),
    }
}

/// What a hint makes of a statement that is understood: it may choose where all shards would do, never contradict.
fn hinted<'t>(plan: &Plan, decision: &Decision<'t>, shard: u16) -> Result<Decision<'t>, Refusal> {
    let is_write = matches!(plan, Plan::Keyed(keyed) if keyed.spread == Err(Feature::SpreadWrite.into()));
    match decision {
        Decision::Any => Ok(Decision::Shard(shard)),
        Decision::Shard(owner) if *owner == shard => Ok(Decision::Shard(shard)),
        Decision::Shards(owners) if owners.contains(&shard) && !is_write => Ok(Decision::Shard(shard)),
        Decision::Session(_) | Decision::Transaction(_) | Decision::Explain(_) => Err(Feature::HintUseless.into()),
        _ => Err(Feature::HintConflict.into()),
    }
}

/// Whether a shard given by the user may stand for what the router does not understand.
///
/// Only for reads and writes of rows, and only for shapes: what harms the session, hides a statement or moves
/// a row away from its key stays refused.
fn is_overridden(kind: Kind, feature: Feature) -> bool {
    use Feature as F;
    let rows = matches!(kind, Kind::Read | Kind::Write);
    let shape = matches!(
        feature,
        F::Subquery
            | F::CommonTable
            | F::SetOperation
            | F::OuterJoin
            | F::NaturalJoin
            | F::FromItem
            | F::AnyArray
            | F::ColumnAliases
            | F::InsertSelect
            | F::UpdateFrom
            | F::DeleteUsing
            | F::Frame
            | F::NamedArgument
            | F::SchemaFunction
            | F::Function
            | F::MixedTables
            | F::Relation
            | F::UnplacedTable
            | F::WriteWithoutKey
            | F::UnequatedJoin
            | F::GroupJoin
            | F::OuterReference
            | F::SpreadOrder
            | F::SpreadLimit
            | F::SpreadAggregate
            | F::SpreadGroup
            | F::SpreadDistinct
            | F::SpreadWindow
            | F::SpreadLock
            | F::Only
    );
    rows && shape
}
