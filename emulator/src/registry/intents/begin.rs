//! Begins an operation: its intent is stored before its first step.

use std::sync::Arc;

use azure_emulator_core::disk_space::Purpose;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::intent::Intent;
use super::kind::Kind;
use super::list::{Intents, PURPOSE, millis};
use super::waiting::Entry;
use crate::registry::Error;
use crate::registry::blocking::blocking;
use crate::store::IntentRow;

impl Intents {
    /// Records durably that an operation begins.
    pub async fn begin(&self, kind: Kind, parameters: &impl Serialize) -> Result<Intent, Error> {
        self.begin_for(kind, parameters, kind.purpose()).await
    }

    /// The same for an operation that removes something in this case, although its kind may not always: its intent may use
    /// the reserve of a full disk.
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
        // The entry comes before the row. The runner cannot take it until the intent is dropped.
        let entry = Entry::running(kind, parameters.clone(), begun);
        let intent = Intent::new(self, id, kind, parameters, String::new());
        self.insert_new(id, kind, entry)?;
        // This is a task of its own so that, if the caller is dropped, the intent is dropped only after its row is stored.
        let this = self.clone();
        let storing = async move {
            let stored = blocking(move || store.begin_intent(&row, purpose)).await;
            stored.inspect_err(|_| drop(this.entries().remove(&id)))?;
            if intent.is_replaced() {
                // A reset has ended the operation before its row was stored.
                intent.end().await?;
                return Err(Error::Replaced);
            }
            Ok::<_, Error>(intent)
        };
        let intent = tokio::spawn(storing).await??;
        if let Err(replaced) = intent.passed().await {
            // Without this end the runner would resume the operation, although its caller gets an error.
            intent.end().await?;
            return Err(replaced);
        }
        Ok(intent)
    }

    /// Seals parameters for their row.
    pub(super) fn sealed(&self, id: Uuid, parameters: &[u8]) -> Result<Vec<u8>, Error> {
        let sealed = self.0.key.seal_secret(&id.to_string(), PURPOSE, parameters);
        sealed.map_err(Error::internal)
    }

    /// Adopts an operation that an older program began, such as the deletion of a registry: it stored no intents.
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
