//! `GET /metrics`, `/healthz` and `/readyz`, one request a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::admin::metrics;
use crate::shared::Shared;

/// How long a request may take.
const LONGEST: Duration = Duration::from_secs(5);
/// Longest head of a request.
const MAX_HEAD: usize = 4096;
/// Requests at once.
const MOST: usize = 16;

/// Answer for ever.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(tokio::sync::Semaphore::new(MOST));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = timeout(LONGEST, answer(socket, &shared)).await;
            drop(place);
        });
    }
}

async fn answer(mut socket: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < MAX_HEAD {
        if socket.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (status, body) = respond(&head, shared);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body.as_bytes()).await?;
    socket.shutdown().await
}

fn respond(head: &[u8], shared: &Shared) -> (&'static str, String) {
    let mut words = head.split(u8::is_ascii_whitespace);
    match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => ("200 OK", metrics::page(shared)),
        (Some(b"GET"), Some(b"/healthz")) => ("200 OK", "alive\n".into()),
        (Some(b"GET"), Some(b"/readyz")) if shared.is_draining() => ("503 Service Unavailable", "draining\n".into()),
        (Some(b"GET"), Some(b"/readyz")) => ("200 OK", "ready\n".into()),
        _ => ("404 Not Found", "see /metrics, /healthz, /readyz\n".into()),
    }
}
