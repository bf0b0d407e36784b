//! The routes that an embedding program serves on the vault's listener: they come before the vault's, and may be set late.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use azure_emulator_core::host_router::EmbeddedRoutes;
use reqwest::{Method, StatusCode};

use crate::support::{World, send};

/// A program that serves everything at `*.shop.localhost`, and one path of the vault's own name.
struct Shop;

impl EmbeddedRoutes for Shop {
    fn router(&self, name: &str, path: &str) -> Option<Router> {
        (self.knows(name) || path == "/shop").then(|| {
            let name = name.to_owned();
            Router::new()
                .fallback(any(move |body: String| async move { format!("{name}: {body}") }))
        })
    }

    fn knows(&self, name: &str) -> bool {
        name.ends_with(".shop.localhost")
    }
}

async fn ask(world: &World, base: &str, host: &str, path: &str) -> (StatusCode, String) {
    let url = format!("{base}://127.0.0.1:{}{path}", world.vault.address().port());
    let request = world.http.request(Method::POST, url).header("host", host).body("hello");
    let answer = send(request).await;
    (answer.status, answer.text)
}

#[tokio::test]
async fn the_embedding_program_is_asked_first_by_name_and_path() {
    let world = World::new().await;
    let before = ask(&world, "https", "Toys.Shop.Localhost.:1", "/keys").await;

    world.vault.set_embedded_routes(Arc::new(Shop));

    assert!(!before.1.contains("hello"), "{before:?}");
    let toys = ask(&world, "https", "Toys.Shop.Localhost.:1", "/_keyvault/health").await;
    assert_eq!(toys, (StatusCode::OK, "toys.shop.localhost: hello".to_owned()));
    let by_path = ask(&world, "https", "local.vault.localhost", "/shop").await;
    assert_eq!(by_path, (StatusCode::OK, "local.vault.localhost: hello".to_owned()));
    let left = world.http.get(format!("{}/_keyvault/health", world.vault.uri()));
    assert_eq!(send(left).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_embedding_program_is_not_asked_without_tls() {
    let world = World::new().await;
    world.vault.set_embedded_routes(Arc::new(Shop));

    let (status, text) = ask(&world, "http", "toys.shop.localhost", "/").await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("https://"), "{text}");
}

/// A program that keeps a reference to shared parts of the vault, like a program that moves its clock.
struct Clinging(mock_keyvault::Timekeeper);

impl EmbeddedRoutes for Clinging {
    fn router(&self, _: &str, _: &str) -> Option<Router> {
        drop(self.0.clone());
        None
    }

    fn knows(&self, _: &str) -> bool {
        false
    }
}

#[tokio::test]
async fn a_folder_is_released_even_if_the_program_keeps_a_reference_to_the_vault() {
    let folder = tempfile::tempdir().unwrap();
    let start = || mock_keyvault::MockKeyVault::builder().data_dir(folder.path()).start();
    let vault = start().await.unwrap();
    vault.set_embedded_routes(Arc::new(Clinging(vault.timekeeper())));

    vault.shutdown().await;

    start().await.unwrap().shutdown().await;
}
