//! Begins an operation: its intent is stored before its first step.

use std::sync::Arc;

use azure_emulator_core::room::Purpose;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::waiting::Entry;
use super::{Intent, Intents, Kind, PURPOSE, millis};
use crate::registry::Error;
use crate::registry::blocking::blocking;
use crate::store::IntentRow;

impl Intents {
    /// Records durably that an operation begins.
    pub async fn begin(&self, kind: Kind, parameters: &impl Serialize) -> Result<Intent, Error> {
        self.begin_for(kind, parameters, kind.purpose()).await
    }

    /// The same for an operation that removes something, whatever its kind is: its intent may use the reserve of a full
    /// disk.
    pub(in crate::registry) async fn begin_removal(
        &self,
        kind: Kind,
        parameters: &impl Serialize,
    ) -> Result<Intent, Error> {
        self.begin_for(kind, parameters, Purpose::Removal).await
    }

    async fn begin_for(
        &self,
        kind: Kind,
        parameters: &impl Serialize,
        purpose: Purpose,
    ) -> Result<Intent, Error> {
        let id = Uuid::new_v4();
        let parameters = serde_json::to_vec(parameters).map_err(Error::internal)?;
        let sealed = self.sealed(id, &parameters)?;
        let begun = self.0.clock.now();
        let row = IntentRow {
            id,
            operation: kind.name().to_owned(),
            step: String::new(),
            begun: millis(begun),
            parameters: sealed,
            damage: None,
        };
        let store = Arc::clone(&self.0.store);
        // This comes before the row: the operation can then wait only if this intent was dropped.
        let entry = Entry::running(kind, parameters.clone(), begun);
        let intent = Intent::new(self, id, kind, parameters, String::new());
        self.insert_new(id, kind, entry)?;
        // This runs in a task of its own: if the caller is dropped, the intent is dropped only after its row is stored.
        let this = self.clone();
        let storing = async move {
            let stored = blocking(move || store.begin_intent(&row, purpose)).await;
            stored.inspect_err(|_| drop(this.entries().remove(&id)))?;
            if intent.is_replaced() {
                // A reset has ended it before its row was stored.
                intent.end().await?;
                return Err(Error::Replaced);
            }
            Ok::<_, Error>(intent)
        };
        let intent = tokio::spawn(storing).await??;
        if let Err(replaced) = intent.passed().await {
            // If it were dropped without an end, it would be retried, although its caller was told that it had not
            // begun.
            intent.end().await?;
            return Err(replaced);
        }
        Ok(intent)
    }

    /// The stored form of parameters.
    pub(super) fn sealed(&self, id: Uuid, parameters: &[u8]) -> Result<Vec<u8>, Error> {
        let sealed = self.0.key.seal_secret(&id.to_string(), PURPOSE, parameters);
        sealed.map_err(Error::internal)
    }

    /// Adopts the deletions of registries that an older program began: it stored no intents.
    pub(in crate::registry) async fn adopt<P>(
        &self,
        kind: Kind,
        is_it: impl Fn(&P) -> bool,
        parameters: &P,
    ) -> Result<(), Error>
    where
        P: Serialize + DeserializeOwned,
    {
        let is_known = self.entries().values().any(|entry| {
            entry.kind == Some(kind)
                && serde_json::from_slice(&entry.parameters).is_ok_and(|known| is_it(&known))
        });
        if !is_known {
            self.begin(kind, parameters).await?.leave_to_runner();
        }
        Ok(())
    }
}
