//! A session after its login: it borrows a server when a message needs one, and gives it back between transactions.

use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use crate::auth::users::User;
use crate::cancel::Registered;
use crate::config::Mode;
use crate::error::{Error, Result};
use crate::net::stream::Stream;
use crate::pool::Pool;
use crate::pool::server::Server;
use crate::session::exchange::Need;
use crate::session::nature::Nature;
use crate::session::replies::Replies;
use crate::session::settings::{Change, Settings};
use crate::session::statements::Statement;
use crate::wire::buffer::Buffer;
use crate::worker::{Alarm, Worker};

/// Above so many bytes waiting to be sent, nothing more is read for that side.
pub const HIGH: usize = 128 << 10;

/// A session.
#[expect(clippy::struct_excessive_bools, reason = "each says something else about what is under way")]
pub struct Session {
    pub(super) worker: Rc<Worker>,
    pub(super) stream: Stream,
    pub(super) user: Arc<User>,
    pub(super) pool: Rc<Pool>,
    pub(super) registered: Registered,
    pub(super) alarm: Rc<Alarm>,
    pub(super) input: Buffer,
    pub(super) output: Buffer,
    pub(super) server: Option<Server>,
    pub(super) to_server: Buffer,
    pub(super) from_server: Buffer,
    /// Bytes of a message that began to pass and are still to come, to the server and to the client.
    pub(super) rest_in: usize,
    pub(super) rest_out: usize,
    pub(super) replies: Replies,
    /// Status of the last `ReadyForQuery`.
    pub(super) status: u8,
    /// Messages were sent since the last Sync.
    pub(super) unsynced: bool,
    /// Nothing but Parse, Describe and Close of statements was sent since the last Sync.
    pub(super) plain: bool,
    /// A Sync of the router's own is not answered: what the client sent after it waits.
    pub(super) held_up: bool,
    /// The client's messages are passed over up to its next Sync.
    pub(super) muted: bool,
    /// An error came since the last `ReadyForQuery`.
    pub(super) failed: bool,
    /// A commit is under way.
    pub(super) committing: bool,
    pub(super) statements: HashMap<Box<[u8]>, Rc<Statement>>,
    pub(super) unnamed: Option<Rc<Statement>>,
    pub(super) settings: Rc<Settings>,
    /// What ran since the last `ReadyForQuery` and does something to the session.
    pub(super) natures: Vec<Rc<Nature>>,
    /// Changes of settings in the open transaction.
    pub(super) pending: Vec<Change>,
    /// Why the server connection is kept.
    pub(super) pinned: Option<&'static str>,
    pub(super) message_limit: usize,
    pub(super) keeps_server: bool,
}

impl Session {
    /// A session that has logged in.
    #[must_use]
    pub fn new(
        worker: Rc<Worker>,
        stream: Stream,
        user: Arc<User>,
        pool: Rc<Pool>,
        registered: Registered,
        settings: Rc<Settings>,
    ) -> Self {
        let config = worker.shared.config.load_full();
        Self {
            alarm: worker.alarm(),
            worker,
            stream,
            user,
            pool,
            registered,
            input: Buffer::default(),
            output: Buffer::default(),
            server: None,
            to_server: Buffer::default(),
            from_server: Buffer::default(),
            rest_in: 0,
            rest_out: 0,
            replies: Replies::default(),
            status: b'I',
            unsynced: false,
            plain: true,
            held_up: false,
            muted: false,
            failed: false,
            committing: false,
            statements: HashMap::new(),
            unnamed: None,
            settings,
            natures: Vec::new(),
            pending: Vec::new(),
            pinned: None,
            message_limit: config.document.limits.message_bytes,
            keeps_server: config.document.pool.mode == Mode::Session,
        }
    }

    /// Its pool.
    #[must_use]
    pub fn pool(&self) -> Rc<Pool> {
        Rc::clone(&self.pool)
    }

    /// Serve the client until it goes.
    ///
    /// # Errors
    /// Why the session ends otherwise; the client is to hear it.
    pub async fn run(&mut self) -> Result<()> {
        loop {
            match self.take_client()? {
                Need::Server => {
                    self.borrow().await?;
                    continue;
                }
                Need::End => return Ok(()),
                Need::Nothing => {}
            }
            if self.server.is_some() {
                let held_up = self.held_up;
                self.take_server()?;
                if self.is_finished() {
                    self.give_back().await;
                    continue;
                }
                if held_up && !self.held_up {
                    continue;
                }
            }
            if self.is_quiet() && self.worker.shared.is_draining() {
                return Err(Error::Draining);
            }
            poll_fn(|cx| self.poll(cx)).await?;
        }
    }

    /// Nothing is under way for the client.
    fn is_quiet(&self) -> bool {
        let sent = self.output.is_empty() && self.to_server.is_empty();
        self.input.is_empty() && sent && (self.server.is_none() || self.is_between())
    }

    /// The server has answered everything and no transaction is open.
    fn is_between(&self) -> bool {
        let passed =
            self.rest_in == 0 && self.rest_out == 0 && self.to_server.is_empty() && self.from_server.is_empty();
        self.status == b'I' && self.replies.is_empty() && !self.unsynced && passed
    }

    /// The server can go to another client.
    fn is_finished(&self) -> bool {
        self.pinned.is_none() && !self.keeps_server && self.is_between()
    }

    /// Send and receive until something came.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.alarm.set(cx.waker());
        if let Some(server) = &mut self.server
            && let Poll::Ready(Err(_)) = server.stream.poll_drain(&mut self.to_server, cx)
        {
            return Poll::Ready(Err(self.lost()));
        }
        if let Poll::Ready(sent) = self.stream.poll_drain(&mut self.output, cx) {
            sent?;
        }
        let mut came = false;
        if let Some(server) = &mut self.server {
            if self.output.len() < HIGH {
                match server.stream.poll_fill(&mut self.from_server, cx) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(self.lost())),
                    Poll::Ready(Ok(_)) => came = true,
                    Poll::Pending => {}
                }
            }
            let server = self.server.as_ref().map(|server| (server.term, Rc::clone(&server.instance)));
            if let Some((term, instance)) = server
                && !self.pool.keeps(term, &instance)
            {
                return Poll::Ready(Err(self.lost()));
            }
        }
        if self.to_server.len() < HIGH
            && let Poll::Ready(read) = self.stream.poll_fill(&mut self.input, cx)
        {
            if read? == 0 {
                return Poll::Ready(Err(Error::Closed));
            }
            came = true;
        }
        let stop = self.is_quiet() && self.worker.shared.is_draining();
        if came || stop { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// The server connection broke: say what became of the transaction.
    fn lost(&mut self) -> Error {
        self.worker.shared.metrics.lost.fetch_add(1, Ordering::Relaxed);
        let instance = self.server.take().map_or_else(String::new, |server| server.instance.to_string());
        let under_way = !self.replies.is_empty() || self.unsynced;
        if under_way && (self.status == b'I' || self.committing) {
            Error::Unknown(instance)
        } else {
            Error::ServerLost(instance)
        }
    }

    /// Take a server and set it to the client's settings.
    async fn borrow(&mut self) -> Result<()> {
        let server = self.pool.check_out(&self.user).await?;
        self.lend(server).await
    }

    async fn lend(&mut self, mut server: Server) -> Result<()> {
        if server.settings != self.settings {
            server.adopt(&self.settings).await?;
        }
        self.pool.gauges().turns.fetch_add(1, Ordering::Relaxed);
        self.registered.slot.set(Some((server.target.clone(), server.key))).await;
        self.server = Some(server);
        Ok(())
    }

    /// The server's part is over.
    async fn give_back(&mut self) {
        self.registered.slot.set(None).await;
        if let Some(server) = self.server.take() {
            self.pool.check_in(server);
        }
    }

    /// Send what is left, and part from the server: it goes back if it can serve others.
    pub async fn end(mut self, words: Option<&[u8]>) {
        if let Some(words) = words {
            self.output.put(words);
        }
        let flushed = poll_fn(|cx| self.stream.poll_drain(&mut self.output, cx));
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), flushed).await;
        self.registered.slot.set(None).await;
        let reusable = self.is_between();
        let Some(server) = self.server.take().filter(|_| reusable) else { return };
        let pool = Rc::clone(&self.pool);
        drop(self);
        if let Some(server) = server.reset().await {
            pool.check_in(server);
        }
    }
}

impl Alarm {
    fn set(&self, waker: &Waker) {
        let kept = self.0.take().filter(|kept| kept.will_wake(waker));
        self.0.set(Some(kept.unwrap_or_else(|| waker.clone())));
    }
}
