//! The handle with which a Rust test suite controls a vault.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use mock_keyvault::{KeySize, MockKeyVault, Operation};
use reqwest::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::World;

#[tokio::test]
async fn a_test_can_count_the_uses_of_a_key() {
    let world = World::with_key().await;

    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"0123456789abcdef").await.value();
    world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await.value();
    let refused = world.with_token("x", Method::POST, "/keys/k/unwrapkey", None).await;

    assert_eq!(refused.status.as_u16(), 401);
    assert_eq!(world.vault.calls_of(Operation::WrapKey).len(), 1);
    let unwrapped = world.vault.calls_of(Operation::UnwrapKey);
    assert_eq!(unwrapped.iter().map(|call| call.status).collect::<Vec<_>>(), [200, 401]);
    assert!(world.vault.calls_of(Operation::DeleteKey).is_empty());
}

#[tokio::test]
async fn a_move_of_the_clock_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || MockKeyVault::builder().data_dir(folder.path()).start();

    let vault = start().await.unwrap();
    vault.advance(Duration::from_hours(90 * 24)).await.unwrap();
    let token = vault.token(vault.owner().client_id, "https://vault.azure.net").unwrap();
    vault.shutdown().await;
    let vault = start().await.unwrap();

    assert_eq!(vault.clock().offset().whole_days(), 90);
    assert!(!token.expose().is_empty());
    vault.shutdown().await;
}

#[test]
fn a_panic_while_a_vault_runs_neither_hangs_nor_leaves_files() {
    let (send, receive) = mpsc::channel::<(SocketAddr, PathBuf)>();

    let test = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let vault = MockKeyVault::builder().ephemeral().start().await.unwrap();
            vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
            // A client in the middle of a request.
            let mut client = TcpStream::connect(vault.address()).await.unwrap();
            client.write_all(b"GET /_keyvault/hea").await.unwrap();
            send.send((vault.address(), vault.data_dir().to_owned())).unwrap();
            panic!("like a failing test");
        });
    });

    let (address, folder) = receive.recv().unwrap();
    assert!(test.join().is_err());
    assert!(TcpListener::bind(address).is_ok());
    assert!(!folder.exists(), "{}", folder.display());
}
