//! Take up a new configuration when SIGHUP says so, or when a file was changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::Signal;

use crate::config::load::{self, Config};
use crate::shared::Shared;

/// How often files are compared.
const PACE: Duration = Duration::from_secs(2);

/// What all files of a configuration hold; None for one that cannot be read.
fn contents(path: &Path, config: &Config) -> Vec<Option<Vec<u8>>> {
    let files = load::files(&config.document).into_iter();
    std::iter::once(path).chain(files).map(|path| fs::read(path).ok()).collect()
}

/// Watch for ever.
pub async fn watch(path: PathBuf, shared: Arc<Shared>, mut hangup: Signal) {
    let mut seen = contents(&path, &shared.config.load());
    loop {
        let told = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(PACE) => false,
        };
        let now = contents(&path, &shared.config.load());
        if !told && now == seen {
            continue;
        }
        reload(&path, &shared);
        seen = contents(&path, &shared.config.load());
    }
}

/// Read everything anew and put it in force, or say why not.
fn reload(path: &Path, shared: &Shared) {
    match load::load(path) {
        Ok(mut config) => {
            let former = shared.config.load();
            if let (Some(own), Some(offered)) = (&former.map, &config.map)
                && let Err(error) = offered.check_successor_of(own)
            {
                shared.metrics.config_valid.store(0, Ordering::Relaxed);
                tracing::error!(%error, "the new map is refused; the former configuration stays in force");
                return;
            }
            let (old, new) = (&former.document, &config.document);
            if (&old.listen, old.workers) != (&new.listen, new.workers) {
                tracing::warn!("listen and workers were changed; they come into force with a restart");
            }
            if let Some(users) = Arc::into_inner(config.users) {
                config.users = Arc::new(users.inherit(&former.users));
                shared.config.store(Arc::new(config));
                shared.metrics.config_valid.store(1, Ordering::Relaxed);
                shared.news.send_replace(());
                tracing::info!("a new configuration is in force");
            }
        }
        Err(error) => {
            shared.metrics.config_valid.store(0, Ordering::Relaxed);
            tracing::error!(%error, "the new configuration is refused; the former one stays in force");
        }
    }
}
