//! Answers of the server on their way to the client, and what they say about the session.

use std::rc::Rc;

use crate::error::Result;
use crate::session::client::Session;
use crate::session::replies::Expect;
use crate::session::settings::Settings;
use crate::wire::frame::{self, Frame, HEADER};

/// Bytes of a status message that are read here; none that matters is longer.
const LONGEST_STATUS: usize = 64 << 10;

impl Session {
    /// Take up what the server sent.
    pub(super) fn take_server(&mut self) -> Result<()> {
        // Bytes at the start of the buffer that go to the client as they are.
        let mut run = 0;
        loop {
            let there = self.from_server.len() - run;
            if self.rest_out > 0 {
                let count = self.rest_out.min(there);
                (self.rest_out, run) = (self.rest_out - count, run + count);
                if self.rest_out > 0 {
                    break;
                }
            }
            let Some(frame) = frame::peek(&self.from_server.data()[run..])? else { break };
            let whole = self.from_server.len() - run >= frame.len;
            let read = matches!(frame.kind, b'Z' | b'C' | b'S' | b'A') && frame.len <= LONGEST_STATUS;
            let swaps = frame.kind == b'E' && self.replies.fails();
            if (read || swaps) && !whole {
                break;
            }
            if read {
                self.status_message(frame, run);
            }
            let taken = self.replies.take(frame.kind);
            let hidden = taken.hidden || frame.kind == b'A' && self.pinned.is_none() && !self.keeps_server;
            self.failed |= frame.kind == b'E';
            for expect in taken.dropped {
                self.undo(expect);
            }
            if hidden {
                self.from_server.pass(run, &mut self.output);
                self.from_server.advance(frame.len);
                self.output.put(&taken.instead.unwrap_or_default());
                run = 0;
            } else {
                let there = self.from_server.len() - run;
                let count = frame.len.min(there);
                (self.rest_out, run) = (frame.len - count, run + count);
            }
            if let Some(done) = taken.done {
                self.done(done);
            }
            if self.replies.has_own() {
                self.from_server.pass(run, &mut self.output);
                run = 0;
                self.say_own();
            }
        }
        self.from_server.pass(run, &mut self.output);
        Ok(())
    }

    /// Read a `ReadyForQuery`, `CommandComplete` or `ParameterStatus`.
    fn status_message(&mut self, frame: Frame, at: usize) {
        let body = &self.from_server.data()[at + HEADER..at + frame.len];
        match frame.kind {
            b'Z' => self.status = body.first().copied().unwrap_or(b'I'),
            b'C' if body.starts_with(b"ROLLBACK") => {
                self.pending.clear();
                self.natures.clear();
            }
            b'S' => {
                if let Some(server) = &mut self.server {
                    server.note_parameter(body);
                }
            }
            _ => {}
        }
    }

    /// Something was answered.
    fn done(&mut self, done: Expect) {
        match done {
            Expect::Parse { statement, .. } => {
                if let Some(server) = &mut self.server {
                    server.confirm(statement.id);
                }
            }
            Expect::Bind(Some(nature)) => self.natures.push(nature),
            Expect::Query(nature) => {
                self.natures.extend(nature);
                self.settle();
            }
            Expect::Sync | Expect::Failing { .. } => self.settle(),
            Expect::OwnSync => {
                self.held_up = false;
                // The client has yet to send the Sync that ends what failed.
                self.muted = self.failed;
                self.settle();
            }
            _ => {}
        }
    }

    /// The server is ready: take up what the texts that ran did to the session.
    fn settle(&mut self) {
        self.committing = false;
        let failed = std::mem::take(&mut self.failed);
        for nature in std::mem::take(&mut self.natures) {
            if failed {
                continue;
            }
            self.pending.extend(nature.changes.iter().cloned());
            if nature.forgets {
                self.statements.clear();
                self.unnamed = None;
                self.server.iter_mut().for_each(crate::pool::server::Server::forget_statements);
            }
        }
        if self.status != b'I' {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        if failed || pending.is_empty() {
            return;
        }
        let mut settings = Settings::clone(&self.settings);
        for change in &pending {
            settings.apply(change);
        }
        self.settings = Rc::new(settings);
        if let Some(server) = &mut self.server {
            server.settings = Rc::clone(&self.settings);
        }
    }
}
