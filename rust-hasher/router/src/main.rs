//! `covet-router --config FILE`: read the configuration, start a thread for every worker, and watch over them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use covet_router::admin::http;
use covet_router::config::{load, watch};
use covet_router::error::{Error, Result};
use covet_router::schema;
use covet_router::shared::Shared;
use covet_router::topology::follow;
use covet_router::worker;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [flag, path] = words.as_slice() else { return usage() };
    if flag != "--config" {
        return usage();
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_max_level(tracing::Level::INFO).init();
    match start(Path::new(path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the router cannot run");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"usage: covet-router --config FILE\n");
    ExitCode::from(2)
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn start(path: &Path) -> Result<()> {
    let config = load::load(path)?;
    let workers = match config.document.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let shared = Arc::new(Shared::new(config, workers));
    let mut threads = Vec::new();
    for number in 0..workers {
        let shared = Arc::clone(&shared);
        let name = format!("worker-{number}");
        threads.push(thread::Builder::new().name(name).spawn(move || {
            let done = runtime().and_then(|runtime| runtime.block_on(worker::run(Arc::clone(&shared))));
            // One that cannot listen ends them all.
            shared.draining.send_replace(true);
            done
        })?);
    }
    runtime()?.block_on(control(path.to_owned(), Arc::clone(&shared)))?;
    for thread in threads {
        thread.join().map_err(|_| Error::Protocol("a worker panicked"))??;
    }
    Ok(())
}

/// What is not a session's: signals, the configuration, the topology, metrics. Ends when the router is to stop.
async fn control(path: PathBuf, shared: Arc<Shared>) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let listen = shared.config.load().document.listen.clone();
    if let Some(port) = listen.admin {
        let listener = worker::listen(SocketAddr::new(listen.address, port))?;
        tokio::spawn(http::serve(listener, Arc::clone(&shared)));
    }
    tokio::spawn(watch::watch(path, Arc::clone(&shared), hangup));
    tokio::spawn(follow::follow(Arc::clone(&shared)));
    tokio::spawn(schema::follow::follow(Arc::clone(&shared)));
    tracing::info!(address = %listen.address, port = listen.primary, workers = shared.workers, "the router takes clients");
    let mut draining = shared.draining.subscribe();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = draining.wait_for(|draining| *draining) => {}
    }
    tracing::info!("the router stops; transactions that are open may end");
    shared.draining.send_replace(true);
    Ok(())
}
