//! Asks a vault whether it is well: one line and an exit code, with no shell and no token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::endpoints::Endpoints;
use super::options::Options;
use super::{Failure, say};

/// A vault that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn health(options: &Options) -> Result<(), Failure> {
    let running = options.data_dir().ok().and_then(|folder| Endpoints::read(&folder).ok()?);
    let address = reachable(running.map_or(options.listen, |running| running.address));
    let status = tokio::time::timeout(PATIENCE, ask(address))
        .await
        .map_err(|_| Failure::NotHealthy(format!("{address} does not answer")))?
        .map_err(|error| Failure::NotHealthy(format!("{address}: {error}")))?;
    if status != StatusCode::OK {
        return Err(Failure::NotHealthy(format!("{address} answers {status}")));
    }
    say("healthy");
    Ok(())
}

/// Health is answered without TLS as well, so nothing has to be trusted.
async fn ask(address: SocketAddr) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/_keyvault/health")
        .header(http::header::HOST, "localhost")
        .body(Empty::<Bytes>::new())?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    connection.abort();
    Ok(answer.status())
}

/// What listens on every address answers on the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
