//! Asks a vault whether it is healthy, without a shell or a token: prints one line and sets the exit code.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::endpoints::Endpoints;
use super::failure::Failure;
use super::network::reachable;
use super::options::Options;
use super::output::print_line;

/// A vault that takes longer is not healthy.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn health(options: &Options) -> Result<(), Failure> {
    let running = options.data_dir().ok().and_then(|folder| Endpoints::read(&folder).ok()?);
    let address = running.map_or(options.listen, |running| running.address);
    check(address).await?;
    print_line("healthy");
    Ok(())
}

/// Whether the vault at this address says that it is healthy.
pub(super) async fn check(address: SocketAddr) -> Result<(), Failure> {
    let address = reachable(address);
    let status = tokio::time::timeout(PATIENCE, ask(address))
        .await
        .map_err(|_| Failure::NotHealthy(format!("{address} does not answer")))?
        .map_err(|error| Failure::NotHealthy(format!("{address}: {error}")))?;
    if status == StatusCode::OK {
        Ok(())
    } else {
        Err(Failure::NotHealthy(format!("{address} answers {status}")))
    }
}

/// Asks without TLS, so that no certificate has to be trusted.
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
