//! Prepared statements: the client's names stand for statements that any server connection can be made to know.

use std::rc::Rc;

use crate::error::{Error, Result};
use crate::pool::server::Prepared;
use crate::session::client::Session;
use crate::session::exchange::FAILS;
use crate::session::replies::Expect;
use crate::session::statements::Statement;
use crate::wire::frame::Frame;
use crate::wire::names;

/// A Bind whose names are not complete after so many bytes is none.
const LONGEST_NAMES: usize = 8 << 10;

impl Session {
    /// The client prepares a statement.
    pub(super) fn parse(&mut self, frame: Frame) -> Result<()> {
        self.unsynced = true;
        let (name, body) = names::parse(&self.input.data()[..frame.len])?;
        if name.is_empty() {
            let statement = Rc::new(self.pool.statements.unnamed(body));
            if let Some(server) = &mut self.server {
                server.unnamed = statement.id;
            }
            self.unnamed = Some(Rc::clone(&statement));
            self.extended(frame, Some(Expect::Parse { statement, hidden: false, name: None }));
            return Ok(());
        }
        let statement = self.pool.statements.statement(body);
        let name: Box<[u8]> = name.into();
        self.input.advance(frame.len);
        if self.statements.contains_key(&name) {
            // Sent although the server has it, so that the server refuses it as it should.
            self.ensure(&statement);
            self.send_parse(&statement);
            self.expect(Expect::Parse { statement, hidden: false, name: None });
            return Ok(());
        }
        self.statements.insert(name.clone(), Rc::clone(&statement));
        if self.has(&statement) {
            self.expect(Expect::Known(name));
        } else {
            self.make_room();
            self.note_sent(&statement);
            self.send_parse(&statement);
            self.expect(Expect::Parse { statement, hidden: false, name: Some(name) });
        }
        Ok(())
    }

    /// The client binds a statement; false while its names have not come.
    pub(super) fn bind(&mut self, frame: Frame) -> Result<bool> {
        self.plain = false;
        let start = &self.input.data()[..frame.len.min(self.input.len())];
        let Some((portal, name, end)) = names::bind(start) else {
            if start.len() >= frame.len.min(LONGEST_NAMES) {
                return Err(Error::Protocol("invalid string in message"));
            }
            return Ok(false);
        };
        let portal: Box<[u8]> = portal.into();
        let Some(statement) = self.known(name) else {
            self.extended(frame, Some(Expect::Bind(None)));
            return Ok(true);
        };
        let nature = statement.nature.clone();
        if let Some(refusal) = self.admit(nature.as_deref()) {
            self.muted = true;
            self.unsynced = true;
            if let Some(server) = &mut self.server {
                server.unnamed = 0;
            }
            let mut out = Vec::new();
            names::put_parse(&mut out, b"", format!("{FAILS}\0\0\0").as_bytes());
            self.to_server.put(&out);
            self.expect(Expect::Failing { error: refusal, simple: false });
            return Ok(true);
        }
        let named = self.ensure(&statement);
        let mut head = Vec::new();
        names::put_bind(&mut head, &portal, named.as_bytes(), frame.len - end);
        self.to_server.put(&head);
        self.input.advance(end);
        self.extended(Frame { kind: frame.kind, len: frame.len - end }, Some(Expect::Bind(nature)));
        Ok(true)
    }

    /// The client asks what a statement or portal is.
    pub(super) fn describe(&mut self, frame: Frame) -> Result<()> {
        let (kind, name) = names::target(&self.input.data()[..frame.len])?;
        let statement = if kind == b'S' { self.known(name) } else { None };
        self.plain &= kind == b'S';
        let Some(statement) = statement else {
            self.extended(frame, Some(Expect::Describe));
            return Ok(());
        };
        self.unsynced = true;
        let named = self.ensure(&statement);
        let mut out = Vec::new();
        names::put_target(&mut out, b'D', named.as_bytes());
        self.to_server.put(&out);
        self.input.advance(frame.len);
        self.expect(Expect::Describe);
        Ok(())
    }

    /// The client needs a statement or portal no more; the server keeps statements for others.
    pub(super) fn close(&mut self, frame: Frame) -> Result<()> {
        let (kind, name) = names::target(&self.input.data()[..frame.len])?;
        if kind == b'S' && !name.is_empty() {
            let name: Box<[u8]> = name.into();
            self.statements.remove(&name);
            self.unsynced = true;
            self.input.advance(frame.len);
            self.expect(Expect::Forgotten);
            return Ok(());
        }
        self.plain &= kind == b'S';
        if kind == b'S' {
            self.unnamed = None;
            self.server.iter_mut().for_each(|server| server.unnamed = 0);
        }
        self.extended(frame, Some(Expect::Close));
        Ok(())
    }

    /// The statement that a name of the client stands for.
    fn known(&self, name: &[u8]) -> Option<Rc<Statement>> {
        if name.is_empty() { self.unnamed.clone() } else { self.statements.get(name).map(Rc::clone) }
    }

    /// Whether the server has a statement, or will have it before what is sent next.
    fn has(&mut self, statement: &Statement) -> bool {
        let Some(server) = &mut self.server else { return false };
        let turn = server.turn;
        match server.statements.get_mut(&statement.id) {
            Some(Prepared::Done(used)) => {
                *used = turn;
                true
            }
            Some(Prepared::Sent(sent)) => *sent == turn,
            None => false,
        }
    }

    /// Make sure that the server has a statement, and give the name that it has there.
    fn ensure(&mut self, statement: &Rc<Statement>) -> String {
        if self.unnamed.as_ref().is_some_and(|unnamed| Rc::ptr_eq(unnamed, statement)) {
            let Some(server) = &mut self.server else { return String::new() };
            if server.unnamed != statement.id {
                server.unnamed = statement.id;
                let mut out = Vec::new();
                names::put_parse(&mut out, b"", &statement.body);
                self.to_server.put(&out);
                self.expect(Expect::Parse { statement: Rc::clone(statement), hidden: true, name: None });
            }
            return String::new();
        }
        if !self.has(statement) {
            self.make_room();
            if self.server.as_ref().is_some_and(|server| server.statements.contains_key(&statement.id)) {
                // Sent before an earlier Sync and not answered: nobody knows yet whether the server has it.
                self.send_close(statement.id);
            }
            self.note_sent(statement);
            self.send_parse(statement);
            self.expect(Expect::Parse { statement: Rc::clone(statement), hidden: true, name: None });
        }
        statement.name()
    }

    fn note_sent(&mut self, statement: &Statement) {
        if let Some(server) = &mut self.server {
            server.statements.insert(statement.id, Prepared::Sent(server.turn));
        }
    }

    fn send_parse(&mut self, statement: &Statement) {
        let mut out = Vec::new();
        names::put_parse(&mut out, statement.name().as_bytes(), &statement.body);
        self.to_server.put(&out);
    }

    fn send_close(&mut self, id: u64) {
        let mut out = Vec::new();
        names::put_target(&mut out, b'C', format!("covet_{id}").as_bytes());
        self.to_server.put(&out);
        self.expect(Expect::Evicted);
    }

    /// Close the statement that was not used for longest, if the server holds as many as it may.
    fn make_room(&mut self) {
        let most = self.worker.shared.config.load().document.limits.statements;
        let Some(server) = self.server.as_mut().filter(|server| server.statements.len() >= most) else { return };
        let done = server.statements.iter().filter_map(|(&id, prepared)| match prepared {
            Prepared::Done(used) => Some((*used, id)),
            Prepared::Sent(_) => None,
        });
        if let Some((_, id)) = done.min() {
            server.statements.remove(&id);
            self.send_close(id);
        }
    }

    /// Something will never be answered: the server passed over it.
    pub(super) fn undo(&mut self, expect: Expect) {
        match expect {
            Expect::Known(name) => drop(self.statements.remove(&name)),
            Expect::Parse { statement, name, .. } => {
                if let Some(name) = name {
                    self.statements.remove(&name);
                }
                let Some(server) = &mut self.server else { return };
                if server.unnamed == statement.id {
                    server.unnamed = 0;
                } else if matches!(server.statements.get(&statement.id), Some(Prepared::Sent(_))) {
                    server.statements.remove(&statement.id);
                }
            }
            _ => {}
        }
    }
}
