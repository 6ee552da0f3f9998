//! The users of the configuration: their verifiers, and the keys that their logins left here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::auth::verifier::{Key, Verifier};

/// A user that may log in.
pub struct User {
    /// Its name.
    pub name: String,
    /// What the servers hold of its password too.
    pub verifier: Verifier,
    /// Most clients at once; 0 is no limit.
    pub most: usize,
    client: OnceLock<Key>,
    clients: Arc<AtomicUsize>,
}

impl User {
    /// A user nobody has logged in as yet.
    #[must_use]
    pub fn new(name: String, verifier: Verifier, most: usize) -> Self {
        Self { name, verifier, most, client: OnceLock::new(), clients: Arc::default() }
    }

    /// Keep the key that the first login gave away; servers take it in the place of the password.
    pub fn learn(&self, client: Key) {
        let _ = self.client.set(client);
    }

    /// The key, once somebody has logged in.
    #[must_use]
    pub fn client(&self) -> Option<&Key> {
        self.client.get()
    }

    /// Clients that are logged in.
    #[must_use]
    pub fn clients(&self) -> &Arc<AtomicUsize> {
        &self.clients
    }
}

/// A place among a limited number; it is given back when it goes.
pub struct Place(Arc<AtomicUsize>);

impl Place {
    /// Take one more of `most`, 0 being no limit; None if all are taken.
    #[must_use]
    pub fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        if taken.fetch_add(1, Ordering::Relaxed) >= most && most > 0 {
            taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(Arc::clone(taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All users, and the secret that the salts of missing ones come from.
pub struct Users {
    users: HashMap<String, Arc<User>>,
    secret: Key,
}

impl Users {
    /// These users.
    #[must_use]
    pub fn new(users: Vec<User>, secret: Key) -> Self {
        Self { users: users.into_iter().map(|user| (user.name.clone(), Arc::new(user))).collect(), secret }
    }

    /// Keep from `before` whoever has the same verifier: its key and its count of clients stay.
    #[must_use]
    pub fn inherit(mut self, before: &Self) -> Self {
        for (name, user) in &mut self.users {
            let Some(known) = before.users.get(name) else { continue };
            let mut kept = User::new(name.clone(), user.verifier.clone(), user.most);
            kept.clients = Arc::clone(&known.clients);
            if known.verifier == user.verifier {
                kept.client = known.client.clone();
            }
            *user = Arc::new(kept);
        }
        self
    }

    /// The user of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    /// The verifier to ask a client for: the user's own, or one that nobody can meet.
    #[must_use]
    pub fn verifier(&self, name: &str) -> Verifier {
        // Made in either case, so that a missing user takes no other time.
        let mock = Verifier::mock(&self.secret, name);
        self.users.get(name).map_or(mock, |user| user.verifier.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Place, User, Users};
    use crate::auth::verifier::tests::keys;

    #[test]
    fn a_reload_keeps_keys_of_users_whose_password_is_the_same() {
        let (client, one) = keys("one", b"salt");
        let (_, two) = keys("two", b"salt");
        let users = |verifier| Users::new(vec![User::new("app".into(), verifier, 0)], [0; 32]);
        let before = users(one.clone());
        before.find("app").unwrap().learn(client);
        assert_eq!(Some(&client), users(one).inherit(&before).find("app").unwrap().client());
        assert_eq!(None, users(two).inherit(&before).find("app").unwrap().client());
    }

    #[test]
    fn a_limit_holds_and_places_come_back() {
        let taken = Arc::default();
        let first = Place::take(&taken, 1);
        assert!(first.is_some() && Place::take(&taken, 1).is_none());
        drop(first);
        assert!(Place::take(&taken, 1).is_some());
        assert!(Place::take(&taken, 0).is_some());
    }
}
