//! Read the catalogs when somebody has logged in, a definition ran, or map or configuration changed; else every few seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::config::load::Config;
use crate::error::{Error, Result};
use crate::schema::answer::Answer;
use crate::schema::catalogs::{Entry, Known};
use crate::schema::merge::merge;
use crate::schema::placement::placements;
use crate::schema::read::{Digest, Reader};
use crate::shared::Shared;

/// How often the shards are asked whether their catalogs are still what they were.
const PACE: Duration = Duration::from_secs(2);
/// Pause after a reading that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// What is kept of a shard between two readings of a database.
#[derive(Default)]
struct Kept {
    reader: Option<Reader>,
    answer: Option<(Digest, Answer)>,
}

/// What is kept of a database.
#[derive(Default)]
struct Book {
    shards: HashMap<String, Kept>,
    /// What the last publication was made with.
    config: Option<Arc<Config>>,
}

/// Follow for ever.
pub async fn follow(shared: Arc<Shared>) {
    let mut books: HashMap<String, Book> = HashMap::new();
    let mut news = shared.news.subscribe();
    loop {
        let config = shared.config.load_full();
        let mut well = true;
        if config.map.is_some() {
            for entry in shared.catalogs.all() {
                let book = books.entry(entry.database.clone()).or_default();
                if let Err(error) = read(&shared, &config, &entry, book).await {
                    if entry.fail(error.to_string()) {
                        tracing::warn!(database = entry.database, %error, "the catalog could not be read");
                    }
                    well = false;
                }
            }
        }
        tokio::select! {
            () = shared.catalogs.bell.notified() => {}
            _ = news.changed() => {}
            () = tokio::time::sleep(if well { PACE } else { PAUSE }) => {}
        }
    }
}

/// Read a database's catalog from all shards at once, and make it known if it says something new.
async fn read(shared: &Arc<Shared>, config: &Arc<Config>, entry: &Entry, book: &mut Book) -> Result<()> {
    let (Some(map), Some(user)) = (&config.map, entry.user()) else { return Ok(()) };
    let mut tasks = JoinSet::new();
    for shard in map.shards() {
        let kept = book.shards.remove(&shard.name).unwrap_or_default();
        let (shared, config) = (Arc::clone(shared), Arc::clone(config));
        let (name, user, database) = (shard.name.clone(), user.clone(), entry.database.clone());
        tasks.spawn(async move { (name.clone(), ask(&shared, &config, kept, &name, &user, &database).await) });
    }
    book.shards.retain(|name, _| map.shards().iter().any(|shard| shard.name == *name));
    let (mut new, mut failed) = (false, None);
    while let Some(done) = tasks.join_next().await {
        let (name, (kept, outcome)) = done.map_err(|_| Error::Protocol("a reader of the catalog panicked"))?;
        match outcome {
            Ok(changed) => new |= changed,
            Err(error) => failed = Some(Error::NoCatalog(format!("shard {name}: {error}"))),
        }
        book.shards.insert(name, kept);
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let current = entry.current();
    if !new && current.is_some() && book.config.as_ref().is_some_and(|former| Arc::ptr_eq(former, config)) {
        entry.confirm();
        return Ok(());
    }
    let mut answers = Vec::new();
    for shard in map.shards() {
        if let Some((_, answer)) = book.shards.get(&shard.name).and_then(|kept| kept.answer.clone()) {
            answers.push((shard.name.clone(), answer));
        }
    }
    let Some((_, first)) = answers.first() else { return Ok(()) };
    let (paths, base) = (first.paths.clone(), answers.iter().find_map(|(_, answer)| answer.search_path.clone()));
    let sharding = config.document.sharding.clone().unwrap_or_default();
    let all: Vec<_> = answers.iter().flat_map(|(_, answer)| answer.relations.iter().cloned()).collect();
    let merged = merge(&answers, &placements(map, &sharding, &all));
    for fault in &merged.faults {
        tracing::warn!(database = entry.database, fault = %fault, "the shards' catalogs are not as they should be");
    }
    let version = shared.catalogs.version();
    let tables = merged.catalog.tables().len();
    tracing::info!(database = entry.database, version, epoch = map.epoch(), tables, "the catalog was read");
    let (catalog, faults, map) = (merged.catalog, merged.faults, Arc::clone(map));
    entry.publish(Known { catalog, map, version, faults, paths, base });
    book.config = Some(Arc::clone(config));
    Ok(())
}

/// Ask one shard; true if it says something else than before.
async fn ask(
    shared: &Shared,
    config: &Config,
    mut kept: Kept,
    name: &str,
    user: &str,
    database: &str,
) -> (Kept, Result<bool>) {
    let outlook = shared.shard(name).outlook();
    let Some(target) = outlook.target(false, 0) else {
        return (kept, Err(Error::NoServer("it has no primary that serves".to_owned())));
    };
    if kept.reader.as_ref().is_none_or(|reader| reader.term != outlook.term || reader.target != *target) {
        kept.reader = None;
        let Some(user) = config.users.find(user) else {
            return (kept, Err(Error::Password(user.to_owned())));
        };
        match Reader::open(config, target, outlook.term, user, database).await {
            Ok(reader) => kept.reader = Some(reader),
            Err(error) => return (kept, Err(error)),
        }
    }
    let Some(reader) = &mut kept.reader else { return (kept, Err(Error::Closed)) };
    match reader.ask(kept.answer.as_ref().map(|(digest, _)| digest)).await {
        Ok(None) => (kept, Ok(false)),
        Ok(found) => {
            kept.answer = found;
            (kept, Ok(true))
        }
        Err(error) => {
            kept.reader = None;
            (kept, Err(error))
        }
    }
}
