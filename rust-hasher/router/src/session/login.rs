//! From a fresh connection to a session: TLS, startup packet, SCRAM, limits, parameters.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::auth::server::{Exchange, MECHANISM, initial};
use crate::auth::users::{Place, User};
use crate::cancel;
use crate::config::Need;
use crate::config::load::Config;
use crate::error::{Error, Result};
use crate::net::stream::Stream;
use crate::pool::Key;
use crate::session::client::Session;
use crate::session::guard;
use crate::session::settings::{self, Settings};
use crate::wire::buffer::Buffer;
use crate::wire::startup::{self, Startup};
use crate::wire::{frame, messages};
use crate::worker::Worker;

/// Longest message of a login.
const LONGEST: usize = 4096;

/// A connection that has not logged in yet.
struct Login {
    stream: Stream,
    buffer: Buffer,
}

impl Login {
    async fn fill(&mut self) -> Result<()> {
        match poll_fn(|cx| self.stream.poll_fill(&mut self.buffer, cx)).await? {
            0 => Err(Error::Closed),
            _ => Ok(()),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let mut out = Buffer::default();
        out.put(bytes);
        Ok(poll_fn(|cx| self.stream.poll_drain(&mut out, cx)).await?)
    }

    async fn startup(&mut self) -> Result<Startup> {
        loop {
            if let Some(length) = startup::length(self.buffer.data())?
                && let Some(packet) = self.buffer.data().get(..length)
            {
                let found = startup::parse(packet);
                self.buffer.advance(length);
                return found;
            }
            self.fill().await?;
        }
    }

    /// The body of the next `p` message.
    async fn answer(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(frame) = frame::peek_whole(self.buffer.data(), LONGEST)? {
                if frame.kind != b'p' {
                    return Err(Error::Protocol("expected an answer to the request of authentication"));
                }
                if let Some(message) = self.buffer.data().get(..frame.len) {
                    let body = message[frame::HEADER..].to_vec();
                    self.buffer.advance(frame.len);
                    return Ok(body);
                }
            }
            self.fill().await?;
        }
    }

    /// Ask for proof of the password; every refusal takes the same way.
    async fn authenticate(&mut self, config: &Config, name: &str) -> Result<Arc<User>> {
        let mut out = Vec::new();
        messages::authentication(&mut out, 10, format!("{MECHANISM}\0\0").as_bytes());
        self.send(&out).await?;
        let body = self.answer().await?;
        let (mechanism, first) = initial(&body)?;
        if mechanism != MECHANISM {
            return Err(Error::Protocol("the client chose a mechanism that was not offered"));
        }
        let mut nonce = [0; 18];
        SystemRandom::new().fill(&mut nonce).map_err(|_| Error::Protocol("the system has no random numbers"))?;
        let (exchange, answer) = Exchange::begin(config.users.verifier(name), first, &nonce)?;
        out.clear();
        messages::authentication(&mut out, 11, answer.as_bytes());
        self.send(&out).await?;
        let body = self.answer().await?;
        let last = std::str::from_utf8(&body).map_err(|_| Error::Protocol("malformed SCRAM message"))?;
        let proven = exchange.finish(last)?;
        let (Some((client, end)), Some(user)) = (proven, config.users.find(name)) else {
            return Err(Error::Password(name.to_owned()));
        };
        user.learn(client);
        out.clear();
        messages::authentication(&mut out, 12, end.as_bytes());
        messages::authentication(&mut out, 0, &[]);
        self.send(&out).await?;
        Ok(Arc::clone(user))
    }
}

/// Serve a connection from its first byte to its last.
pub async fn serve(worker: Rc<Worker>, socket: TcpStream, replica: bool) {
    let _ = socket.set_nodelay(true);
    let shared = Arc::clone(&worker.shared);
    let config = shared.config.load_full();
    let limits = &config.document.limits;
    let mut login = Login { stream: Stream::Plain(socket), buffer: Buffer::default() };
    let place = Place::take(&shared.clients, limits.clients);
    let longest = Duration::from_secs(limits.login_seconds);
    let opened = timeout(longest, open(&worker, &mut login, &config, replica, place.is_some())).await;
    drop(config);
    let (mut session, _places) = match opened.unwrap_or(Err(Error::LoginSlow)) {
        Ok(Some((seed, places))) => {
            let Login { stream, .. } = login;
            let Seed { user, pool, registered, settings } = seed;
            (Session::new(worker, stream, user, pool, registered, settings), places)
        }
        Ok(None) | Err(Error::Closed | Error::Io(_)) => return,
        Err(error) => {
            shared.metrics.refused.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%error, "a login was refused");
            let _ = timeout(Duration::from_secs(1), login.send(&messages::fatal(&error))).await;
            return;
        }
    };
    let pool = session.pool();
    pool.gauges().clients.fetch_add(1, Ordering::Relaxed);
    let words = match session.run().await {
        Ok(()) | Err(Error::Closed | Error::Io(_)) => None,
        Err(error) => {
            tracing::info!(%error, code = error.sqlstate(), "a session was ended");
            Some(messages::fatal(&error))
        }
    };
    session.end(words.as_deref()).await;
    pool.gauges().clients.fetch_sub(1, Ordering::Relaxed);
    drop(place);
}

/// What a session begins with.
struct Seed {
    user: Arc<User>,
    pool: Rc<crate::pool::Pool>,
    registered: cancel::Registered,
    settings: Rc<Settings>,
}

/// Places among the clients of a user and of a database.
type Places = (Place, Place);

/// Come to a session; None where the connection was for something else.
async fn open(
    worker: &Rc<Worker>,
    login: &mut Login,
    config: &Config,
    replica: bool,
    place: bool,
) -> Result<Option<(Seed, Places)>> {
    let parameters = loop {
        match login.startup().await? {
            Startup::Tls => encrypt(login, config).await?,
            Startup::Gss => login.send(b"N").await?,
            Startup::Cancel { process, secret } => {
                cancel::cancel(&worker.shared, (process, secret)).await;
                return Ok(None);
            }
            Startup::Session { minor, parameters } => {
                if minor > 0 {
                    negotiate(login, &parameters).await?;
                }
                break parameters;
            }
        }
    };
    if config.document.tls.clients == Need::Required && !login.stream.is_tls() {
        return Err(Error::TlsRequired);
    }
    if worker.shared.is_draining() {
        return Err(Error::Draining);
    }
    let limits = &config.document.limits;
    if !place {
        return Err(Error::TooMany(format!("this router takes {}", limits.clients)));
    }
    let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let name =
        value("user").filter(|name| !name.is_empty()).ok_or(Error::Protocol("no user name in startup packet"))?;
    if value("replication").is_some_and(|value| !matches!(value, "false" | "off" | "no" | "0")) {
        return Err(Error::Protocol("replication does not go through this router; connect to an instance"));
    }
    let user = login.authenticate(config, name).await?;
    let database = value("database").filter(|database| !database.is_empty()).unwrap_or(name);
    let known = config.document.databases.iter().find(|known| known.name == database);
    let known = known.ok_or_else(|| Error::NoDatabase(database.to_owned()))?;
    let many = |whose: String, most: usize| Error::TooMany(format!("{whose} may have {most}"));
    let own = Place::take(user.clients(), user.most).ok_or_else(|| many(format!("user {name}"), user.most))?;
    let its = Place::take(&worker.shared.database(database), known.clients)
        .ok_or_else(|| many(format!("database {database}"), known.clients))?;
    let shard = config.document.shards[0].name.clone();
    let pool = worker.pool(Key { user: name.to_owned(), database: database.to_owned(), shard, replica });
    if let Some(setting) = settings::asked(&parameters).iter().find_map(|(name, value)| guard::refuses(name, value)) {
        return Err(Error::Unsafe(setting));
    }
    let settings = Rc::new(Settings::of_startup(&parameters));
    let welcome = pool.welcome(&user, &settings).await?;
    if config.map.is_some() {
        worker.shared.catalogs.entry(database).entered(name);
    }
    let registered = cancel::register(&worker.shared)?;
    let mut out = Vec::new();
    for (name, value) in welcome.iter() {
        messages::parameter(&mut out, name, value);
    }
    messages::message(&mut out, b'K', |out| {
        out.extend(registered.key.0.to_be_bytes());
        out.extend(registered.key.1.to_be_bytes());
    });
    messages::ready(&mut out, b'I');
    login.send(&out).await?;
    Ok(Some((Seed { user, pool, registered, settings }, (own, its))))
}

/// Speak TLS from here on, if there is a certificate.
async fn encrypt(login: &mut Login, config: &Config) -> Result<()> {
    let Some(accept) = config.accept.as_ref().filter(|_| !login.stream.is_tls()) else {
        return login.send(b"N").await;
    };
    if !login.buffer.is_empty() {
        return Err(Error::Protocol("received unencrypted data after the request for TLS"));
    }
    login.send(b"S").await?;
    let socket = login.stream.take_socket().ok_or(Error::Closed)?;
    let tls = TlsAcceptor::from(Arc::clone(accept)).accept(socket).await?;
    login.stream = Stream::Accepted(Box::new(tls));
    Ok(())
}

/// Tell a client of a later minor version that this is 3.0, and which of its options are not known.
async fn negotiate(login: &mut Login, parameters: &[(String, String)]) -> Result<()> {
    let unknown: Vec<_> = parameters.iter().filter(|(name, _)| name.starts_with("_pq_.")).collect();
    let mut out = Vec::new();
    messages::message(&mut out, b'v', |out| {
        out.extend(0_u32.to_be_bytes());
        out.extend(u32::try_from(unknown.len()).unwrap_or(0).to_be_bytes());
        for (name, _) in &unknown {
            messages::text(out, name);
        }
    });
    login.send(&out).await
}
