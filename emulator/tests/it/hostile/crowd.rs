//! More connections and uploads than the process has files: the other clients are served meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use reqwest::{Method, StatusCode};
use tokio::process::Command;
use tokio::task::spawn_blocking;

use crate::support::Client;
use crate::support::content;
use crate::support::program::{Home, PROGRAM, Serving};

/// How many files the program may have open.
const FILES: usize = 256;

/// Starts the program with few files.
async fn serve(home: &Home, folder: &Path) -> Serving {
    let endpoints = folder.join("endpoints.json");
    let mut command: Command = home.command("sh");
    // The program raises the soft limit to the hard one, so both are set.
    command.args(["-c", &format!("ulimit -n {FILES} && exec \"$@\""), "sh", PROGRAM, "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--azure-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.join("data")).arg("--endpoints-file").arg(&endpoints);
    command.stdout(std::process::Stdio::null());
    Serving::found(command.spawn().unwrap(), &endpoints).await
}

/// Opens connections one after the other, each with these bytes sent.
async fn connect(address: &str, count: usize, bytes: &'static [u8]) -> Vec<TcpStream> {
    let address = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
    spawn_blocking(move || {
        let one = |_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(bytes).unwrap();
            stream
        };
        (0..count).map(one).collect()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_thousand_idle_connections_do_not_stop_a_push_or_a_pull() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let emulator = serve(&home, folder.path()).await;
    let azure =
        emulator.report["azure"].as_str().unwrap().trim_start_matches("https://").to_owned();
    let mut kept = Vec::new();

    for (address, bytes) in [
        (emulator.url(), b"".as_slice()),
        (emulator.url(), b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        (azure.as_str(), b""),
        (azure.as_str(), b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    ] {
        kept.extend(connect(address, 250, bytes).await);
        let client = Client::at(emulator.url());
        let layer = content::bytes(kept.len() as u64, 300_000);
        client.push_image("app", "v1", &[&layer]).await;
        assert_eq!(client.pull_blob("app", &layer).await.body, layer);
        let ready = client.get("/_sealyard/health").await;
        assert_eq!(ready.status, StatusCode::OK, "{ready:?}");
    }

    // The connections that ended did so with their place, not with the process.
    let open = spawn_blocking(move || {
        kept.iter_mut()
            .map(|stream| {
                stream.set_nonblocking(true).unwrap();
                let mut bytes = [0; 4096];
                usize::from(!matches!(stream.read(&mut bytes), Ok(0)))
            })
            .sum::<usize>()
    });
    assert!(open.await.unwrap() < 1000);
    emulator.stop().await;
}

#[tokio::test]
async fn uploads_use_a_part_of_the_files_and_a_client_beyond_it_is_told_so() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let emulator = serve(&home, folder.path()).await;
    let client = Client::at(emulator.url());
    client.push_image("app", "v1", &[b"layer"]).await;
    let (mut open, mut refused) = (Vec::new(), 0);

    for number in 0..3 * FILES {
        let answer = client.send(Method::POST, "/v2/app/blobs/uploads/", "").await;
        if answer.status == StatusCode::ACCEPTED {
            let location = answer.header("location").to_owned();
            // An upload of at least a segment is not dropped for a new one within ten minutes.
            let body = content::bytes(number as u64, 300_000);
            let part = client.send(Method::PATCH, &location, body.clone()).await;
            assert_eq!(part.status, StatusCode::ACCEPTED, "{part:?}");
            open.push((location, body));
        } else {
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
            assert_eq!(answer.code(), "TOOMANYREQUESTS");
            let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
            assert!(message.contains("upload"), "{message}");
            refused += 1;
        }
    }

    assert_eq!((open.len(), refused), (FILES / 4, 3 * FILES - FILES / 4));
    assert_eq!(client.get("/v2/app/manifests/v1").await.status, StatusCode::OK);
    assert_eq!(client.pull_blob("app", b"layer").await.body, b"layer");
    for (location, body) in open {
        let path = format!("{location}?digest={}", content::digest(&body));
        let finished = client.send(Method::PUT, &path, "").await;
        assert_eq!(finished.status, StatusCode::CREATED, "{finished:?}");
    }
    client.push_image("app", "v2", &[b"after the crowd"]).await;
    emulator.stop().await;
}
