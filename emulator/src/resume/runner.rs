//! The runner: takes the operations that are due, and continues each in its own task.

use std::collections::HashSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::arm::ControlPlane;
use crate::registry::{Intent, Kind};
use crate::reset;

/// How long a start waits for the operations that `local` depends on, in real time. Then they continue in the background.
const START_LIMIT: Duration = Duration::from_secs(15);

/// Resumes operations. Clones share the same work.
#[derive(Clone)]
pub struct Runner {
    app: App,
    /// `None` if there is no embedded vault, and so no control plane.
    plane: Option<ControlPlane>,
    stop: CancellationToken,
}

impl Runner {
    /// A runner that ends with `stop`.
    pub fn new(app: App, plane: Option<ControlPlane>, stop: CancellationToken) -> Self {
        Self { app, plane, stop }
    }

    /// Tries the operations that `local` depends on, once. Must be called before clients are served.
    pub async fn before_ready(&self) {
        let this = self.clone();
        let trying = tokio::spawn(async move {
            let mut tried = HashSet::new();
            while let Some(intent) = this
                .app
                .registries
                .intents()
                .take_due(|id, kind| kind.comes_before_ready() && !tried.contains(&id))
            {
                tried.insert(intent.id());
                this.attempt(intent).await;
            }
        });
        if tokio::time::timeout(START_LIMIT, trying).await.is_err() {
            tracing::warn!("interrupted operations take long: they continue in the background");
        }
    }

    /// Resumes interrupted operations until the emulator ends. The caller spawns this.
    pub async fn follow(self) {
        let intents = self.app.registries.intents().clone();
        loop {
            while let Some(intent) = intents.take_due(|_, _| true) {
                let this = self.clone();
                tokio::spawn(async move { this.attempt(intent).await });
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = intents.wait_for_due() => (),
            }
        }
    }

    /// One attempt.
    async fn attempt(&self, intent: Intent) {
        tokio::select! {
            () = self.stop.cancelled() => (),
            () = self.resume_intent(intent) => (),
        }
    }

    async fn resume_intent(&self, intent: Intent) {
        let app = &self.app;
        let (id, kind) = (intent.id(), intent.kind());
        let result = match kind {
            Kind::Reset => reset::resume(app, intent).await.map_err(|error| error.to_string()),
            Kind::MoveClock => {
                app.scheduler.resume(intent).await.map_err(|error| error.to_string())
            }
            Kind::DeleteGroup | Kind::Deploy => {
                match &self.plane {
                    Some(plane) => plane.resume(intent).await,
                    None => intent.failed(
                        "it continues when the emulator is started with its embedded vault, as when the operation began",
                    ),
                }
                Ok(())
            }
            Kind::CreateRegistry
            | Kind::UpdateRegistry
            | Kind::DeleteRegistry
            | Kind::SystemIdentity
            | Kind::CreateIdentity
            | Kind::DeleteIdentity
            | Kind::RotateKey => {
                app.registries.resume(intent).await.map_err(|error| error.to_string())
            }
            Kind::Revoke | Kind::Restore => {
                let resumed = app.revocations.resume(intent, app.revocation_context()).await;
                resumed.map_err(|error| error.to_string())
            }
        };
        if let Err(error) = result {
            app.registries.intents().explain(id, kind, &error);
        }
    }
}
