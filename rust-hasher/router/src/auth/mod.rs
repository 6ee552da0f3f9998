//! Who a client is, and how the router proves to a server that it speaks for it: SCRAM-SHA-256 (RFC 5802, RFC 7677).

pub mod client;
pub mod server;
pub mod users;
pub mod verifier;
