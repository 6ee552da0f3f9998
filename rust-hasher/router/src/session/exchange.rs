//! Messages of the client on their way to the server, verbatim but for the names of prepared statements.

use std::sync::atomic::Ordering;

use crate::config::Held;
use crate::error::{Error, Result};
use crate::session::admin;
use crate::session::client::{HIGH, Session};
use crate::session::nature::{self, Nature};
use crate::session::replies::Expect;
use crate::wire::frame::{self, Frame, HEADER};
use crate::wire::messages::{self, Severity};

/// What the client's messages need next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A server.
    Server,
    /// More bytes.
    Nothing,
    /// The client is done.
    End,
}

/// What no server can parse: it ends a transaction as any error does.
pub(super) const FAILS: &str = "refused by covet-router";

/// The words of an error for the client.
fn refusal(error: &Error) -> Box<[u8]> {
    messages::error_response(Severity::Error, error.sqlstate(), &error.to_string()).into()
}

impl Session {
    /// Take up what the client sent.
    pub(super) fn take_client(&mut self) -> Result<Need> {
        loop {
            if self.rest_in > 0 && !self.input.is_empty() {
                let count = self.rest_in.min(self.input.len());
                self.input.pass(count, &mut self.to_server);
                self.rest_in -= count;
            }
            if self.rest_in > 0 || self.held_up || self.to_server.len() >= HIGH {
                return Ok(Need::Nothing);
            }
            let Some(frame) = frame::peek(self.input.data())? else { return Ok(Need::Nothing) };
            if frame.kind == b'X' {
                return Ok(Need::End);
            }
            if self.muted && frame.kind != b'S' {
                if !self.skip(frame)? {
                    return Ok(Need::Nothing);
                }
                continue;
            }
            if !matches!(frame.kind, b'd' | b'B') {
                frame::peek_whole(self.input.data(), self.message_limit)?;
                if self.input.len() < frame.len {
                    return Ok(Need::Nothing);
                }
            }
            if self.server.is_none() {
                if matches!(frame.kind, b'd' | b'c' | b'f') {
                    // Data of a COPY that has failed already.
                    if !self.skip(frame)? {
                        return Ok(Need::Nothing);
                    }
                    continue;
                }
                if frame.kind != b'Q' || !self.admin(frame) {
                    if self.worker.shared.config.load().document.shards.len() > 1 {
                        return Err(Error::Unrouted);
                    }
                    return Ok(Need::Server);
                }
                continue;
            }
            if !self.message(frame)? {
                return Ok(Need::Nothing);
            }
        }
    }

    /// Pass over a message; false if it is not complete.
    fn skip(&mut self, frame: Frame) -> Result<bool> {
        frame::peek_whole(self.input.data(), self.message_limit)?;
        let whole = self.input.len() >= frame.len;
        if whole {
            self.input.advance(frame.len);
        }
        Ok(whole)
    }

    /// Answer a statement that is for the router itself; false if it is not.
    fn admin(&mut self, frame: Frame) -> bool {
        let sql = &self.input.data()[HEADER..frame.len];
        let Some(answer) = admin::answer(sql, &self.worker.shared) else { return false };
        self.output.put(&answer);
        self.input.advance(frame.len);
        true
    }

    /// One message, for which a server is there; false if more bytes are needed.
    fn message(&mut self, frame: Frame) -> Result<bool> {
        match frame.kind {
            b'Q' => self.query(frame),
            b'P' => self.parse(frame)?,
            b'B' => return self.bind(frame),
            b'D' => self.describe(frame)?,
            b'C' => self.close(frame)?,
            b'E' => {
                self.plain = false;
                self.extended(frame, Some(Expect::Execute));
            }
            b'H' => self.flush(frame),
            b'S' => self.sync(frame),
            b'F' => {
                self.replies.push(Expect::Query(None));
                self.pass(frame);
            }
            b'c' | b'f' => {
                self.replies.push(Expect::CopyEnd);
                self.pass(frame);
            }
            b'd' => self.pass(frame),
            _ => return Err(Error::Protocol("invalid frontend message type")),
        }
        Ok(true)
    }

    /// Pass a message on, as far as it has come.
    pub(super) fn pass(&mut self, frame: Frame) {
        let count = frame.len.min(self.input.len());
        self.input.pass(count, &mut self.to_server);
        self.rest_in = frame.len - count;
    }

    /// Pass on a message of the extended protocol.
    pub(super) fn extended(&mut self, frame: Frame, expect: Option<Expect>) {
        self.unsynced = true;
        self.pass(frame);
        if let Some(expect) = expect {
            self.expect(expect);
        }
    }

    /// Something was sent, or is to be answered here.
    pub(super) fn expect(&mut self, expect: Expect) {
        if let Some(unanswerable) = self.replies.push(expect) {
            self.undo(unanswerable);
        }
        self.say_own();
    }

    fn query(&mut self, frame: Frame) {
        let sql = self.input.data().get(HEADER..frame.len - 1).unwrap_or_default();
        let nature = nature::of_bytes(sql);
        if let Some(refusal) = self.admit(nature.as_deref()) {
            // The server fails too, and an open transaction with it; its words are swapped for the refusal.
            self.input.advance(frame.len);
            let mut out = Vec::new();
            messages::message(&mut out, b'Q', |out| messages::text(out, FAILS));
            self.to_server.put(&out);
            self.replies.push(Expect::Failing { error: refusal, simple: true });
            return;
        }
        if let Some(server) = &mut self.server {
            server.turn += 1;
            server.unnamed = 0;
        }
        self.replies.push(Expect::Query(nature));
        self.pass(frame);
    }

    /// Flush. Statements were prepared and nothing ran: a Sync lets the server go, and the client does not notice.
    fn flush(&mut self, frame: Frame) {
        if !(self.unsynced && self.plain && self.status == b'I') {
            self.extended(frame, None);
            return;
        }
        self.input.advance(frame.len);
        self.to_server.put(messages::SYNC);
        self.unsynced = false;
        self.held_up = true;
        if let Some(server) = &mut self.server {
            server.turn += 1;
        }
        self.expect(Expect::OwnSync);
    }

    fn sync(&mut self, frame: Frame) {
        self.muted = false;
        self.plain = true;
        self.unsynced = false;
        if let Some(server) = &mut self.server {
            server.turn += 1;
        }
        self.pass(frame);
        self.expect(Expect::Sync);
    }

    /// Look at what a text does to the session: note a commit, keep the server if need be, or give a refusal.
    pub(super) fn admit(&mut self, nature: Option<&Nature>) -> Option<Box<[u8]>> {
        let nature = nature?;
        if let Some(setting) = &nature.refused {
            return Some(refusal(&Error::Unsafe(setting.clone())));
        }
        self.committing |= nature.commits;
        let held = nature.hold.or((nature.partial && !self.pending.is_empty()).then_some("a savepoint with settings"));
        let held = held.filter(|_| self.pinned.is_none() && !self.keeps_server)?;
        if self.worker.shared.config.load().document.limits.held == Held::Refuse {
            return Some(refusal(&Error::Held(held)));
        }
        self.worker.shared.metrics.pinned.fetch_add(1, Ordering::Relaxed);
        self.pinned = Some(held);
        None
    }

    /// Answers of the router's own whose turn it is.
    pub(super) fn say_own(&mut self) {
        let mut own = Vec::new();
        self.replies.own(&mut own);
        if !own.is_empty() {
            self.output.put(&own);
        }
    }
}
