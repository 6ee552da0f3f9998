//! Buffers of 16 KiB that a thread lends to whoever has bytes at hand; an idle connection holds none.

use std::cell::RefCell;
use std::mem;

/// Capacity of a lent buffer.
pub const BLOCK: usize = 16 << 10;
/// Blocks that a thread keeps for the next one who needs them.
const SPARE: usize = 64;

thread_local! {
    static SPARES: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn lend() -> Vec<u8> {
    SPARES.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BLOCK))
}

fn give_back(mut block: Vec<u8>) {
    if block.capacity() == BLOCK {
        block.clear();
        SPARES.with_borrow_mut(|spares| {
            if spares.len() < SPARE {
                spares.push(block);
            }
        });
    }
}

/// Bytes that came and were not used up yet, or that wait to be sent. Without any it owns no memory.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// The bytes at hand.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// How many bytes are at hand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Nothing is at hand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Use up the first `count` bytes; the memory goes back once all are used.
    pub fn advance(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.bytes.len() {
            self.clear();
        }
    }

    /// Forget all bytes and give the memory back.
    pub fn clear(&mut self) {
        self.start = 0;
        if self.bytes.capacity() != 0 {
            give_back(mem::take(&mut self.bytes));
        }
    }

    /// Append bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() == 0 && bytes.len() <= BLOCK {
            self.bytes = lend();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// A vector with room for at least `more` bytes, to read into behind what is at hand.
    pub fn room(&mut self, more: usize) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 && more <= BLOCK {
            self.bytes = lend();
        }
        if self.start > 0 && self.bytes.capacity() - self.bytes.len() < more {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.bytes.capacity() - self.bytes.len() < more {
            self.bytes.reserve(more);
        }
        &mut self.bytes
    }

    /// Move the first `count` bytes behind those of `to`; without a copy if they are all and `to` has none.
    pub fn pass(&mut self, count: usize, to: &mut Self) {
        if count == 0 {
            return;
        }
        if count == self.len() && to.is_empty() {
            mem::swap(self, to);
            self.clear();
        } else {
            to.put(&self.data()[..count]);
            self.advance(count);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Buffer};

    #[test]
    fn an_empty_buffer_owns_no_memory() {
        let mut buffer = Buffer::default();
        buffer.put(b"word");
        assert_eq!(BLOCK, buffer.bytes.capacity());
        buffer.advance(4);
        assert_eq!(0, buffer.bytes.capacity());
    }

    #[test]
    fn all_bytes_pass_without_a_copy() {
        let (mut from, mut to) = (Buffer::default(), Buffer::default());
        from.put(b"word");
        let place = from.data().as_ptr();
        from.pass(4, &mut to);
        assert_eq!((b"word".as_slice(), place), (to.data(), to.data().as_ptr()));
        assert!(from.is_empty());
    }

    #[test]
    fn a_part_passes_behind_what_is_there() {
        let (mut from, mut to) = (Buffer::default(), Buffer::default());
        from.put(b"word");
        to.put(b"a ");
        from.pass(2, &mut to);
        assert_eq!((b"rd".as_slice(), b"a wo".as_slice()), (from.data(), to.data()));
    }

    #[test]
    fn room_keeps_what_is_at_hand() {
        let mut buffer = Buffer::default();
        buffer.put(&[7; BLOCK]);
        buffer.advance(BLOCK - 3);
        assert!(buffer.room(100).capacity() >= 103);
        assert_eq!([7, 7, 7], buffer.data());
    }
}
