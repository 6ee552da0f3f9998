//! A thread with its own runtime, listeners and pools: what it serves never leaves it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::LocalSet;

use crate::error::Result;
use crate::pool::{Key, Pool, reaper};
use crate::session::login;
use crate::shared::Shared;

/// Connections that the kernel holds for a thread that is busy.
const BACKLOG: u32 = 1024;

/// Wakes a session from outside of it.
#[derive(Default)]
pub struct Alarm(pub Cell<Option<Waker>>);

/// What the sessions of a thread share.
pub struct Worker {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The pools.
    pub pools: RefCell<HashMap<Key, Rc<Pool>>>,
    alarms: RefCell<Vec<Weak<Alarm>>>,
}

impl Worker {
    /// The pool of a key.
    pub fn pool(&self, key: Key) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        Rc::clone(pools.entry(key.clone()).or_insert_with(|| Rc::new(Pool::new(key, Arc::clone(&self.shared)))))
    }

    /// An alarm for a new session.
    pub fn alarm(&self) -> Rc<Alarm> {
        let alarm = Rc::new(Alarm::default());
        let mut alarms = self.alarms.borrow_mut();
        if alarms.len() == alarms.capacity() {
            alarms.retain(|alarm| alarm.strong_count() > 0);
        }
        alarms.push(Rc::downgrade(&alarm));
        alarm
    }

    /// Wake all sessions: the outlook changed, or the router stops.
    pub fn ring(&self) {
        self.alarms.borrow_mut().retain(|alarm| {
            let alarm = alarm.upgrade();
            if let Some(waker) = alarm.as_ref().and_then(|alarm| alarm.0.take()) {
                waker.wake();
            }
            alarm.is_some()
        });
    }
}

/// Open a port that all threads listen on.
///
/// # Errors
/// The address is taken, or not of this host.
pub fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket.listen(BACKLOG)?)
}

/// Serve until the router stops and the last session is over.
///
/// # Errors
/// A port could not be opened.
pub async fn run(shared: Arc<Shared>) -> Result<()> {
    let listen_at = shared.config.load().document.listen.clone();
    let worker = Rc::new(Worker { shared, pools: RefCell::default(), alarms: RefCell::default() });
    let sessions = LocalSet::new();
    let mut ports = Vec::new();
    for (port, replica) in [(Some(listen_at.primary), false), (listen_at.replica, true)] {
        if let Some(port) = port {
            ports.push((listen(SocketAddr::new(listen_at.address, port))?, replica));
        }
    }
    for (port, replica) in ports {
        sessions.spawn_local(accept(Rc::clone(&worker), port, replica));
    }
    sessions.spawn_local(reaper::run(Rc::clone(&worker)));
    sessions.run_until(drained(worker)).await;
    Ok(())
}

async fn accept(worker: Rc<Worker>, port: TcpListener, replica: bool) {
    loop {
        match port.accept().await {
            Ok((socket, _)) => drop(tokio::task::spawn_local(login::serve(Rc::clone(&worker), socket, replica))),
            Err(error) => {
                tracing::warn!(%error, "no connection could be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Wait until the router was told to stop, and then for sessions that are amid a transaction.
async fn drained(worker: Rc<Worker>) {
    let mut draining = worker.shared.draining.subscribe();
    let _ = draining.wait_for(|draining| *draining).await;
    worker.ring();
    let seconds = worker.shared.config.load().document.limits.drain_seconds;
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while tokio::time::Instant::now() < end {
        if worker.alarms.borrow().iter().all(|alarm| alarm.strong_count() == 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
