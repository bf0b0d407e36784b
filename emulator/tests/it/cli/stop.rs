//! The signals that stop a running emulator.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::support::Client;
use crate::support::program::{Home, PROGRAM};

#[tokio::test]
async fn a_signal_during_a_push_prints_the_open_request_and_a_second_signal_ends_at_once() {
    let home = Home::new();
    let mut command = home.command(PROGRAM);
    command.args(["serve", "--ephemeral", "--listen", "0", "--azure-listen", "0", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut registry = String::new();
    while registry.is_empty() {
        let line = out.next_line().await.unwrap().unwrap();
        if let Some(url) = line.trim().strip_prefix("\"registry\": \"http://") {
            registry = url.trim_end_matches("\",").to_owned();
        }
    }
    let client = Client::at(&format!("http://{registry}"));
    let begun = client.send(Method::POST, "/v2/app/blobs/uploads/", "").await;
    let location = begun.header("location");
    let path = location.split(&registry).last().unwrap().to_owned();
    let mut push = TcpStream::connect(&registry).await.unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: {registry}\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    );
    push.write_all(head.as_bytes()).await.unwrap();
    // The server now reads the body.
    let mut answer = BufReader::new(&mut push).lines();
    assert!(answer.next_line().await.unwrap().unwrap().contains("100"));

    kill_process(pid, Signal::INT).unwrap();
    let waiting = loop {
        let line = said.next_line().await.unwrap().expect("the emulator prints the open request");
        if line.contains("waiting at most") {
            break line;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(8), async {
        kill_process(pid, Signal::INT).unwrap();
        child.wait().await.unwrap()
    });

    let upload = path.split('?').next().unwrap();
    assert!(waiting.contains(&format!("1 request to end: PATCH {upload}")), "{waiting}");
    assert!(waiting.ends_with("press Ctrl-C again to stop at once"), "{waiting}");
    assert_eq!(ended.await.expect("the emulator does not wait for the push").code(), Some(130));
}
