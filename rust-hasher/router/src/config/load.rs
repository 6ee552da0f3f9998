//! Read the document and its files, and make of them what sessions work with.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use covet_ring::Map;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::auth::users::{User, Users};
use crate::auth::verifier::{Key, Verifier, hmac};
use crate::config::{Document, Need, UserEntry, VERSION, sharding};
use crate::error::{Error, Result};
use crate::net::tls;

/// A configuration in force.
pub struct Config {
    /// The document itself.
    pub document: Document,
    /// Which shard owns a key; None where there is one shard and no map.
    pub map: Option<Arc<Map>>,
    /// Its users.
    pub users: Arc<Users>,
    /// For clients; None without a certificate.
    pub accept: Option<Arc<rustls::ServerConfig>>,
    /// For servers and agents; None without an authority.
    pub dial: Option<Arc<rustls::ClientConfig>>,
}

/// Read everything.
///
/// # Errors
/// The first thing found that cannot be used, with its place.
pub fn load(path: &Path) -> Result<Config> {
    let document = parse(&read(path)?).map_err(|error| match error {
        Error::Config { place, why } => Error::config(format!("{} {place}", path.display()).trim_end(), why),
        other => other,
    })?;
    let tls = &document.tls;
    let accept = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) if tls.clients != Need::Off => Some(tls::acceptor(certificate, key)?),
        _ => None,
    };
    let dial = match (&tls.authority, tls.servers) {
        (Some(authority), Need::Required) => {
            Some(tls::dialer(authority, tls.certificate.as_deref().zip(tls.key.as_deref()))?)
        }
        _ => None,
    };
    let users = document.users.iter().map(user).collect::<Result<Vec<_>>>()?;
    let users = Arc::new(Users::new(users, secret(tls.key.as_deref())?));
    let map = sharding::map(&document)?.map(Arc::new);
    Ok(Config { document, map, users, accept, dial })
}

/// The files that a document names, so that a change of one is seen.
#[must_use]
pub fn files(document: &Document) -> Vec<&Path> {
    let tls = &document.tls;
    let verifiers = document.users.iter().filter_map(|user| user.verifier_file.as_deref());
    [&tls.certificate, &tls.key, &tls.authority, &document.map]
        .into_iter()
        .filter_map(|path| path.as_deref())
        .chain(verifiers)
        .collect()
}

/// Read a document and check it by itself.
///
/// # Errors
/// The first field that cannot be used.
pub fn parse(text: &str) -> Result<Document> {
    let document: Document = serde_json::from_str(text).map_err(|error| Error::config("", error.to_string()))?;
    let refuse = |place: &str, why: &str| Err(Error::config(place, why));
    let (tls, pool) = (&document.tls, &document.pool);
    if document.version != VERSION {
        return refuse("version", "this router reads version 1; use the router of the operator's own release");
    }
    if tls.clients != Need::Off && (tls.certificate.is_none() || tls.key.is_none()) {
        return refuse("tls.clients", "needs tls.certificate and tls.key; or say Off");
    }
    if tls.servers == Need::Optional {
        return refuse("tls.servers", "is Required or Off: a server that could choose would be no proof of anything");
    }
    if tls.servers == Need::Required && tls.authority.is_none() {
        return refuse("tls.servers", "needs tls.authority; or say Off");
    }
    if document.shards.is_empty() {
        return refuse("shards", "is empty; name at least one");
    }
    for (number, shard) in document.shards.iter().enumerate() {
        let place = format!("shards[{number}].instances");
        if shard.instances.is_empty() {
            return refuse(&place, "is empty; name at least one");
        }
        if tls.servers == Need::Off && shard.instances.iter().any(|instance| instance.agent_port.is_some()) {
            return refuse(&place, "name agents, which need tls.servers: Required");
        }
        if document.shards[..number].iter().any(|known| known.name == shard.name) {
            return refuse(&format!("shards[{number}].name"), "is there twice");
        }
    }
    sharding::check(&document)?;
    if pool.max == 0 || pool.min > pool.max {
        return refuse("pool", "needs max >= 1 and min <= max");
    }
    if document.limits.message_bytes < 1024 || document.limits.statements == 0 {
        return refuse("limits", "needs messageBytes >= 1024 and statements >= 1");
    }
    Ok(document)
}

fn user(entry: &UserEntry) -> Result<User> {
    let place = format!("user {}", entry.name);
    let text = match (&entry.verifier, &entry.verifier_file) {
        (Some(text), None) => text.clone(),
        (None, Some(path)) => read(path)?,
        _ => return Err(Error::config(place, "needs either verifier or verifierFile")),
    };
    let verifier = Verifier::parse(&text)
        .ok_or_else(|| Error::config(place, "has no SCRAM-SHA-256 verifier; give the one in pg_authid.rolpassword"))?;
    Ok(User::new(entry.name.clone(), verifier, entry.clients))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::config(path.display().to_string(), error.to_string()))
}

/// The secret behind the salts of missing users: the same in all routers with one private key.
fn secret(key: Option<&Path>) -> Result<Key> {
    if let Some(path) = key {
        return Ok(hmac(b"covet-router mock salts", &[read(path)?.as_bytes()]));
    }
    let mut secret = [0; 32];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| Error::config("mock salts", "the system has no random numbers"))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::parse;
    use crate::config::{Held, Mode, Need};

    fn sample() -> Value {
        json!({
            "version": 1,
            "cluster": {"name": "shop", "uid": "u"},
            "listen": {"address": "127.0.0.1", "primary": 6432},
            "tls": {"clients": "Off", "servers": "Off"},
            "users": [{"name": "app", "verifier": "SCRAM-SHA-256$..."}],
            "databases": [{"name": "app"}],
            "shards": [{"name": "s0", "instances": [{"name": "shop-s0-a", "address": "::1", "port": 5432}]}],
        })
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let document = parse(&sample().to_string()).unwrap();
        assert_eq!((Mode::Transaction, 20, Held::Pin), (document.pool.mode, document.pool.max, document.limits.held));
        assert_eq!(Need::Off, document.tls.clients);
    }

    #[test]
    fn several_shards_need_a_map_and_names_of_their_own() {
        let (mut changed, s1) =
            (sample(), json!({"name": "s1", "instances": [{"name": "b", "address": "::1", "port": 1}]}));
        changed["shards"].as_array_mut().unwrap().push(s1.clone());
        assert!(parse(&changed.to_string()).unwrap_err().to_string().contains("needs map"));
        changed["map"] = "/map.json".into();
        assert_eq!(2, parse(&changed.to_string()).unwrap().shards.len());
        for (tables, words) in [
            (json!({"a": {}}), "sharding.tables.a: needs either"),
            (json!({"a": {"key": "k", "reference": true}}), "sharding.tables.a: needs either"),
            (json!({"a": {"key": "k"}, "public.a": {"reference": true}}), "twice"),
        ] {
            changed["sharding"] = json!({"tables": tables});
            let error = parse(&changed.to_string()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        changed["sharding"] = json!({});
        changed["shards"].as_array_mut().unwrap().push(s1);
        assert!(parse(&changed.to_string()).unwrap_err().to_string().contains("shards[2].name"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let refused = [
            ("/version", json!(2), "version"),
            ("/tls", json!({}), "tls.certificate"),
            ("/tls/servers", json!("Optional"), "tls.servers"),
            ("/shards", json!([]), "shards"),
            ("/shards/0/instances", json!([]), "instances"),
            ("/shards/0/instances/0/agentPort", json!(1), "agents"),
            ("/pool", json!({"max": 0}), "pool"),
            ("/pool", json!({"mox": 1}), "mox"),
            ("/limits", json!({"statements": 0}), "limits"),
            ("/sharding", json!({"key": "tenant_id"}), "needs map"),
        ];
        for (place, value, word) in refused {
            let mut changed = sample();
            let (parent, field) = place.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[field] = value;
            let error = parse(&changed.to_string()).unwrap_err().to_string();
            assert!(error.contains(word), "{place}: {error}");
        }
    }
}
