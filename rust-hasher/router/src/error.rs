//! Everything that can go wrong here, in words for the client and with its SQLSTATE.

use std::io;

/// Why a session, a server connection or the router itself ends or refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("{place}: {why}")]
    Config {
        /// File or field.
        place: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// A socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer closed the connection.
    #[error("the connection was closed by its other end")]
    Closed,
    /// The client broke the protocol.
    #[error("{0}")]
    Protocol(&'static str),
    /// A message is longer than allowed.
    #[error("a message of {bytes} bytes is longer than the limit of {limit}; raise limits.messageBytes")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest one allowed.
        limit: usize,
    },
    /// TLS is required.
    #[error("this router takes connections over TLS only; connect with sslmode=require or above")]
    TlsRequired,
    /// Wrong password or unknown user: the client must not learn which.
    #[error("password authentication failed for user \"{0}\"")]
    Password(String),
    /// Not served here.
    #[error("database \"{0}\" does not exist")]
    NoDatabase(String),
    /// More clients than a limit allows.
    #[error("sorry, too many clients already: {0}")]
    TooMany(String),
    /// The login took too long.
    #[error("the login was not finished in time; connect again")]
    LoginSlow,
    /// No server connection came free.
    #[error("no server connection came free within {0} s; raise pool.max, or end transactions sooner")]
    PoolWait(u64),
    /// No server that could serve the statement.
    #[error("no server takes this statement: {0}")]
    NoServer(String),
    /// The tables of the shards are not known.
    #[error("the catalog of the shards could not be read: {0}")]
    NoCatalog(String),
    /// Several shards, and a statement for one of them.
    #[error("this router does not route statements over several shards yet; it answers SHOW COVET alone")]
    Unrouted,
    /// A server refused the router's login, or did not prove that it is the one.
    #[error("server {server}: {why}")]
    ServerLogin {
        /// Name of the instance.
        server: String,
        /// What was wrong.
        why: String,
    },
    /// A server answered with an error while the connection was made; it goes on to the client.
    #[error("server {server}: {message} ({code})")]
    ServerRefused {
        /// Name of the instance.
        server: String,
        /// SQLSTATE.
        code: String,
        /// The server's words.
        message: String,
    },
    /// The server connection broke outside of a commit: the transaction is rolled back.
    #[error("the connection to server {0} was lost; the transaction was rolled back")]
    ServerLost(String),
    /// The server connection broke with a statement on its way.
    #[error("the connection to server {0} was lost while a statement ran: it may have been carried out or not")]
    Unknown(String),
    /// The session holds state that transaction pooling cannot keep.
    #[error("{0} needs a session of its own, and limits.held is Refuse; set pool.mode to Session")]
    Held(&'static str),
    /// A setting that would let commits be acknowledged before they are safe, or hide that they are not.
    #[error("the router refuses {0}: a commit could be acknowledged before it is safe; leave the setting as it is")]
    Unsafe(String),
    /// The router stops.
    #[error("the router is shutting down; connect again")]
    Draining,
    /// Certificates or keys that rustls refuses.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Error {
    /// The SQLSTATE that a client gets to see.
    #[must_use]
    pub fn sqlstate(&self) -> &str {
        match self {
            Self::Config { .. } => "F0000",
            Self::Io(_) | Self::Closed | Self::ServerLost(_) => "08006",
            Self::Protocol(_) | Self::Tls(_) => "08P01",
            Self::TooLong { .. } => "54000",
            Self::TlsRequired => "28000",
            Self::Password(_) => "28P01",
            Self::NoDatabase(_) => "3D000",
            Self::TooMany(_) | Self::PoolWait(_) => "53300",
            Self::LoginSlow => "08004",
            Self::NoServer(_) | Self::NoCatalog(_) | Self::ServerLogin { .. } => "08001",
            Self::ServerRefused { code, .. } => code,
            Self::Unknown(_) => "08007",
            Self::Held(_) | Self::Unsafe(_) | Self::Unrouted => "0A000",
            Self::Draining => "57P01",
        }
    }

    /// A refused configuration.
    pub fn config(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Config { place: place.into(), why: why.into() }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
