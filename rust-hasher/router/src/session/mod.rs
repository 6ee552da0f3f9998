//! A client's session: login, then statements to and from a server connection that it borrows.

pub mod admin;
mod answers;
pub mod client;
pub mod exchange;
pub mod extended;
pub mod guard;
pub mod login;
pub mod nature;
pub mod replies;
pub mod settings;
pub mod statements;
