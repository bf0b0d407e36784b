//! An emulator whose port is published under another number, as for a container.

use crate::support::program::Home;
use crate::support::start;

/// Forwards a new port to this address and returns the port.
async fn publish(to: String) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let to = to.clone();
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn commands_print_the_address_under_which_the_client_reaches_the_registry() {
    let (emulator, _client) = start().await;
    let inside = emulator.registry_url();
    let port = publish(inside.strip_prefix("http://").unwrap().to_owned()).await;
    let (home, url) = (Home::new(), format!("http://localhost:{port}"));
    let own_port = inside.rsplit(':').next().unwrap();

    for (command, holds) in [
        (&["status"][..], format!("docker push localhost:{port}/")),
        (&["status", "--json"], format!("\"loginServer\": \"localhost:{port}\"")),
        (&["registry", "show", "local"], format!("docker push localhost:{port}/")),
        (&["registry", "list"], format!("localhost:{port}")),
        (&["registry", "rotate-key", "local"], format!("docker push localhost:{port}/")),
        (&["doctor"], format!("localhost:{port}")),
        (&["env"], format!("SEALYARD_REGISTRY='localhost:{port}'")),
    ] {
        let ended = home.run(&[command, &["--endpoint", &url]].concat()).await;

        assert!(ended.out.contains(&holds), "{command:?}: {ended:?}");
        assert!(!ended.out.contains(&format!(":{own_port}")), "{command:?}: {ended:?}");
    }
}
