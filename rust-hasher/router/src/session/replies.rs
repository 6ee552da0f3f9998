//! Which answers of the server are still to come, and where the router's own answers stand among them. Pure.
//!
//! The server answers in the order of what was sent. A message that the router answers itself waits in the same
//! queue; one that it sent of its own is struck out of what the client sees.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::session::nature::Nature;
use crate::session::statements::Statement;
use crate::wire::messages::{CLOSE_COMPLETE, PARSE_COMPLETE};

/// What was asked for.
#[derive(Debug)]
pub enum Expect {
    /// Parse of a statement, sent; for the client unless `hidden`, under its name.
    Parse {
        /// The statement.
        statement: Rc<Statement>,
        /// The client did not ask for it.
        hidden: bool,
        /// The name that the client gave it.
        name: Option<Box<[u8]>>,
    },
    /// Parse of a statement that the server has; the router answers.
    Known(Box<[u8]>),
    /// Close of a statement, which the server keeps; the router answers.
    Forgotten,
    /// Close of a statement that the router sent of its own.
    Evicted,
    /// Bind, with what the statement does to the session.
    Bind(Option<Rc<Nature>>),
    /// Describe.
    Describe,
    /// Execute.
    Execute,
    /// Close.
    Close,
    /// End of the data that the client copies in.
    CopyEnd,
    /// Sync.
    Sync,
    /// Sync that the router sent of its own.
    OwnSync,
    /// A simple query or a function call.
    Query(Option<Rc<Nature>>),
    /// What no server can parse, sent in place of what the router refuses.
    Failing {
        /// The `ErrorResponse` that the client gets.
        error: Box<[u8]>,
        /// Sent as a simple query.
        simple: bool,
    },
}

/// What an answer means.
#[derive(Debug, Default)]
pub struct Taken {
    /// The client does not see it.
    pub hidden: bool,
    /// The client sees this in its place.
    pub instead: Option<Box<[u8]>>,
    /// What it completes.
    pub done: Option<Expect>,
    /// What will not be answered any more, because of an error.
    pub dropped: Vec<Expect>,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Replies {
    queue: VecDeque<Expect>,
    /// Data is copied in: the server passes over Sync.
    copying: bool,
    /// The server passes over everything up to the next Sync.
    skipping: bool,
}

impl Replies {
    /// Everything was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// A message was sent, or is to be answered here. Gives it back if the server will pass over it.
    pub fn push(&mut self, expect: Expect) -> Option<Expect> {
        match expect {
            Expect::Sync if self.copying => return None,
            Expect::Sync | Expect::OwnSync => self.skipping = false,
            Expect::CopyEnd => {
                self.copying = false;
                if self.queue.is_empty() {
                    return None;
                }
            }
            Expect::Query(_) | Expect::Failing { simple: true, .. } => {}
            other if self.skipping => return Some(other),
            other => {
                self.queue.push_back(other);
                return None;
            }
        }
        self.queue.push_back(expect);
        None
    }

    /// The next answer is the router's own.
    #[must_use]
    pub fn has_own(&self) -> bool {
        matches!(self.queue.front(), Some(Expect::Known(_) | Expect::Forgotten))
    }

    /// The answer to what must fail is next.
    #[must_use]
    pub fn fails(&self) -> bool {
        matches!(self.queue.front(), Some(Expect::Failing { .. }))
    }

    /// Append to `out` the router's own answers whose turn it is.
    pub fn own(&mut self, out: &mut Vec<u8>) {
        while let Some(head) = self.queue.front() {
            match head {
                Expect::Known(_) => out.extend(PARSE_COMPLETE),
                Expect::Forgotten => out.extend(CLOSE_COMPLETE),
                _ => break,
            }
            self.queue.pop_front();
        }
    }

    /// The server answered with a message of this letter.
    pub fn take(&mut self, kind: u8) -> Taken {
        let done = match (kind, self.queue.front()) {
            (b'E', head) => {
                let simple = matches!(head, None | Some(Expect::Query(_) | Expect::Failing { simple: true, .. }));
                let instead = match self.queue.front_mut() {
                    Some(Expect::Failing { error, .. }) => Some(std::mem::take(error)),
                    _ => None,
                };
                let dropped = if simple { Vec::new() } else { self.fail() };
                return Taken { hidden: instead.is_some(), instead, dropped, ..Taken::default() };
            }
            (b'Z', _) => return self.ready(),
            (b'G' | b'W', head) => {
                let extended = matches!(head, Some(Expect::Execute));
                self.copy_in(extended);
                None
            }
            (b'1', Some(Expect::Parse { .. }))
            | (b'2', Some(Expect::Bind(_)))
            | (b'3', Some(Expect::Close | Expect::Evicted))
            | (b'T' | b'n', Some(Expect::Describe))
            | (b'C' | b'I' | b's', Some(Expect::Execute)) => self.queue.pop_front(),
            _ => None,
        };
        self.end_copy();
        let hidden = matches!(done, Some(Expect::Parse { hidden: true, .. } | Expect::Evicted));
        Taken { hidden, done, ..Taken::default() }
    }

    /// An error: the server passes over everything up to the next Sync.
    fn fail(&mut self) -> Vec<Expect> {
        let end = self.queue.iter().position(|expect| matches!(expect, Expect::Sync | Expect::OwnSync));
        self.skipping = end.is_none();
        self.copying = false;
        self.queue.drain(..end.unwrap_or(self.queue.len())).collect()
    }

    fn ready(&mut self) -> Taken {
        let mut taken = Taken::default();
        self.copying = false;
        while let Some(expect) = self.queue.pop_front() {
            if matches!(
                expect,
                Expect::Sync | Expect::OwnSync | Expect::Query(_) | Expect::Failing { simple: true, .. }
            ) {
                taken.hidden = matches!(expect, Expect::OwnSync);
                taken.done = Some(expect);
                break;
            }
            taken.dropped.push(expect);
        }
        self.end_copy();
        taken
    }

    /// Marks of copied data whose answer came.
    fn end_copy(&mut self) {
        while matches!(self.queue.front(), Some(Expect::CopyEnd)) {
            self.queue.pop_front();
        }
    }

    /// The server reads data now: each Sync before their end counts for nothing.
    fn copy_in(&mut self, extended: bool) {
        let end = self.queue.iter().position(|expect| matches!(expect, Expect::CopyEnd));
        self.copying = end.is_none();
        if extended {
            let mut at = 0;
            let end = end.unwrap_or(self.queue.len());
            self.queue.retain(|expect| {
                at += 1;
                at > end || !matches!(expect, Expect::Sync)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Expect, Replies};

    /// Answer with these letters; returns those that the client sees, own ones included, and whether all is answered.
    fn play(replies: &mut Replies, letters: &str) -> (String, bool) {
        let mut seen = String::new();
        for letter in letters.bytes() {
            if !replies.take(letter).hidden {
                seen.push(char::from(letter));
            }
            let mut out = Vec::new();
            replies.own(&mut out);
            seen.extend(out.chunks(5).map(|message| char::from(message[0])));
        }
        (seen, replies.is_empty())
    }

    fn queue(expects: Vec<Expect>) -> Replies {
        let mut replies = Replies::default();
        for expect in expects {
            replies.push(expect);
        }
        replies
    }

    #[test]
    fn own_answers_stand_in_their_place() {
        let mut replies = queue(vec![
            Expect::Bind(None),
            Expect::Known(Box::default()),
            Expect::Describe,
            Expect::Evicted,
            Expect::Forgotten,
            Expect::Execute,
            Expect::Sync,
        ]);
        assert_eq!(("21tT3DDCZ".to_owned(), true), play(&mut replies, "2tT3DDCZ"));
    }

    #[test]
    fn an_error_answers_everything_up_to_the_sync() {
        let mut replies =
            queue(vec![Expect::Bind(None), Expect::Known(Box::default()), Expect::Sync, Expect::Query(None)]);
        assert_eq!(("EZCZ".to_owned(), true), play(&mut replies, "EZCZ"));
    }

    #[test]
    fn a_sync_of_the_routers_own_is_not_seen() {
        let mut replies = queue(vec![Expect::Describe, Expect::OwnSync, Expect::Query(None)]);
        assert_eq!(("tTCZ".to_owned(), true), play(&mut replies, "tTZCZ"));
    }

    #[test]
    fn what_follows_an_error_before_the_sync_is_passed_over() {
        let mut replies = queue(vec![Expect::Execute]);
        assert_eq!(("E".to_owned(), true), play(&mut replies, "E"));
        assert!(replies.push(Expect::Execute).is_some() && replies.push(Expect::Sync).is_none());
        assert_eq!(("Z".to_owned(), true), play(&mut replies, "Z"));
    }

    #[test]
    fn a_sync_amid_copied_data_is_not_answered() {
        let early = || vec![Expect::Execute, Expect::Sync];
        let mut replies = queue(early());
        assert_eq!(("G".to_owned(), false), play(&mut replies, "G"));
        replies.push(Expect::CopyEnd);
        replies.push(Expect::Sync);
        assert_eq!(("CZ".to_owned(), true), play(&mut replies, "CZ"));

        let mut all_at_once = queue(early().into_iter().chain([Expect::CopyEnd, Expect::Sync]).collect());
        assert_eq!(("GCZ".to_owned(), true), play(&mut all_at_once, "GCZ"));

        let mut simple = queue(vec![Expect::Query(None)]);
        play(&mut simple, "G");
        simple.push(Expect::Sync);
        simple.push(Expect::CopyEnd);
        assert_eq!(("CZ".to_owned(), true), play(&mut simple, "CZ"));
    }

    #[test]
    fn copied_data_that_fails_ends_at_the_next_sync() {
        let mut replies = queue(vec![Expect::Execute, Expect::Sync]);
        play(&mut replies, "GE");
        replies.push(Expect::CopyEnd);
        replies.push(Expect::Sync);
        assert_eq!(("Z".to_owned(), true), play(&mut replies, "Z"));
    }
}
