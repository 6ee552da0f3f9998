//! Cancel requests: clients get numbers of the router's own, which stand for whatever server they work on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::timeout;

use crate::config::load::Config;
use crate::error::{Error, Result};
use crate::pool::dial;
use crate::shared::lock;
use crate::topology::lines::Target;

/// How long a server may take for a cancel request.
const LONGEST: Duration = Duration::from_secs(5);

/// What a session works on at present: a server and the numbers that cancel it.
///
/// Whoever sends a cancel request holds the lock until the server has dealt with it, and a session waits for the
/// lock before it gives its server away: no request meets the next client.
#[derive(Debug, Default)]
pub struct Slot(AsyncMutex<Option<(Target, (u32, u32))>>);

impl Slot {
    /// The session works on this server, or on none.
    pub async fn set(&self, server: Option<(Target, (u32, u32))>) {
        *self.0.lock().await = server;
    }
}

/// The sessions that may be cancelled.
#[derive(Debug, Default)]
pub struct Cancels(Mutex<HashMap<(u32, u32), Arc<Slot>>>);

/// A session's numbers; they mean nothing any more once this goes.
pub struct Registered {
    /// The numbers.
    pub key: (u32, u32),
    /// What the session works on.
    pub slot: Arc<Slot>,
    cancels: Arc<crate::shared::Shared>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.cancels.cancels.0).remove(&self.key);
    }
}

/// Give a session its numbers.
///
/// # Errors
/// The system has no random numbers.
pub fn register(shared: &Arc<crate::shared::Shared>) -> Result<Registered> {
    let slot = Arc::new(Slot::default());
    loop {
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).map_err(|_| Error::Protocol("the system has no random numbers"))?;
        let number = u64::from_be_bytes(random);
        let key = ((number >> 32) as u32 & 0x7FFF_FFFF, (number & 0xFFFF_FFFF) as u32);
        let mut known = lock(&shared.cancels.0);
        if let std::collections::hash_map::Entry::Vacant(place) = known.entry(key) {
            place.insert(Arc::clone(&slot));
            return Ok(Registered { key, slot, cancels: Arc::clone(shared) });
        }
    }
}

/// Carry out a client's request; nobody hears whether it met anything.
pub async fn cancel(shared: &crate::shared::Shared, key: (u32, u32)) {
    let Some(slot) = lock(&shared.cancels.0).get(&key).map(Arc::clone) else { return };
    let server = slot.0.lock().await;
    let Some((target, numbers)) = server.as_ref() else { return };
    let config = shared.config.load_full();
    match timeout(LONGEST, send(&config, target, *numbers)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(instance = target.instance, %error, "a cancel request was not delivered"),
        Err(_) => tracing::warn!(instance = target.instance, "a cancel request was not answered in time"),
    }
}

async fn send(config: &Config, target: &Target, (process, secret): (u32, u32)) -> Result<()> {
    let mut stream = dial::postgres(config, &target.address, target.port).await?;
    let mut packet = vec![0, 0, 0, 16];
    for number in [80_877_102, process, secret] {
        packet.extend(number.to_be_bytes());
    }
    stream.write_all(&packet).await?;
    stream.flush().await?;
    // The server closes once it has sent the signal.
    let mut rest = [0; 64];
    while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
    Ok(())
}
