//! Connections to servers and agents, with TLS that proves who they are.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::load::Config;
use crate::error::{Error, Result};
use crate::net::stream::Stream;

/// Ask for TLS in PostgreSQL's protocol.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];

async fn socket(address: &str, port: u16) -> Result<TcpStream> {
    let socket = TcpStream::connect((address, port)).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn secure(config: &Arc<rustls::ClientConfig>, address: &str, socket: TcpStream) -> Result<Stream> {
    let name = match address.parse::<IpAddr>() {
        Ok(address) => ServerName::IpAddress(address.into()),
        Err(_) => ServerName::try_from(address.to_owned())
            .map_err(|_| Error::NoServer(format!("{address} is neither a host name nor an address")))?,
    };
    let tls = TlsConnector::from(Arc::clone(config)).connect(name, socket).await?;
    Ok(Stream::Dialled(Box::new(tls)))
}

/// Connect with TLS from the first byte, as agents speak.
///
/// # Errors
/// The other end is away, or not who it should be.
pub async fn tls(config: &Config, address: &str, port: u16) -> Result<Stream> {
    let dial = config.dial.as_ref().ok_or(Error::Protocol("agents need tls.servers: Required"))?;
    secure(dial, address, socket(address, port).await?).await
}

/// Connect to a server of PostgreSQL, with TLS unless the configuration does without.
///
/// # Errors
/// The server is away, has no TLS, or is not who it should be.
pub async fn postgres(config: &Config, address: &str, port: u16) -> Result<Stream> {
    let mut socket = socket(address, port).await?;
    let Some(dial) = &config.dial else { return Ok(Stream::Plain(socket)) };
    socket.write_all(&TLS_REQUEST).await?;
    // One byte and no more: what follows is TLS already.
    match socket.read_u8().await? {
        b'S' => secure(dial, address, socket).await,
        _ => Err(Error::NoServer(format!("{address}:{port} has no TLS"))),
    }
}
