//! Ask a shard's primary for its catalog, on a connection that no client uses.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::auth::users::User;
use crate::config::load::Config;
use crate::error::{Error, Result};
use crate::net::stream::Stream;
use crate::pool::login;
use crate::schema::answer::{Answer, QUERY};
use crate::topology::lines::Target;
use crate::wire::buffer::Buffer;
use crate::wire::{frame, messages};

/// How long a login, and how long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What is known of a shard's catalog already: a digest, which the shard makes of its answer itself.
pub type Digest = String;

/// A connection to the primary of a shard.
pub struct Reader {
    /// Where it leads.
    pub target: Target,
    /// The term it was made in.
    pub term: u64,
    stream: Stream,
}

impl Reader {
    /// Log in as a user.
    ///
    /// # Errors
    /// The server is away or refuses the user.
    pub async fn open(config: &Config, target: &Target, term: u64, user: &User, database: &str) -> Result<Self> {
        let attempt = login::log_in(config, target, user, database);
        let greeted = timeout(LIMIT, attempt).await.unwrap_or(Err(Error::Closed))?;
        let mut reader = Self { target: target.clone(), term, stream: greeted.stream };
        reader
            .row("SET statement_timeout = '10s'; SET default_transaction_read_only = on; SET search_path = ''")
            .await?;
        Ok(reader)
    }

    /// The digest of the catalog; None if it is `known` already, else with the catalog.
    ///
    /// # Errors
    /// The connection was lost, the server refused, or answered something else.
    pub async fn ask(&mut self, known: Option<&Digest>) -> Result<Option<(Digest, Answer)>> {
        let known = known.map_or("", String::as_str);
        // The digest is of 32 hexadecimal digits, and is made anew from the whole; the text goes over the wire if it differs.
        let sql = format!(
            "SELECT d, CASE WHEN d <> '{known}' THEN catalog END FROM ({QUERY}) q, LATERAL pg_catalog.md5(catalog) d"
        );
        match self.row(&sql).await?.as_slice() {
            [Some(_), None] => Ok(None),
            [Some(digest), Some(text)] => Ok(Some((String::from_utf8_lossy(digest).into_owned(), Answer::read(text)?))),
            _ => Err(Error::Protocol("a server answered the question for its catalog with something else")),
        }
    }

    /// Run a statement and return the last row of its answers, none where there is no row.
    async fn row(&mut self, sql: &str) -> Result<Vec<Option<Vec<u8>>>> {
        timeout(LIMIT, self.exchange(sql)).await.unwrap_or(Err(Error::Closed))
    }

    async fn exchange(&mut self, sql: &str) -> Result<Vec<Option<Vec<u8>>>> {
        let mut out = Vec::new();
        messages::query(&mut out, sql);
        self.stream.write_all(&out).await?;
        self.stream.flush().await?;
        let (mut buffer, mut last, mut failed) = (Buffer::default(), Vec::new(), None);
        loop {
            while let Some(frame) = frame::peek(buffer.data())?.filter(|frame| frame.len <= buffer.len()) {
                let body = &buffer.data()[frame::HEADER..frame.len];
                match frame.kind {
                    b'D' => last = values(body).ok_or(Error::Protocol("a row of a server is cut short"))?,
                    b'E' => failed = Some(messages::error_fields(body)),
                    b'Z' => {
                        let server = self.target.instance.clone();
                        return failed
                            .map_or(Ok(last), |(code, message)| Err(Error::ServerRefused { server, code, message }));
                    }
                    _ => {}
                }
                buffer.advance(frame.len);
            }
            if poll_fn(|cx| self.stream.poll_fill(&mut buffer, cx)).await? == 0 {
                return Err(Error::Closed);
            }
        }
    }
}

/// The values of a `DataRow`; none for NULL. None if the row is cut short.
fn values(body: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut found = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            found.push(None);
            continue;
        };
        found.push(Some(rest.get(..length)?.to_vec()));
        rest = &rest[length..];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn a_row_is_read_with_its_nulls() {
        let row = [&[0, 2], &[0, 0, 0, 1, b'a'][..], &[255, 255, 255, 255]].concat();
        assert_eq!(Some(vec![Some(b"a".to_vec()), None]), values(&row));
        for end in 0..row.len() {
            assert_eq!(None, values(&row[..end]), "{end}");
        }
    }
}
