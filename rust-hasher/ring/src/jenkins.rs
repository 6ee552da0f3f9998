//! `PostgreSQL`'s extended hash functions, bit for bit.
//!
//! `PostgreSQL` hashes with Bob Jenkins' public-domain lookup3; the "extended" variants mix in a 64-bit
//! seed first and return 64 bits. Reproducing them means a slot can be computed here and, inside the
//! server, by an index, a CHECK constraint or a publication row filter.

/// lookup3's arbitrary start value plus the constant that `PostgreSQL` adds to it.
const START: u32 = 0x9e37_79b9_u32.wrapping_add(3_923_095);

/// The three words of lookup3's state.
#[derive(Clone, Copy)]
struct State {
    a: u32,
    b: u32,
    c: u32,
}

impl State {
    /// State for a key of `length` bytes under a 64-bit `seed`.
    const fn seeded(length: u32, seed: u64) -> Self {
        let start = START.wrapping_add(length);
        let state = Self { a: start, b: start, c: start };
        if seed == 0 {
            return state;
        }
        Self {
            a: state.a.wrapping_add((seed >> 32) as u32),
            b: state.b.wrapping_add((seed & 0xffff_ffff) as u32),
            c: state.c,
        }
        .mix()
    }

    /// lookup3's reversible mix of three words.
    const fn mix(self) -> Self {
        let Self { mut a, mut b, mut c } = self;
        a = a.wrapping_sub(c) ^ c.rotate_left(4);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(6);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(8);
        b = b.wrapping_add(a);
        a = a.wrapping_sub(c) ^ c.rotate_left(16);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(19);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(4);
        b = b.wrapping_add(a);
        Self { a, b, c }
    }

    /// lookup3's final mix; `b` and `c` of the result are the hash.
    #[inline]
    const fn finish(self) -> Self {
        let Self { mut a, mut b, mut c } = self;
        c = (c ^ b).wrapping_sub(b.rotate_left(14));
        a = (a ^ c).wrapping_sub(c.rotate_left(11));
        b = (b ^ a).wrapping_sub(a.rotate_left(25));
        c = (c ^ b).wrapping_sub(b.rotate_left(16));
        a = (a ^ c).wrapping_sub(c.rotate_left(4));
        b = (b ^ a).wrapping_sub(a.rotate_left(14));
        c = (c ^ b).wrapping_sub(b.rotate_left(24));
        Self { a, b, c }
    }

    /// The 64-bit hash: `b` above `c`.
    #[inline]
    const fn hash(self) -> u64 {
        ((self.b as u64) << 32) | self.c as u64
    }
}

/// `hashint8extended(key, SEED)`: the server folds the key to 32 bits so that it agrees with `hashint4`.
#[inline]
pub(crate) fn hash_int8<const SEED: u64>(key: i64) -> u64 {
    hash_folded::<SEED>(fold_int8(key))
}

/// The hash of a folded integer. The seed is a constant so that its mixing happens at compile time.
#[inline]
pub(crate) fn hash_folded<const SEED: u64>(folded: u32) -> u64 {
    let state = const { State::seeded(4, SEED) };
    State { a: state.a.wrapping_add(folded), ..state }.finish().hash()
}

/// Folds 64 bits to 32: `low ^ high` for keys >= 0, `low ^ !high` below, without a branch.
#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "splits the key into its halves")]
pub(crate) fn fold_int8(key: i64) -> u32 {
    (key ^ (key >> 32)) as u32 ^ (key >> 63) as u32
}

/// `hash_bytes_extended(bytes, seed)`, which is `hashtextextended` for deterministic collations and
/// `uuid_hash_extended` for the 16 bytes of a uuid.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the length is taken modulo 2^32; a value of PostgreSQL has at most 1 GiB"
)]
pub(crate) fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    let mut state = State::seeded(bytes.len() as u32, seed);
    let mut blocks = bytes.chunks_exact(12);
    for block in &mut blocks {
        state = State {
            a: state.a.wrapping_add(word(block, 0)),
            b: state.b.wrapping_add(word(block, 4)),
            c: state.c.wrapping_add(word(block, 8)),
        }
        .mix();
    }
    // The last 0 to 11 bytes; the lowest byte of `c` stays free for the length, hence the shift.
    let rest = blocks.remainder();
    let mut tail = [0_u8; 12];
    tail[..rest.len()].copy_from_slice(rest);
    State {
        a: state.a.wrapping_add(word(&tail, 0)),
        b: state.b.wrapping_add(word(&tail, 4)),
        c: state.c.wrapping_add(word(&tail, 8) << 8),
    }
    .finish()
    .hash()
}

/// The little-endian word at `at`.
#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
