//! What all threads share: the configuration in force, what is known of the shards, counts, and the keys of cancel requests.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, watch};

use crate::admin::metrics::Metrics;
use crate::cancel::Cancels;
use crate::config::load::Config;
use crate::pool::Key;
use crate::schema::catalogs::Catalogs;
use crate::topology::known::Known;
use crate::topology::lines::Outlook;

/// What several workers' pools of one key have in common.
#[derive(Debug)]
pub struct Budget {
    /// Server connections that may still be made.
    pub permits: Arc<Semaphore>,
    /// Clients that wait, over all workers.
    pub waiting: AtomicUsize,
}

/// What all threads share.
pub struct Shared {
    /// The configuration in force.
    pub config: ArcSwap<Config>,
    /// Counts.
    pub metrics: Metrics,
    /// Catalogs of the databases.
    pub catalogs: Catalogs,
    /// Rings when the configuration or the outlook of a shard changed.
    pub news: watch::Sender<()>,
    /// True once the router was told to stop.
    pub draining: watch::Sender<bool>,
    /// Sessions that may be cancelled.
    pub cancels: Cancels,
    /// Clients, those that log in included.
    pub clients: Arc<AtomicUsize>,
    /// Number of threads.
    pub workers: usize,
    shards: Mutex<HashMap<String, Arc<Known>>>,
    databases: Mutex<HashMap<String, Arc<AtomicUsize>>>,
    budgets: Mutex<HashMap<Key, Arc<Budget>>>,
}

impl Shared {
    /// Begin with a configuration.
    #[must_use]
    pub fn new(config: Config, workers: usize) -> Self {
        Self {
            config: ArcSwap::from_pointee(config),
            metrics: Metrics::default(),
            catalogs: Catalogs::default(),
            news: watch::Sender::new(()),
            draining: watch::Sender::new(false),
            cancels: Cancels::default(),
            clients: Arc::default(),
            workers,
            shards: Mutex::default(),
            databases: Mutex::default(),
            budgets: Mutex::default(),
        }
    }

    /// What is known of a shard.
    #[must_use]
    pub fn shard(&self, name: &str) -> Arc<Known> {
        let mut shards = lock(&self.shards);
        let made = shards.entry(name.to_owned()).or_insert_with(|| Arc::new(Known::new(name.to_owned())));
        Arc::clone(made)
    }

    /// Make an outlook of a shard known, if it says something new.
    pub fn publish(&self, shard: &Known, outlook: Outlook) {
        if shard.learn(outlook) {
            self.news.send_replace(());
        }
    }

    /// The count of clients of a database.
    #[must_use]
    pub fn database(&self, name: &str) -> Arc<AtomicUsize> {
        let mut counts = lock(&self.databases);
        Arc::clone(counts.entry(name.to_owned()).or_default())
    }

    /// What the pools of a key have in common.
    #[must_use]
    pub fn budget(&self, key: &Key, most: usize) -> Arc<Budget> {
        let mut budgets = lock(&self.budgets);
        let made = budgets.entry(key.clone()).or_insert_with(|| {
            Arc::new(Budget { permits: Arc::new(Semaphore::new(most)), waiting: AtomicUsize::new(0) })
        });
        Arc::clone(made)
    }

    /// The router was told to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

/// Lock what no holder leaves half-changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
