//! What the router knows of a shard at present.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::topology::lines::Outlook;

/// A shard, for as long as the router runs.
#[derive(Debug)]
pub struct Known {
    /// Its name.
    pub name: String,
    outlook: ArcSwap<Outlook>,
}

impl Known {
    /// A shard of which nothing is known yet.
    #[must_use]
    pub fn new(name: String) -> Self {
        Self { name, outlook: ArcSwap::default() }
    }

    /// Who leads, as far as known.
    #[must_use]
    pub fn outlook(&self) -> Arc<Outlook> {
        self.outlook.load_full()
    }

    /// A connection made to `instance` in `term` is still of use.
    #[must_use]
    pub fn keeps(&self, term: u64, instance: &str, replica: bool) -> bool {
        self.outlook.load().keeps(term, instance, replica)
    }

    /// Take up an outlook; false if it says nothing new.
    pub fn learn(&self, outlook: Outlook) -> bool {
        let known = self.outlook.load();
        if **known == outlook {
            return false;
        }
        if known.leader != outlook.leader || known.writes != outlook.writes {
            let leader = outlook.leader.as_ref().map_or("nobody", |leader| leader.instance.as_str());
            let (shard, term, writes) = (self.name.as_str(), outlook.term, outlook.writes);
            tracing::info!(shard, leader, term, writes, "the outlook of the shard changed");
        }
        self.outlook.store(Arc::new(outlook));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Known;
    use crate::topology::lines::{Outlook, Target};

    #[test]
    fn only_what_is_new_is_news() {
        let shard = Known::new("s0".into());
        let target = Target { instance: "shop-s0-a".into(), address: "::1".into(), port: 5432 };
        let outlook = Outlook { term: 2, leader: Some(target), writes: true, replicas: vec![] };
        assert!(shard.learn(outlook.clone()));
        assert!(!shard.learn(outlook));
        assert!(shard.keeps(2, "shop-s0-a", false) && !shard.keeps(1, "shop-s0-a", false));
    }
}
