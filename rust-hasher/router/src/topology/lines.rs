//! One line of an agent, and what the lines of several say together. Pure.
//!
//! Fields and rules are those of `GET /v1/topology` (`docs/agent.md`): unknown fields and words are ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::Shard;
use crate::error::{Error, Result};

/// The format that this reader knows.
pub const VERSION: u32 = 1;
/// Longest line.
pub const MAX_LINE: usize = 32 << 10;

/// A server that sessions may work on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub instance: String,
    /// Its address.
    pub address: String,
    /// Its port.
    pub port: u16,
}

/// An instance as the speaker sees it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    #[serde(flatten)]
    target: Target,
    serving: Option<String>,
}

/// A line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    version: u32,
    cluster_uid: String,
    shard: String,
    shard_uid: String,
    instance: String,
    #[serde(default)]
    term: u64,
    leader: Option<Target>,
    #[serde(default)]
    writes: bool,
    #[serde(default)]
    members: Vec<Member>,
}

impl Line {
    /// Read a line of an agent of this shard.
    ///
    /// # Errors
    /// No such line, one of a later version, or one of another shard.
    pub fn read(bytes: &[u8], cluster_uid: &str, shard: &Shard) -> Result<Self> {
        let line: Self = serde_json::from_slice(bytes).map_err(|error| Error::NoServer(error.to_string()))?;
        if line.version > VERSION {
            let why = format!("{} tells topologies of version {}; upgrade the router", line.instance, line.version);
            return Err(Error::NoServer(why));
        }
        let same_shard = line.shard == shard.name && (shard.uid.is_empty() || line.shard_uid == shard.uid);
        if line.cluster_uid != cluster_uid || !same_shard {
            return Err(Error::NoServer(format!("{} speaks for another shard or cluster", line.instance)));
        }
        Ok(line)
    }
}

/// What follows from the lines of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The highest term with a leader; connections of lower ones are of no more use.
    pub term: u64,
    /// Its leader, also while it does not take writes yet.
    pub leader: Option<Target>,
    /// It takes writes, by its own last line.
    pub writes: bool,
    /// Replicas that serve reads, by their own last lines.
    pub replicas: Vec<Target>,
}

impl Outlook {
    /// What a shard without agents is taken for: its first instance leads, for ever.
    #[must_use]
    pub fn fixed(shard: &Shard) -> Self {
        let mut targets = shard.instances.iter().map(|instance| Target {
            instance: instance.name.clone(),
            address: instance.address.clone(),
            port: instance.port,
        });
        Self { term: 0, leader: targets.next(), writes: true, replicas: targets.collect() }
    }

    /// Where sessions of the primary's port, or the replicas', may work now.
    #[must_use]
    pub fn target(&self, replica: bool, turn: usize) -> Option<&Target> {
        if replica {
            return self.replicas.get(turn.checked_rem(self.replicas.len())?);
        }
        self.leader.as_ref().filter(|_| self.writes)
    }

    /// A connection made to `instance` in `term` is still of use.
    #[must_use]
    pub fn keeps(&self, term: u64, instance: &str, replica: bool) -> bool {
        if replica {
            return self.replicas.iter().any(|target| target.instance == instance);
        }
        term == self.term
    }
}

/// Put together the newest lines of all agents whose streams are alive, by instance.
///
/// A term never goes back, and its leader stays known when streams end.
#[must_use]
pub fn conclude(lines: &BTreeMap<String, Line>, known: &Outlook) -> Outlook {
    let mut found = Outlook { term: known.term, leader: known.leader.clone(), writes: false, replicas: Vec::new() };
    for line in lines.values() {
        let Some(leader) = line.leader.as_ref().filter(|_| line.term >= found.term) else { continue };
        if line.term > found.term {
            (found.term, found.leader, found.writes) = (line.term, Some(leader.clone()), false);
        }
        if line.instance == leader.instance {
            found.writes = line.writes;
        }
    }
    for line in lines.values() {
        let own = line.members.iter().find(|member| member.target.instance == line.instance);
        if let Some(own) = own.filter(|own| own.serving.as_deref() == Some("ReadOnly")) {
            found.replicas.push(own.target.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{Line, Outlook, conclude};
    use crate::config::Shard;

    fn shard() -> Shard {
        Shard { name: "s0".into(), uid: "s-uid".into(), instances: vec![] }
    }

    fn line(instance: &str, term: u64, leader: Option<&str>, writes: bool) -> Line {
        let target = |name: &str| json!({"instance": name, "address": name, "port": 5432, "member": "m"});
        let mut own = target(instance);
        own["serving"] = json!(if writes { "ReadWrite" } else { "ReadOnly" });
        let text = json!({
            "version": 1, "clusterUid": "c", "shard": "s0", "shardUid": "s-uid", "instance": instance, "serial": 1,
            "term": term, "leader": leader.map(target), "writes": writes, "reads": writes, "members": [own],
            "inventedLater": {},
        });
        Line::read(text.to_string().as_bytes(), "c", &shard()).unwrap()
    }

    fn outlook(lines: &[Line], known: &Outlook) -> Outlook {
        conclude(&lines.iter().map(|line| (line.instance.clone(), line.clone())).collect::<BTreeMap<_, _>>(), known)
    }

    #[test]
    fn the_highest_term_wins_and_writes_are_the_leaders_own_word() {
        let old = outlook(&[line("a", 2, Some("a"), true), line("b", 2, Some("a"), false)], &Outlook::default());
        assert_eq!(Some("a"), old.target(false, 0).map(|target| target.instance.as_str()));
        assert_eq!(Some("b"), old.target(true, 3).map(|target| target.instance.as_str()));
        let told = outlook(&[line("a", 2, Some("a"), true), line("c", 3, Some("b"), false)], &old);
        assert_eq!((3, false, None), (told.term, told.writes, told.target(false, 0)));
        assert!(!told.keeps(2, "a", false));
    }

    #[test]
    fn a_term_never_goes_back_and_silence_takes_writes_away() {
        let known = outlook(&[line("a", 3, Some("a"), true)], &Outlook::default());
        let told = outlook(&[line("b", 2, Some("b"), true)], &known);
        assert_eq!((3, Some("a"), false), (told.term, told.leader.as_ref().map(|t| t.instance.as_str()), told.writes));
    }

    #[test]
    fn other_shards_and_later_versions_are_refused() {
        let text = |version: u32, cluster: &str, shard: &str| {
            json!({"version": version, "clusterUid": cluster, "shard": shard, "shardUid": "s-uid", "instance": "a"})
                .to_string()
        };
        let read = |text: String| Line::read(text.as_bytes(), "c", &shard()).is_ok();
        assert!(read(text(1, "c", "s0")));
        assert!(!read(text(2, "c", "s0")) && !read(text(1, "d", "s0")) && !read(text(1, "c", "s1")));
    }
}
