//! PostgreSQL's protocol, version 3: buffers, framing, and the few messages that the router writes itself.

pub mod buffer;
pub mod frame;
pub mod messages;
pub mod names;
pub mod startup;
