//! A connection, with TLS or without, and reading from it without a buffer until something is there.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::wire::buffer::{BLOCK, Buffer};

/// A connection.
pub enum Stream {
    /// Amid the change from one to the other.
    None,
    /// As it is.
    Plain(TcpStream),
    /// With the other end's TLS; boxed, for it is ten times as large.
    Accepted(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// With the router's TLS.
    Dialled(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket.
    fn socket(&self) -> io::Result<&TcpStream> {
        match self {
            Self::None => Err(io::ErrorKind::NotConnected.into()),
            Self::Plain(socket) => Ok(socket),
            Self::Accepted(tls) => Ok(tls.get_ref().0),
            Self::Dialled(tls) => Ok(tls.get_ref().0),
        }
    }

    /// Take the socket of a plain connection, to speak TLS on it.
    pub fn take_socket(&mut self) -> Option<TcpStream> {
        match std::mem::replace(self, Self::None) {
            Self::Plain(socket) => Some(socket),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Whether it is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Accepted(_) | Self::Dialled(_))
    }

    /// Bytes may have been decrypted already that nobody has read: the socket says nothing of them.
    fn has_pending(&self) -> bool {
        match self {
            Self::None | Self::Plain(_) => false,
            Self::Accepted(tls) => !tls.get_ref().1.wants_read(),
            Self::Dialled(tls) => !tls.get_ref().1.wants_read(),
        }
    }

    /// Something came, or the end: nothing should, on a connection that nobody uses.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let Ok(socket) = self.socket() else { return true };
        self.has_pending() || socket.poll_read_ready(&mut cx).is_ready() && peek_is_ready(socket)
    }

    /// Read once what is there; 0 bytes are the end. While nothing is there, `into` owns no memory if it was empty.
    ///
    /// # Errors
    /// The socket failed.
    pub fn poll_fill(&mut self, into: &mut Buffer, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if into.is_empty() && !self.has_pending() {
            ready!(self.socket()?.poll_read_ready(cx))?;
        }
        let room = into.room(BLOCK / 4);
        let read = pin!(self.read_buf(room)).poll(cx);
        if into.is_empty() {
            into.clear();
        }
        read
    }

    /// Send what is in `from`, as far as the socket takes it.
    ///
    /// # Errors
    /// The socket failed.
    pub fn poll_drain(&mut self, from: &mut Buffer, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !from.is_empty() {
            let sent = ready!(Pin::new(&mut *self).poll_write(cx, from.data()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            from.advance(sent);
        }
        if self.is_tls() { Pin::new(self).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }
}

/// Whether a socket that is said to be readable really is.
fn peek_is_ready(socket: &TcpStream) -> bool {
    let mut byte = [0; 1];
    let mut byte = ReadBuf::new(&mut byte);
    socket.poll_peek(&mut Context::from_waker(Waker::noop()), &mut byte).is_ready()
}

macro_rules! each {
    ($stream:expr, $inner:ident => $do:expr) => {
        match $stream.get_mut() {
            Stream::None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Stream::Plain($inner) => $do,
            Stream::Accepted($inner) => $do,
            Stream::Dialled($inner) => $do,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_read(cx, into))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, inner => Pin::new(inner).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_shutdown(cx))
    }
}
