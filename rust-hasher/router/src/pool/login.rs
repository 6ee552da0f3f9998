//! The start of a server connection: parameters, SCRAM with the client's key, until the server is ready.

use std::future::poll_fn;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::AsyncWriteExt as _;

use crate::auth::client::Proof;
use crate::auth::server::MECHANISM;
use crate::auth::users::User;
use crate::config::load::Config;
use crate::error::{Error, Result};
use crate::net::stream::Stream;
use crate::pool::dial;
use crate::topology::lines::Target;
use crate::wire::buffer::Buffer;
use crate::wire::{frame, messages};

/// Longest message of a server before it is ready.
const LONGEST: usize = 64 << 10;

/// Settings that nobody's ALTER ROLE or ALTER DATABASE lowers for what comes through here, and RESET brings back.
const SAFE: [[&str; 2]; 3] =
    [["synchronous_commit", "on"], ["client_min_messages", "notice"], ["standard_conforming_strings", "on"]];

/// What a server says about itself at login.
pub struct Greeted {
    /// The connection, ready for a query.
    pub stream: Stream,
    /// Numbers that cancel what it runs.
    pub key: (u32, u32),
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
}

/// A login under way: the connection and what came on it.
struct Login<'a> {
    stream: Stream,
    buffer: Buffer,
    instance: &'a str,
}

impl Login<'_> {
    /// The next message: its letter and body.
    async fn next(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = frame::peek_whole(self.buffer.data(), LONGEST)?
                && let Some(message) = self.buffer.data().get(..frame.len)
            {
                let body = message[frame::HEADER..].to_vec();
                self.buffer.advance(frame.len);
                return Ok((frame.kind, body));
            }
            if poll_fn(|cx| self.stream.poll_fill(&mut self.buffer, cx)).await? == 0 {
                return Err(Error::Closed);
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    fn refuse(&self, why: &str) -> Error {
        Error::ServerLogin { server: self.instance.to_owned(), why: why.to_owned() }
    }

    /// The next request of authentication: its number and data.
    async fn asked(&mut self) -> Result<(u32, Vec<u8>)> {
        let (kind, body) = self.next().await?;
        match (kind, body.split_first_chunk::<4>()) {
            (b'R', Some((number, data))) => Ok((u32::from_be_bytes(*number), data.to_vec())),
            (b'E', _) => Err(self.refused(&body)),
            _ => Err(self.refuse("it sent something else than a request of authentication")),
        }
    }

    fn refused(&self, body: &[u8]) -> Error {
        let (code, message) = messages::error_fields(body);
        Error::ServerRefused { server: self.instance.to_owned(), code, message }
    }

    /// Prove who the user is, and let the server prove that it knows the user.
    async fn authenticate(&mut self, user: &User) -> Result<()> {
        match self.asked().await? {
            (0, _) => return Ok(()),
            (10, offered) if offered.split(|&byte| byte == 0).any(|name| name == MECHANISM.as_bytes()) => {}
            _ => return Err(self.refuse("it asks for another proof than SCRAM-SHA-256; change its pg_hba.conf")),
        }
        let Some(client) = user.client() else {
            return Err(self.refuse("nobody has logged in to the router as this user yet, so it has no key to show"));
        };
        let mut nonce = [0; 18];
        SystemRandom::new().fill(&mut nonce).map_err(|_| self.refuse("the system has no random numbers"))?;
        let (proof, first) = Proof::begin(*client, user.verifier.clone(), &nonce);
        let mut out = Vec::new();
        messages::message(&mut out, b'p', |out| {
            messages::text(out, MECHANISM);
            messages_sized_text(out, &first);
        });
        self.send(&out).await?;
        let (11, data) = self.asked().await? else { return Err(self.refuse("it left the order of SCRAM")) };
        let (proof, last) = proof.answer(&String::from_utf8_lossy(&data)).map_err(|why| self.refuse(why))?;
        out.clear();
        messages::message(&mut out, b'p', |out| out.extend(last.as_bytes()));
        self.send(&out).await?;
        let (12, data) = self.asked().await? else { return Err(self.refuse("it left the order of SCRAM")) };
        proof.check(&String::from_utf8_lossy(&data)).map_err(|why| self.refuse(why))?;
        match self.asked().await? {
            (0, _) => Ok(()),
            _ => Err(self.refuse("it left the order of SCRAM")),
        }
    }
}

/// A text behind its length, which does not count itself.
fn messages_sized_text(out: &mut Vec<u8>, text: &str) {
    out.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
    out.extend(text.as_bytes());
}

/// Connect and log in.
///
/// # Errors
/// The server is away, is not who it should be, or refuses.
pub async fn log_in(config: &Config, target: &Target, user: &User, database: &str) -> Result<Greeted> {
    let stream = dial::postgres(config, &target.address, target.port).await?;
    let mut login = Login { stream, buffer: Buffer::default(), instance: &target.instance };
    let mut out = Vec::new();
    messages::sized(&mut out, |out| {
        out.extend((3_u32 << 16).to_be_bytes());
        for word in ["user", &user.name, "database", database, "application_name", "covet-router"] {
            messages::text(out, word);
        }
        SAFE.iter().flatten().for_each(|word| messages::text(out, word));
        messages::text(out, "");
    });
    login.send(&out).await?;
    login.authenticate(user).await?;
    let (mut key, mut parameters) = ((0, 0), Vec::new());
    loop {
        match login.next().await? {
            (b'S', body) => {
                let mut words = body.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
                parameters.push((words.next().unwrap_or_default(), words.next().unwrap_or_default()));
            }
            (b'K', body) => {
                if let (Some(process), Some(secret)) = (body.first_chunk(), body.last_chunk()) {
                    key = (u32::from_be_bytes(*process), u32::from_be_bytes(*secret));
                }
            }
            (b'Z', _) => return Ok(Greeted { stream: login.stream, key, parameters }),
            (b'E', body) => return Err(login.refused(&body)),
            _ => {}
        }
    }
}
