//! The catalogs of the databases, for as long as the router runs, and who may ask the shards for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use covet_ring::Map;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::schema::answer::PathRow;
use crate::schema::merge::Fault;
use crate::schema::paths;
use crate::shared::lock;
use crate::sql::Catalog;

/// What statements are routed by, together.
#[derive(Debug)]
pub struct Known {
    /// The tables.
    pub catalog: Catalog,
    /// Which shard owns a key.
    pub map: Arc<Map>,
    /// Rises with each reading that says something new; no two readings of a router have the same.
    pub version: u64,
    /// What differs between shards, or is placed and missing.
    pub faults: Vec<Fault>,
    /// Search paths of roles and of the database.
    pub paths: Vec<PathRow>,
    /// The search path of all others, if known.
    pub base: Option<String>,
}

impl Known {
    /// The schemas that a user's new sessions look in; None where that is not known.
    #[must_use]
    pub fn search_path(&self, user: &str) -> Option<Vec<String>> {
        paths::of_user(user, &self.paths, self.base.as_deref())
    }
}

/// The catalog of a database.
pub struct Entry {
    /// Its name.
    pub database: String,
    /// Reads it: whoever logged in last.
    user: Mutex<Option<String>>,
    known: watch::Sender<Option<Arc<Known>>>,
    /// Why the last reading failed.
    failed: Mutex<Option<String>>,
    bell: Arc<Notify>,
}

impl Entry {
    /// What is known at present; None before the first reading.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Known>> {
        self.known.borrow().clone()
    }

    /// A user has logged in: its key may be used to read the catalog.
    pub fn entered(&self, user: &str) {
        let before = lock(&self.user).replace(user.to_owned());
        if before.is_none() || self.known.borrow().is_none() {
            self.bell.notify_one();
        }
    }

    /// A definition ran: read anew, soon.
    pub fn changed(&self) {
        self.bell.notify_one();
    }

    /// Wait for the first reading.
    ///
    /// # Errors
    /// It did not come in time; says why if that is known.
    pub async fn ready(&self, wait: Duration) -> Result<Arc<Known>> {
        let mut news = self.known.subscribe();
        if let Ok(Ok(known)) = timeout(wait, news.wait_for(Option::is_some)).await
            && let Some(known) = known.clone()
        {
            return Ok(known);
        }
        let why = lock(&self.failed).clone().unwrap_or_else(|| "the shards have not answered yet".to_owned());
        Err(Error::NoCatalog(why))
    }

    /// Who reads it.
    #[must_use]
    pub(super) fn user(&self) -> Option<String> {
        lock(&self.user).clone()
    }

    /// Why the last reading failed.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        lock(&self.failed).clone()
    }

    /// A reading failed; true if it is for another reason than the one before.
    pub(super) fn fail(&self, why: String) -> bool {
        lock(&self.failed).replace(why.clone()) != Some(why)
    }

    /// A reading says something new, or for the first time anything.
    pub(super) fn publish(&self, known: Known) {
        *lock(&self.failed) = None;
        self.known.send_replace(Some(Arc::new(known)));
    }

    /// A reading says what is known.
    pub(super) fn confirm(&self) {
        *lock(&self.failed) = None;
    }
}

/// The catalogs of all databases.
#[derive(Default)]
pub struct Catalogs {
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    versions: AtomicU64,
    pub(super) bell: Arc<Notify>,
}

impl Catalogs {
    /// The catalog of a database.
    #[must_use]
    pub fn entry(&self, database: &str) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        let made = entries.entry(database.to_owned()).or_insert_with(|| {
            Arc::new(Entry {
                database: database.to_owned(),
                user: Mutex::default(),
                known: watch::Sender::new(None),
                failed: Mutex::default(),
                bell: Arc::clone(&self.bell),
            })
        });
        Arc::clone(made)
    }

    /// All of them, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = lock(&self.entries).values().cloned().collect();
        all.sort_unstable_by(|one, other| one.database.cmp(&other.database));
        all
    }

    /// A number that no reading had before.
    pub(super) fn version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::Relaxed) + 1
    }
}
