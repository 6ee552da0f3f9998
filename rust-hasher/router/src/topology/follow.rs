//! Hold a stream to every agent of every shard, and publish what follows from their lines.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::load::Config;
use crate::config::{Instance, Shard};
use crate::error::{Error, Result};
use crate::net::stream::Stream;
use crate::pool::dial;
use crate::shared::Shared;
use crate::topology::chunks::Chunks;
use crate::topology::known::Known;
use crate::topology::lines::{Line, MAX_LINE, Outlook, conclude};
use crate::wire::buffer::Buffer;

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(2);
/// A stream without a line for so long is dead.
const SILENT: Duration = Duration::from_secs(3);
/// Pause after a stream that ended.
const PAUSE: Duration = Duration::from_millis(300);
/// Longest head of an answer.
const MAX_HEAD: usize = 16 << 10;

/// A shard, and the newest lines of its agents whose streams are alive, by instance.
struct Followed {
    shard: Shard,
    known: Arc<Known>,
    lines: Mutex<BTreeMap<String, Line>>,
}

/// Follow for ever; begin anew when the configuration names other instances.
pub async fn follow(shared: Arc<Shared>) {
    let mut news = shared.news.subscribe();
    loop {
        let config = shared.config.load_full();
        let shards = config.document.shards.clone();
        let mut tasks = JoinSet::new();
        for shard in &shards {
            let known = shared.shard(&shard.name);
            if shard.instances.iter().all(|instance| instance.agent_port.is_none()) {
                shared.publish(&known, Outlook::fixed(shard));
                continue;
            }
            let followed = Arc::new(Followed { shard: shard.clone(), known, lines: Mutex::default() });
            for instance in &shard.instances {
                tasks.spawn(follow_one(Arc::clone(&shared), Arc::clone(&followed), instance.clone()));
            }
        }
        while shared.config.load().document.shards == shards {
            if news.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn follow_one(shared: Arc<Shared>, followed: Arc<Followed>, instance: Instance) {
    let Some(port) = instance.agent_port else { return };
    loop {
        let config = shared.config.load_full();
        let error = match read_lines(&shared, &config, &followed, &instance, port).await {
            Ok(()) => Error::Closed,
            Err(error) => error,
        };
        tracing::debug!(instance = instance.name, %error, "the topology stream ended; it is dialled again");
        tell(&shared, &followed, &instance, None);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Take a line, or that there is none any more, and publish what follows.
fn tell(shared: &Shared, followed: &Followed, instance: &Instance, line: Option<Line>) {
    let mut lines = followed.lines.lock().unwrap_or_else(PoisonError::into_inner);
    match line {
        Some(line) => lines.insert(instance.name.clone(), line),
        None => lines.remove(&instance.name),
    };
    let known = followed.known.outlook();
    shared.publish(&followed.known, conclude(&lines, &known));
}

async fn read_lines(
    shared: &Shared,
    config: &Config,
    followed: &Followed,
    instance: &Instance,
    port: u16,
) -> Result<()> {
    let address = &instance.address;
    let mut stream = timeout(DIAL, dial::tls(config, address, port)).await.map_err(|_| Error::Closed)??;
    let host = if address.contains(':') { format!("[{address}]") } else { address.clone() };
    let request = format!("GET /v1/topology HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: application/x-ndjson\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let (mut buffer, mut decoder, mut body) = (Buffer::default(), Chunks::default(), Vec::new());
    read_head(&mut stream, &mut buffer).await?;
    loop {
        decoder.take(buffer.data(), &mut body)?;
        buffer.clear();
        while let Some(end) = body.iter().position(|&byte| byte == b'\n') {
            let line = Line::read(&body[..end], &config.document.cluster.uid, &followed.shard)?;
            tell(shared, followed, instance, Some(line));
            body.drain(..=end);
        }
        if decoder.is_ended() || body.len() > MAX_LINE {
            return Err(Error::Protocol("the stream of an agent ended, or had a line that is too long"));
        }
        fill(&mut stream, &mut buffer).await?;
    }
}

/// Read the head of the answer; what follows it stays in the buffer.
async fn read_head(stream: &mut Stream, buffer: &mut Buffer) -> Result<()> {
    let end = loop {
        if let Some(at) = buffer.data().windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if buffer.len() > MAX_HEAD {
            return Err(Error::Protocol("the head of an agent's answer is too long"));
        }
        fill(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer.data()[..end]).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") || !head.contains("transfer-encoding: chunked") {
        let status = head.lines().next().unwrap_or_default().to_owned();
        return Err(Error::NoServer(format!("its agent answered {status}")));
    }
    buffer.advance(end);
    Ok(())
}

async fn fill(stream: &mut Stream, buffer: &mut Buffer) -> Result<()> {
    match timeout(SILENT, std::future::poll_fn(|cx| stream.poll_fill(buffer, cx))).await {
        Ok(Ok(0)) | Err(_) => Err(Error::Closed),
        Ok(read) => Ok(read.map(drop)?),
    }
}
