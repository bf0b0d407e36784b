//! A port for each registry except `local`, so that docker needs no name resolution: `docker push localhost:5001/app:1`.
//!
//! `serve/` opens the ports of the existing registries, and lets [`Ports::follow`] open and close ports as registries
//! are created and deleted. Code that reports about a registry calls [`Ports::reconcile`] first, so that a new registry has
//! its port then. The last port of a registry is a hint in its row. If another program uses that port, the registry listens
//! on another one until the next start, and the hint stays.
//!
//! All ports have the address of `local`, use the same guard, and accept plain HTTP and TLS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use azure_emulator_core::listen::{self, Transport};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::registry::{Change, Registries, Registry, RegistryName};

/// How many ports after that of `local` are tried for a registry that had none yet. After that, any free port is used.
const PORTS_TO_TRY: u16 = 200;

/// What the ports serve.
pub trait RegistryRoutes: Send + Sync {
    /// The registries, which need a port each.
    fn registries(&self) -> &Registries;

    /// The routes of the listener of a registry.
    fn routes_of(&self, registry: &str) -> Router;
}

/// The ports of the registries except `local`. Clones share them.
#[derive(Clone)]
pub struct Ports(Arc<PortsInner>);

struct PortsInner {
    /// The address of `local`.
    local: SocketAddr,
    /// Whether the user asked for free ports, which ignores the hints.
    any: bool,
    tls: Arc<ServerConfig>,
    /// Stops all ports.
    stop: CancellationToken,
    open: RwLock<BTreeMap<String, OpenPort>>,
    /// The last change of the set of registries that was applied. Locked while a change is applied.
    followed: Mutex<Option<u64>>,
}

/// The port of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The address.
    pub address: SocketAddr,
    /// The last port, which another program uses now.
    pub taken: Option<u16>,
}

struct OpenPort {
    port: Port,
    stop: CancellationToken,
    /// Cancelled when no socket is bound any more.
    closed: CancellationToken,
    server: JoinHandle<()>,
}

impl Ports {
    /// No ports yet. `any`: the user asked for free ports.
    pub(crate) fn new(
        local: SocketAddr,
        any: bool,
        tls: Arc<ServerConfig>,
        stop: CancellationToken,
    ) -> Self {
        let (open, followed) = (RwLock::default(), Mutex::default());
        Self(Arc::new(PortsInner { local, any, tls, stop, open, followed }))
    }

    /// The port of a registry, if it has its own.
    pub fn get(&self, registry: &str) -> Option<Port> {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        open.get(registry).map(|open| open.port)
    }

    /// Returns when exactly the existing registries have their ports.
    pub async fn reconcile(&self, served: &impl RegistryRoutes) {
        let mut followed = self.0.followed.lock().await;
        let now = *served.registries().changes().borrow();
        if *followed == Some(now) || self.0.stop.is_cancelled() {
            return;
        }
        let registries: Vec<Registry> = served
            .registries()
            .all()
            .into_iter()
            .filter(|registry| registry.name() != RegistryName::LOCAL)
            .collect();
        self.close_all_but(&registries).await;
        let mut reserved: BTreeSet<u16> =
            registries.iter().filter_map(|registry| registry.profile().port).collect();
        for registry in &registries {
            if self.get(registry.name()).is_none() {
                reserved.extend(self.open_for(served, registry, &reserved).await);
            }
        }
        *followed = Some(now);
    }

    /// Opens and closes ports as registries are created and deleted, until the emulator stops. The caller spawns it.
    pub(crate) async fn follow(self, served: impl RegistryRoutes) {
        let mut changes = served.registries().changes();
        loop {
            self.reconcile(&served).await;
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Returns when all ports are closed and their requests have ended. Cancel them first.
    pub(crate) async fn closed(&self) {
        let open = std::mem::take(&mut *self.write());
        for open in open.into_values() {
            // Nothing can be done about a server that ended with an error.
            let _ = open.server.await;
        }
    }

    /// Opens a port for a registry that has none, and returns it.
    async fn open_for(
        &self,
        served: &impl RegistryRoutes,
        registry: &Registry,
        reserved: &BTreeSet<u16>,
    ) -> Option<u16> {
        let name = registry.name();
        let hint = registry.profile().port;
        let tried =
            if self.0.any { vec![0] } else { candidates(hint, self.0.local.port(), reserved) };
        let (listener, address) = match self.bind(tried).await {
            Ok(bound) => bound,
            Err(error) => {
                tracing::warn!(registry.name = name, %error, "could not open a port: the registry is reachable only by its name");
                return None;
            }
        };
        let taken = hint.filter(|hint| !self.0.any && *hint != address.port());
        if let Some(taken) = taken {
            tracing::warn!(
                registry.name = name,
                "port {taken} is taken by another program: the registry listens on port {} until the next start",
                address.port()
            );
        }
        if hint.is_none()
            && !self.0.any
            && let Err(error) = served
                .registries()
                .change(registry.registry_name(), port_change(address.port()))
                .await
        {
            tracing::warn!(registry.name = name, %error, "could not store the port: the next start may choose another one");
        }
        let port = Port { address, taken };
        let routes = served.routes_of(name);
        let (stop, closed) = (self.0.stop.child_token(), CancellationToken::new());
        let server = {
            let transport = Transport::TlsAndPlain(Arc::clone(&self.0.tls));
            let (stop, closed) = (stop.clone(), closed.clone());
            tokio::spawn(async move {
                let connections = listen::accept(listener, routes, transport, stop).await;
                closed.cancel();
                connections.drain().await;
            })
        };
        tracing::info!(registry.name = name, listener.address = %address, "a registry has its port");
        self.write().insert(name.to_owned(), OpenPort { port, stop, closed, server });
        Some(address.port())
    }

    /// The first of these ports that is free.
    async fn bind(&self, tried: Vec<u16>) -> io::Result<(TcpListener, SocketAddr)> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for port in tried {
            match TcpListener::bind(SocketAddr::new(self.0.local.ip(), port)).await {
                Ok(listener) => {
                    let address = listener.local_addr()?;
                    return Ok((listener, address));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Closes the ports of deleted registries. Their requests go on for a moment; this does not wait for them.
    async fn close_all_but(&self, registries: &[Registry]) {
        let is_there = |name: &str| registries.iter().any(|registry| registry.name() == name);
        let gone: Vec<OpenPort> = {
            let mut open = self.write();
            let names: Vec<String> = open.keys().filter(|name| !is_there(name)).cloned().collect();
            names.iter().filter_map(|name| open.remove(name)).collect()
        };
        for gone in gone {
            gone.stop.cancel();
            gone.closed.cancelled().await;
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, OpenPort>> {
        // No code panics while the lock is held, and the map is consistent at every moment.
        self.0.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_map().entries(open.iter().map(|(name, open)| (name, open.port))).finish()
    }
}

fn port_change(port: u16) -> Change {
    Change { port: Some(port), ..Change::default() }
}

/// The ports to try, in order: the last one, then those after `local`'s that no other registry claims.
fn candidates(hint: Option<u16>, local: u16, reserved: &BTreeSet<u16>) -> Vec<u16> {
    let next = (1..=PORTS_TO_TRY).filter_map(|step| local.checked_add(step));
    let free = next.filter(|port| !reserved.contains(port));
    hint.into_iter().chain(free).chain([0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_tries_its_last_port_and_never_that_of_another() {
        let reserved = BTreeSet::from([5001, 5003]);

        assert_eq!(candidates(Some(5001), 5000, &reserved)[..3], [5001, 5002, 5004]);
        assert_eq!(candidates(None, 5000, &reserved)[..2], [5002, 5004]);
        assert_eq!(candidates(None, 65_534, &BTreeSet::new()), [65_535, 0]);
        assert_eq!(candidates(None, 5000, &reserved).last(), Some(&0));
    }
}
