//! Sockets, with TLS or without.

pub mod stream;
pub mod tls;
