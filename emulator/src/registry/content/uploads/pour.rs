//! Passes the body of a request to the writer: batch by batch, each while the next one arrives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::task::JoinHandle;

use super::chunk::{Body, ChunkHeaders, nothing_arrived_for};
use crate::names::UploadId;
use crate::registry::Content;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::parts::Writer;
use crate::registry::parts::{Session, lock};

/// The size of a batch, in bytes.
const BATCH_LEN: usize = 1 << 20;
/// The maximum time for a batch to arrive: a slower body, below two kibibytes a second, is aborted.
const BATCH_LIMIT: Duration = Duration::from_mins(10);

struct Batch {
    chunks: Vec<Bytes>,
    len: usize,
    /// Bytes that arrived beyond the headers' length. They are not among the chunks.
    surplus: u64,
    /// `Some` at the end of the body, with the message of the error that ended it, if there was one.
    end: Option<Result<(), String>>,
}

impl Content {
    /// Writes a body; the writer is `None` afterwards if it failed.
    pub(super) async fn pour(
        &self,
        session: &Session,
        slot: &mut Option<Writer>,
        id: UploadId,
        headers: ChunkHeaders,
        mut body: Body,
    ) -> Result<(), Error> {
        let received = self.ensure_writer(session, id, slot).await?;
        let before = session.received.load(Ordering::Acquire);
        // A client that sends no start of its chunk continues where the last status said, and must learn that bytes
        // were lost.
        let lost = (received > before).then_some(received);
        if let Some(offered) = headers.start.or(lost).filter(|&start| start != before) {
            return Err(Error::UploadOutOfOrder { upload: id, expected: before, offered });
        }
        let mut working: Option<JoinHandle<Result<Writer, Error>>> = None;
        let mut writer = slot.take();
        let idle = self.0.settings.body_idle;
        let mut left = headers.len.unwrap_or(u64::MAX);
        let (end, surplus) = loop {
            let batch = Batch::gather(&mut body, &mut left, idle).await;
            if let Some(work) = working.take() {
                writer = Some(work.await??);
            }
            if let Some(ready) = &writer {
                session.received.store(ready.sealer.len(), Ordering::Release);
            }
            let (end, surplus) = (batch.end.clone(), batch.surplus);
            if batch.len > 0
                && let Some(ready) = writer.take()
            {
                working = Some(tokio::spawn(ready.absorb(Arc::clone(&self.0), batch.chunks)));
            }
            if let Some(end) = end {
                break (end, surplus);
            }
        };
        if let Some(work) = working.take() {
            writer = Some(work.await??);
        }
        if let Some(ready) = &writer {
            session.received.store(ready.sealer.len(), Ordering::Release);
        }
        *slot = writer;
        // A body may take long: the idle time begins at its end.
        *lock(&session.used) = self.0.clock.elapsed();
        self.touch(id).await?;
        end.map_err(Error::BodyCut)?;
        let actual = session.received.load(Ordering::Acquire) - before + surplus;
        match headers.len {
            Some(named) if named != actual => Err(Error::ChunkLength { named, actual }),
            _ => Ok(()),
        }
    }

    /// Marks the upload as used now, so that it does not expire. It may have expired a moment before.
    async fn touch(&self, id: UploadId) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let now = parts.clock.unix_now();
        let known = blocking(move || parts.store.touch_upload(&parts.name, id, now)).await?;
        if known { Ok(()) } else { Err(Error::UploadUnknown(id)) }
    }
}

impl Batch {
    /// Gathers a batch of the `left` bytes that are still expected. A longer body is not read further.
    async fn gather(body: &mut Body, left: &mut u64, idle: Duration) -> Self {
        let mut batch = Self { chunks: Vec::new(), len: 0, surplus: 0, end: None };
        let trickling = tokio::time::sleep(BATCH_LIMIT);
        tokio::pin!(trickling);
        while batch.len < BATCH_LEN {
            let next = tokio::select! {
                biased;
                next = tokio::time::timeout(idle, body.next()) => next,
                () = &mut trickling => Ok(Some(Err("it arrived too slowly".to_owned()))),
            };
            match next {
                Ok(Some(Ok(mut chunk))) => {
                    let arrived = chunk.len() as u64;
                    chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    let taken = chunk.len() as u64;
                    *left -= taken;
                    batch.len += chunk.len();
                    batch.chunks.push(chunk);
                    if taken < arrived {
                        batch.surplus = arrived - taken;
                        batch.end = Some(Ok(()));
                        break;
                    }
                }
                Ok(Some(Err(message))) => {
                    batch.end = Some(Err(message));
                    break;
                }
                Ok(None) => {
                    batch.end = Some(Ok(()));
                    break;
                }
                Err(_) => {
                    batch.end = Some(Err(nothing_arrived_for(idle)));
                    break;
                }
            }
        }
        batch
    }
}
