//! Statements that clients prepared, under numbers that all clients of a pool share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use crate::session::nature::{self, Nature};
use crate::wire::names;

/// A statement: its text and the types of its parameters, as Parse carries them behind the name.
#[derive(Debug)]
pub struct Statement {
    /// Its number.
    pub id: u64,
    /// Text and types.
    pub body: Box<[u8]>,
    /// What it does to its session; None for nothing.
    pub nature: Option<Rc<Nature>>,
}

impl Statement {
    /// Its name on servers.
    #[must_use]
    pub fn name(&self) -> String {
        format!("covet_{}", self.id)
    }
}

/// Gives equal statements the same number.
#[derive(Debug, Default)]
pub struct Interner {
    known: RefCell<HashMap<Box<[u8]>, Weak<Statement>>>,
    next: Cell<u64>,
    cleaned: Cell<usize>,
}

impl Interner {
    /// The statement with this body.
    pub fn statement(&self, body: &[u8]) -> Rc<Statement> {
        let mut known = self.known.borrow_mut();
        if let Some(statement) = known.get(body).and_then(Weak::upgrade) {
            return statement;
        }
        // Those that nobody holds any more go when the table has doubled.
        if known.len() >= 64 && known.len() >= 2 * self.cleaned.get() {
            known.retain(|_, statement| statement.strong_count() > 0);
            self.cleaned.set(known.len());
        }
        let statement = Rc::new(self.unnamed(body));
        known.insert(body.into(), Rc::downgrade(&statement));
        statement
    }

    /// A statement with a number that no other has.
    pub fn unnamed(&self, body: &[u8]) -> Statement {
        self.next.set(self.next.get() + 1);
        let nature = nature::of_bytes(names::sql(body));
        Statement { id: self.next.get(), body: body.into(), nature }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::Interner;

    #[test]
    fn equal_statements_share_a_number_while_somebody_holds_them() {
        let interner = Interner::default();
        let one = interner.statement(b"SELECT 1\0\0\0");
        assert!(Rc::ptr_eq(&one, &interner.statement(b"SELECT 1\0\0\0")));
        let other = interner.statement(b"SELECT 2\0\0\0");
        assert_ne!(one.id, other.id);
        let former = one.id;
        drop(one);
        assert_ne!(former, interner.statement(b"SELECT 1\0\0\0").id);
    }

    #[test]
    fn statements_of_clients_that_went_are_forgotten() {
        let interner = Interner::default();
        for number in 0..1000 {
            interner.statement(format!("SELECT {number}\0\0\0").as_bytes());
        }
        assert!(interner.known.borrow().len() <= 65);
    }
}
