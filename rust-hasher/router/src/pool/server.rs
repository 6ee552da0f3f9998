//! A server connection: what it has prepared, what its session is set to, and whether it may be used.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::admin::metrics::Gauges;
use crate::error::{Error, Result};
use crate::net::stream::Stream;
use crate::pool::login::Greeted;
use crate::session::settings::Settings;
use crate::topology::lines::Target;
use crate::wire::buffer::Buffer;
use crate::wire::{frame, messages};

/// How long an idle server may take for an answer to nothing.
const CHECK: Duration = Duration::from_secs(2);
/// How long it may take to forget its last session.
const RESET: Duration = Duration::from_secs(10);
/// After `DISCARD ALL` the login's own role stands, not the one that its settings choose at the start of a session.
const FORGET: [&str; 2] = ["DISCARD ALL", "RESET ROLE"];

/// How far a statement is prepared on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Its Parse was sent in this turn, counted by Syncs, and not answered yet.
    Sent(u64),
    /// It was answered; used last in this turn.
    Done(u64),
}

/// A server connection.
pub struct Server {
    /// The connection.
    pub stream: Stream,
    /// Name of its instance.
    pub instance: Rc<str>,
    /// Where it is, for cancel requests.
    pub target: Target,
    /// Term of the leader that it was made to.
    pub term: u64,
    /// Numbers that cancel what it runs.
    pub key: (u32, u32),
    /// Parameters that it told at login.
    pub parameters: Vec<(String, String)>,
    /// Statements that it knows, by their own numbers.
    pub statements: HashMap<u64, Prepared>,
    /// Whose unnamed statement it holds: a number that no two Parses share, 0 for none.
    pub unnamed: u64,
    /// What its session is set to.
    pub settings: Rc<Settings>,
    /// Syncs and queries sent over its life.
    pub turn: u64,
    /// When it was made.
    pub made: Instant,
    /// When it was last used.
    pub used: Instant,
    held: Rc<Cell<usize>>,
    gauges: Arc<Gauges>,
    _permit: OwnedSemaphorePermit,
}

impl Server {
    /// A connection that has logged in.
    #[must_use]
    pub fn new(
        greeted: Greeted,
        target: &Target,
        term: u64,
        permit: OwnedSemaphorePermit,
        held: Rc<Cell<usize>>,
        gauges: Arc<Gauges>,
    ) -> Self {
        held.set(held.get() + 1);
        gauges.servers.fetch_add(1, Ordering::Relaxed);
        Self {
            stream: greeted.stream,
            instance: target.instance.as_str().into(),
            target: target.clone(),
            term,
            key: greeted.key,
            parameters: greeted.parameters,
            statements: HashMap::new(),
            unnamed: 0,
            settings: Rc::default(),
            turn: 0,
            made: Instant::now(),
            used: Instant::now(),
            held,
            gauges,
            _permit: permit,
        }
    }

    /// Ask it for an answer to an empty query.
    pub async fn answers(&mut self) -> bool {
        matches!(timeout(CHECK, self.run("")).await, Ok(Ok(())))
    }

    /// Forget all that its last session set, prepared and held; None if it does not manage to.
    pub async fn reset(mut self) -> Option<Self> {
        for sql in FORGET {
            if !matches!(timeout(RESET, self.run(sql)).await, Ok(Ok(()))) {
                return None;
            }
        }
        self.forget_statements();
        self.settings = Rc::default();
        Some(self)
    }

    /// Set its session to these settings.
    ///
    /// # Errors
    /// The server refused one, or was lost.
    pub async fn adopt(&mut self, settings: &Rc<Settings>) -> Result<()> {
        self.run(&settings.script(&self.settings)).await?;
        self.settings = Rc::clone(settings);
        Ok(())
    }

    /// A statement was prepared.
    pub fn confirm(&mut self, id: u64) {
        if let Some(prepared) = self.statements.get_mut(&id) {
            *prepared = Prepared::Done(self.turn);
        }
    }

    /// Take up the body of a `ParameterStatus`.
    pub fn note_parameter(&mut self, body: &[u8]) {
        let mut words = body.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        let (name, value) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match self.parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.parameters.push((name, value)),
        }
    }

    /// It was told to forget its statements.
    pub fn forget_statements(&mut self) {
        self.statements.clear();
        self.unnamed = 0;
    }

    /// Run a statement whose result nobody looks at.
    ///
    /// # Errors
    /// The server's, and those of the connection.
    async fn run(&mut self, sql: &str) -> Result<()> {
        let mut out = Vec::new();
        messages::query(&mut out, sql);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        self.unnamed = 0;
        let mut buffer = Buffer::default();
        let mut failed = None;
        loop {
            while let Some(frame) = frame::peek(buffer.data())?.filter(|frame| frame.len <= buffer.len()) {
                let body = &buffer.data()[frame::HEADER..frame.len];
                match frame.kind {
                    b'E' => failed = Some(messages::error_fields(body)),
                    b'S' => self.note_parameter(body),
                    b'Z' => {
                        let server = self.instance.to_string();
                        return failed
                            .map_or(Ok(()), |(code, message)| Err(Error::ServerRefused { server, code, message }));
                    }
                    _ => {}
                }
                buffer.advance(frame.len);
            }
            if poll_fn(|cx| self.stream.poll_fill(&mut buffer, cx)).await? == 0 {
                return Err(Error::Closed);
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.held.set(self.held.get() - 1);
        self.gauges.servers.fetch_sub(1, Ordering::Relaxed);
    }
}
