//! Server connections of one worker for one user, database, shard and port, and the clients that wait for them.

pub mod dial;
pub mod login;
pub mod reaper;
pub mod server;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::admin::metrics::Gauges;
use crate::auth::users::User;
use crate::config::load::Config;
use crate::error::{Error, Result};
use crate::pool::server::Server;
use crate::session::settings::Settings;
use crate::session::statements::Interner;
use crate::shared::{Budget, Shared};
use crate::topology::known::Known;
use crate::topology::lines::Target;

/// Pause before a server that did not take a connection is tried again, if nothing is heard of another one.
const PAUSE: Duration = Duration::from_millis(50);

/// Sets of settings whose parameters a pool remembers.
const WELCOMES: usize = 64;

/// Parameters that a server tells at login.
pub type Welcome = Vec<(String, String)>;

/// What a pool's connections have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who is logged in.
    pub user: String,
    /// To which database.
    pub database: String,
    /// On which shard.
    pub shard: String,
    /// On a replica.
    pub replica: bool,
}

/// A pool.
pub struct Pool {
    /// What its connections have in common.
    pub key: Key,
    /// Statements that clients of this pool have prepared.
    pub statements: Interner,
    shared: Arc<Shared>,
    shard: Arc<Known>,
    budget: Arc<Budget>,
    gauges: Arc<Gauges>,
    idle: RefCell<Vec<Server>>,
    waiters: RefCell<VecDeque<oneshot::Sender<Server>>>,
    welcomes: RefCell<HashMap<Rc<Settings>, Rc<Welcome>>>,
    held: Rc<Cell<usize>>,
    turn: Cell<usize>,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(key: Key, shared: Arc<Shared>) -> Self {
        let budget = shared.budget(&key, shared.config.load().document.pool.max);
        let gauges = shared.metrics.pool(&key);
        Self {
            shard: shared.shard(&key.shard),
            key,
            statements: Interner::default(),
            shared,
            budget,
            gauges,
            idle: RefCell::default(),
            waiters: RefCell::default(),
            welcomes: RefCell::default(),
            held: Rc::default(),
            turn: Cell::new(0),
        }
    }

    /// The counts of this pool.
    #[must_use]
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// What the servers say of their parameters at login with these settings; asks one the first time.
    ///
    /// # Errors
    /// No server could be asked, or it refused the settings.
    pub async fn welcome(&self, user: &User, settings: &Rc<Settings>) -> Result<Rc<Welcome>> {
        if let Some(known) = self.welcomes.borrow().get(settings) {
            return Ok(Rc::clone(known));
        }
        let mut server = self.check_out(user).await?;
        if server.settings != *settings {
            server.adopt(settings).await?;
        }
        let told = Rc::new(server.parameters.clone());
        self.check_in(server);
        let mut welcomes = self.welcomes.borrow_mut();
        if welcomes.len() >= WELCOMES {
            welcomes.clear();
        }
        welcomes.insert(Rc::clone(settings), Rc::clone(&told));
        Ok(told)
    }

    /// Take a connection: an idle one, a new one if there may be more, or wait for one.
    ///
    /// # Errors
    /// None came free in time, or no server could be reached in time.
    pub async fn check_out(&self, user: &User) -> Result<Server> {
        if let Some(server) = self.take_idle().await {
            return Ok(server);
        }
        let config = self.shared.config.load_full();
        let begun = Instant::now();
        let deadline = begun + config.document.pool.wait();
        let (permit, server) = if let Ok(permit) = Arc::clone(&self.budget.permits).try_acquire_owned() {
            (Some(permit), None)
        } else {
            self.wait(deadline, &config).await?
        };
        self.shared.metrics.waits.observe(begun.elapsed());
        match (server, permit) {
            (Some(server), _) => Ok(server),
            (None, Some(permit)) => self.connect(user, &config, permit).await,
            (None, None) => Err(Error::PoolWait(config.document.pool.wait_seconds)),
        }
    }

    /// The most recently used connection that still serves.
    async fn take_idle(&self) -> Option<Server> {
        loop {
            let mut server = self.idle.borrow_mut().pop()?;
            self.gauges.idle.fetch_sub(1, Ordering::Relaxed);
            if self.is_spent(&server) || server.stream.is_disturbed() {
                continue;
            }
            let check = self.shared.config.load().document.pool.check_seconds;
            if server.used.elapsed() < Duration::from_secs(check) || server.answers().await {
                return Some(server);
            }
        }
    }

    /// Wait in line for a connection of this worker, or for leave to make one.
    async fn wait(&self, deadline: Instant, config: &Config) -> Result<(Option<OwnedSemaphorePermit>, Option<Server>)> {
        let (sender, receiver) = oneshot::channel();
        self.waiters.borrow_mut().push_back(sender);
        let _waiting = Waiting::begin(&self.budget.waiting, &self.gauges.waiting);
        let permits = Arc::clone(&self.budget.permits);
        tokio::select! {
            biased;
            Ok(server) = receiver => Ok((None, Some(server))),
            Ok(permit) = permits.acquire_owned() => Ok((Some(permit), None)),
            () = sleep_until(deadline) => {
                self.shared.metrics.timeouts.fetch_add(1, Ordering::Relaxed);
                Err(Error::PoolWait(config.document.pool.wait_seconds))
            }
        }
    }

    /// Make a connection; keeps trying while there is no server that serves, for as long as clients are held.
    async fn connect(&self, user: &User, config: &Config, mut permit: OwnedSemaphorePermit) -> Result<Server> {
        let deadline = Instant::now() + config.document.pool.hold();
        let mut news = self.shared.news.subscribe();
        loop {
            let outlook = self.shard.outlook();
            self.turn.set(self.turn.get().wrapping_add(1));
            let error = if let Some(target) = outlook.target(self.key.replica, self.turn.get()) {
                match self.connect_to(user, config, target, outlook.term, permit, deadline).await {
                    Ok(server) => return Ok(server),
                    Err((error, _)) if !is_passing(&error) => return Err(error),
                    Err((error, back)) => {
                        permit = back;
                        error
                    }
                }
            } else {
                let role = if self.key.replica { "replica" } else { "primary" };
                let shard = &self.key.shard;
                Error::NoServer(format!(
                    "shard {shard} has no {role} that serves; it is being elected, or see its status"
                ))
            };
            if Instant::now() + PAUSE >= deadline || self.shared.is_draining() {
                return Err(error);
            }
            tokio::select! {
                _ = news.changed() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn connect_to(
        &self,
        user: &User,
        config: &Config,
        target: &Target,
        term: u64,
        permit: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> std::result::Result<Server, (Error, OwnedSemaphorePermit)> {
        let attempt = login::log_in(config, target, user, &self.key.database);
        match timeout_at(deadline, attempt).await.unwrap_or(Err(Error::Closed)) {
            Ok(greeted) => {
                self.shared.metrics.connects.fetch_add(1, Ordering::Relaxed);
                Ok(Server::new(greeted, target, term, permit, Rc::clone(&self.held), Arc::clone(&self.gauges)))
            }
            Err(error) => {
                self.shared.metrics.connect_errors.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(instance = target.instance, %error, "no server connection");
                Err((error, permit))
            }
        }
    }

    /// A connection made to `instance` in `term` is still of use.
    #[must_use]
    pub fn keeps(&self, term: u64, instance: &str) -> bool {
        self.shard.keeps(term, instance, self.key.replica)
    }

    /// A connection that is not to be used again: its time is over, or its server leads no more.
    fn is_spent(&self, server: &Server) -> bool {
        let pool = &self.shared.config.load().document.pool;
        server.made.elapsed() >= Duration::from_secs(pool.lifetime_seconds)
            || !self.keeps(server.term, &server.instance)
    }

    /// Give a connection back, between transactions and without state of its last client.
    pub fn check_in(&self, mut server: Server) {
        if self.is_spent(&server) {
            return;
        }
        server.used = Instant::now();
        let waiting = self.budget.waiting.load(Ordering::Relaxed);
        let mut waiters = self.waiters.borrow_mut();
        waiters.retain(|waiter| !waiter.is_closed());
        // Another worker's clients wait, and this one has more than its share: let them make one.
        if waiting > waiters.len() && self.held.get() > self.share() {
            return;
        }
        while let Some(waiter) = waiters.pop_front() {
            match waiter.send(server) {
                Ok(()) => return,
                Err(back) => server = back,
            }
        }
        self.gauges.idle.fetch_add(1, Ordering::Relaxed);
        self.idle.borrow_mut().push(server);
    }

    /// This worker's part of the connections.
    fn share(&self) -> usize {
        self.shared.config.load().document.pool.max.div_ceil(self.shared.workers.max(1))
    }
}

/// A client that waits, counted.
struct Waiting<'a>(&'a std::sync::atomic::AtomicUsize, &'a std::sync::atomic::AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(all: &'a std::sync::atomic::AtomicUsize, own: &'a std::sync::atomic::AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        own.fetch_add(1, Ordering::Relaxed);
        Self(all, own)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Another attempt may succeed: the server is starting, stopping, full, or away.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Closed => true,
        Error::ServerRefused { code, .. } => matches!(code.as_str(), "57P01" | "57P02" | "57P03" | "53300"),
        _ => false,
    }
}
