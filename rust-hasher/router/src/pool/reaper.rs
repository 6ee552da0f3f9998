//! Once a second: close idle connections whose time is over, and keep the fewest that shall stand.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::pool::Pool;
use crate::worker::Worker;

/// How often.
const PACE: Duration = Duration::from_secs(1);

/// Look after the pools of a worker for ever; at once when a new leader is heard of.
pub async fn run(worker: Rc<Worker>) {
    let mut news = worker.shared.news.subscribe();
    loop {
        tokio::select! {
            _ = news.changed() => worker.ring(),
            () = tokio::time::sleep(PACE) => {}
        }
        let pools: Vec<_> = worker.pools.borrow().values().map(Rc::clone).collect();
        for pool in pools {
            pool.sweep();
            pool.fill().await;
        }
    }
}

impl Pool {
    /// Close what is spent, broken or idle for too long.
    pub fn sweep(&self) {
        let config = self.shared.config.load();
        let limits = &config.document.pool;
        let idle = Duration::from_secs(limits.idle_seconds);
        let fewest = limits.min.div_ceil(self.shared.workers.max(1));
        let before = self.idle.borrow().len();
        let kept: Vec<_> = {
            let mut kept = Vec::with_capacity(before);
            for server in self.idle.borrow_mut().drain(..) {
                let surplus = self.held.get() > fewest && server.used.elapsed() >= idle;
                if !(surplus || self.is_spent(&server) || server.stream.is_disturbed()) {
                    kept.push(server);
                }
            }
            kept
        };
        self.gauges.idle.fetch_sub(before - kept.len(), Ordering::Relaxed);
        self.idle.borrow_mut().extend(kept);
    }

    /// Make connections until the fewest stand; the user's key is known once somebody has logged in.
    pub async fn fill(&self) {
        let config = self.shared.config.load_full();
        let fewest = config.document.pool.min.div_ceil(self.shared.workers.max(1));
        let Some(user) = config.users.find(&self.key.user).map(Arc::clone) else { return };
        if self.held.get() >= fewest || user.client().is_none() {
            return;
        }
        let outlook = self.shard.outlook();
        let Some(target) = outlook.target(self.key.replica, self.held.get()) else { return };
        let Ok(permit) = Arc::clone(&self.budget.permits).try_acquire_owned() else { return };
        let deadline = tokio::time::Instant::now() + PACE;
        if let Ok(server) = self.connect_to(&user, &config, target, outlook.term, permit, deadline).await {
            self.check_in(server);
        }
    }
}
