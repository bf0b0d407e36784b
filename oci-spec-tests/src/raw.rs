//! Sends bytes over a socket that no HTTP library would send.
//!
//! Cases about malformed heads, limits and disconnecting clients use it. It writes while it reads, so that a registry may answer
//! early and close; of the answer it only parses the status, headers and a body with `Content-Length`.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Failure, Registry};

/// After this time without data, the registry counts as not answering.
const PATIENCE: Duration = Duration::from_secs(20);

/// The action of the client after it has written all bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Afterwards {
    /// Waits for the answer.
    Wait,
    /// Closes its half of the connection, then waits for the answer.
    HalfClose,
    /// Closes the connection without reading an answer.
    GoAway,
}

/// The answer, as far as it arrived.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    /// The status of the last head, or `None` if the registry closed the connection without an answer.
    pub(crate) status: Option<u16>,
}

impl RawAnswer {
    /// Whether the registry refused the request with any 4xx, or closed the connection.
    pub(crate) fn is_refusal_or_hangup(&self) -> bool {
        self.status.is_none_or(|status| (400..500).contains(&status))
    }
}

/// Writes `bytes` to a new connection to the registry and reads the answer.
pub(crate) async fn send(
    registry: &Registry,
    bytes: Bytes,
    afterwards: Afterwards,
) -> Result<RawAnswer, Failure> {
    let stream = registry.connect(registry.origin()).await?;
    let (mut reader, mut writer) = tokio::io::split(stream);
    if afterwards == Afterwards::GoAway {
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        return Ok(RawAnswer { status: None });
    }
    let write = tokio::spawn(async move {
        // A registry that answers early closes the connection: its answer counts, not the bytes that could still be written.
        if writer.write_all(&bytes).await.is_ok() && afterwards == Afterwards::HalfClose {
            drop(writer.shutdown().await);
        }
        // The task returns the half: dropping it would not close the connection, but this makes the intent clear.
        writer
    });
    let mut received = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        if let Some(status) = complete(&received) {
            write.abort();
            return Ok(RawAnswer { status: Some(status) });
        }
        let read = tokio::time::timeout(PATIENCE, reader.read(&mut chunk)).await;
        match read {
            Err(_) => {
                return Err(Failure::new(format!(
                    "no answer to raw bytes within {} seconds",
                    PATIENCE.as_secs()
                )));
            }
            Ok(Ok(count)) if count > 0 => received.extend_from_slice(&chunk[..count]),
            Ok(_) => {
                write.abort();
                return Ok(RawAnswer { status: last_status(&received) });
            }
        }
    }
}

/// The status of a final answer whose body is complete; interim answers (1xx) are skipped.
fn complete(received: &[u8]) -> Option<u16> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let status = last_status(&received[..end])?;
    if (100..200).contains(&status) {
        return complete(&received[end..]);
    }
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse().unwrap_or(0));
    (received.len() >= end + length).then_some(status)
}

fn last_status(received: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(received);
    text.lines().rfind(|line| line.starts_with("HTTP/1."))?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_body_and_interim_answers_are_skipped() {
        assert_eq!(complete(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{"), None);
        assert_eq!(complete(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}"), Some(400));
        assert_eq!(complete(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(
            complete(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n"),
            Some(201)
        );
    }

    #[test]
    fn silence_and_4xx_are_refusals_but_5xx_is_not() {
        assert!(RawAnswer { status: None }.is_refusal_or_hangup());
        assert!(RawAnswer { status: Some(431) }.is_refusal_or_hangup());
        assert!(!RawAnswer { status: Some(500) }.is_refusal_or_hangup());
        assert!(!RawAnswer { status: Some(201) }.is_refusal_or_hangup());
    }
}
