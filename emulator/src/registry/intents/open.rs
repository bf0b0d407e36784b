//! Reads the operations that an earlier run began and did not end.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::kind::Kind;
use super::list::{ENDS_PER_SWEEP, Inner, Intents, PURPOSE};
use super::waiting::Entry;
use crate::registry::Error;
use crate::registry::events::Events;
use crate::registry::service_key::service_key;
use crate::store::{IntentRow, Store};

impl Intents {
    /// Reads the unfinished operations. Each waits for its first attempt in this run.
    pub fn open(store: Arc<Store>, clock: Clock, events: Events) -> Result<Self, Error> {
        let key = service_key(&store)?;
        let rows = store.intents()?;
        let intents = Self(Arc::new(Inner {
            store,
            key,
            clock,
            events,
            entries: Mutex::default(),
            attempts: Mutex::default(),
            attempt_ended: Notify::new(),
            replaced: Notify::new(),
            waits: Notify::new(),
            // The first end removes the outcomes that an earlier run has left.
            ends: AtomicUsize::new(ENDS_PER_SWEEP),
            #[cfg(test)]
            stop: super::stop::Stop::default(),
        }));
        for row in rows {
            intents.add(row);
        }
        Ok(intents)
    }

    fn add(&self, row: IntentRow) {
        let opened = self.0.key.open_secret(&row.id.to_string(), PURPOSE, &row.parameters);
        let begun = OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.begun) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let kind = Kind::from_name(&row.operation);
        let opened = match (kind, row.damage, opened) {
            // A reset needs no parameters, so it can always continue. If it could not, no registry would serve content again.
            (Some(Kind::Reset), _, _) => Ok(b"null".to_vec()),
            (_, Some(damage), _) => Err(damage),
            (_, None, Ok(parameters)) => Ok(parameters.to_vec()),
            (_, None, Err(_)) => {
                Err("its intent cannot be opened with the service-managed key".to_owned())
            }
        };
        let entry = match (kind, opened) {
            (Some(kind), Ok(parameters)) => {
                tracing::info!(operation = %kind, begun = %begun, step = row.step, "{} was interrupted and continues", kind.description());
                Entry::interrupted(kind, parameters, row.step, begun)
            }
            (kind, opened) => {
                let why = match opened {
                    Err(why) => why,
                    Ok(_) => "a newer version of this program began it".to_owned(),
                };
                tracing::error!(
                    operation = row.operation,
                    why,
                    "an interrupted operation cannot continue"
                );
                Entry::stuck(kind, row.operation, row.step, begun, why)
            }
        };
        self.entries().insert(row.id, entry);
    }
}
