//! The pure half of the router: from the text of a statement to the shards that shall run it.
//!
//! No I/O and no clock; every function is total: whatever the bytes, it gives a decision or a [`Refusal`].
//!
//! ```text
//! text -- scan: one pass --> skeleton + places of the literals -- cache --> Template
//!                               (first sight of a skeleton: parse, catalog -- analyse --> Template)
//! Template + literals + parameters + map -- route --> Decision
//! ```
//!
//! The rule that everything here serves: a statement goes where a single PostgreSQL would have given the
//! same answer, or it is refused by name. What is not understood is refused, never guessed.

pub mod analyse;
pub mod ast;
pub mod cache;
mod calls;
pub mod catalog;
pub mod copy;
mod dml;
pub mod explain;
mod expr;
mod lexemes;
pub mod lexer;
mod other;
pub mod parse;
mod quote;
pub mod refusal;
pub mod rewrite;
pub mod route;
pub mod scan;
mod scope;
mod select;
pub(crate) mod settings;
mod special;
pub(crate) mod strings;
pub mod template;
pub mod value;
mod words;

#[cfg(test)]
mod tests;

pub use cache::Templates;
pub use catalog::Catalog;
pub use refusal::{Feature, Refusal};
pub use route::Decision;
pub use template::{Plan, Template};
