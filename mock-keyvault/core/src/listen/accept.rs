//! Accepts connections until the shutdown, and waits for the requests in progress.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Limits};
use super::transport::Transport;

/// How long requests in progress may go on after the shutdown was requested.
pub const DRAIN: Duration = Duration::from_secs(10);

/// How long the listener pauses after an error that concerns more than one connection, such as too many open files.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves `app` until `shutdown` is cancelled, and after that until all requests have ended or [`DRAIN`] is over.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) {
    accept(listener, app, transport, shutdown).await.drain().await;
}

/// The connections that are still open when the listener has stopped accepting.
#[must_use = "requests in progress are aborted when this is dropped"]
#[derive(Debug)]
pub struct Connections(JoinSet<()>);

impl Connections {
    /// Waits until all requests have ended or [`DRAIN`] is over.
    pub async fn drain(mut self) {
        let drained = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(connections = self.0.len(), "aborted requests that did not end in time");
        }
    }
}

/// Serves `app` until `shutdown` is cancelled. Then the address is free again.
pub async fn accept(
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) -> Connections {
    accept_within(Limits::default(), listener, app, transport, shutdown).await
}

pub(super) async fn accept_within(
    limits: Limits,
    listener: TcpListener,
    app: Router,
    transport: Transport,
    shutdown: CancellationToken,
) -> Connections {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return Connections(connections),
            // Finished connections are removed, so that the set holds only open ones.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Meanwhile further connections wait in the queue of the system.
                let place = tokio::select! {
                    () = shutdown.cancelled() => return Connections(connections),
                    place = limits.places.take() => place,
                };
                let (app, transport) = (app.clone(), transport.clone());
                let (limits, shutdown) = (limits.clone(), shutdown.clone());
                connections.spawn(async move {
                    let served =
                        connection::serve(stream, peer, place, app, transport, limits, shutdown)
                            .await;
                    if let Err(error) = served {
                        tracing::debug!(client.address = %peer, %error, "a connection ended early");
                    }
                });
            }
            Err(error) if is_of_one_connection(&error) => (),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
