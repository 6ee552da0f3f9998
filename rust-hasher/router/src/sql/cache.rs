//! Templates that were seen before, bounded.
//!
//! Clients choose the SQL, so the cache trusts no hash: it compares the whole skeleton, and the hash that finds
//! it has a random key (the standard library's). Two generations bound it: when the young one is full it becomes
//! the old one, and what is used again moves over.

use std::collections::HashMap;
use std::sync::Arc;

use super::analyse::{self, Context};
use super::scan::{Scratch, Statement};
use super::template::{Kind, Plan, Template};

/// Skeletons longer than this are analysed each time.
const LONGEST: usize = 16 * 1024;

type Generation = HashMap<Box<[u8]>, Arc<Template>>;

/// The templates of one catalog, one search path and one setting of `standard_conforming_strings`.
#[derive(Debug)]
pub struct Templates {
    young: Generation,
    old: Generation,
    /// Bytes of the skeletons in `young`.
    bytes: usize,
    most: usize,
    most_bytes: usize,
    hits: u64,
    misses: u64,
}

impl Templates {
    /// A cache of up to `2 * most` templates, whose skeletons have up to `2 * most_bytes` bytes together.
    #[must_use]
    pub fn new(most: usize, most_bytes: usize) -> Self {
        let (young, old) = (Generation::new(), Generation::new());
        Self { young, old, bytes: 0, most, most_bytes, hits: 0, misses: 0 }
    }

    /// The template of the statement that `scratch` describes; analysed when it is not known yet.
    pub fn template(
        &mut self,
        text: &str,
        statement: &Statement<'_>,
        scratch: &Scratch,
        context: &Context<'_>,
    ) -> Arc<Template> {
        let skeleton = scratch.skeleton.as_slice();
        if let Some(found) = self.young.get(skeleton) {
            self.hits += 1;
            return Arc::clone(found);
        }
        if let Some((skeleton, found)) = self.old.remove_entry(skeleton) {
            self.hits += 1;
            self.keep(skeleton, &found);
            return found;
        }
        self.misses += 1;
        let found = Arc::new(analyse::analyse(text, statement.text, scratch, context));
        if skeleton.len() <= LONGEST && depends_on_skeleton_only(&found) {
            self.keep(skeleton.into(), &found);
        }
        found
    }

    /// Hits and misses since the start.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }

    /// Number of templates held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn keep(&mut self, skeleton: Box<[u8]>, template: &Arc<Template>) {
        if self.young.len() >= self.most || self.bytes + skeleton.len() > self.most_bytes {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += skeleton.len();
        self.young.insert(skeleton, Arc::clone(template));
    }
}

/// SET and COPY keep values of their literals in the template, which the next text may write otherwise.
fn depends_on_skeleton_only(template: &Template) -> bool {
    let explains = |kind: Kind| matches!(kind, Kind::Session | Kind::Copy);
    match &template.plan {
        Ok(Plan::ExplainCovet(inner)) => !explains(inner.kind),
        _ => !explains(template.kind),
    }
}
