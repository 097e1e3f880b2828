//! Asks a proxy for a connection.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use crate::core::proxy::{HTTP_ANSWER_BYTES_MAX, HttpRefused, Proxy, Speaks, http_answer, http_request};

/// Why a proxy gave no connection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It cannot be reached.
    #[error("the proxy cannot be reached: {0}")]
    Unreachable(io::Error),
    /// It broke off.
    #[error("the proxy broke off: {0}")]
    Lost(#[from] io::Error),
    /// It refused, by HTTP.
    #[error(transparent)]
    Http(#[from] HttpRefused),
    /// It refused, by SOCKS.
    #[error("the proxy refuses: {0}")]
    Socks(tokio_socks::Error),
}

/// A TCP connection to `host` at `port`, through the proxy, which is to resolve the name.
pub(super) async fn connect(proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, ProxyError> {
    let stream =
        TcpStream::connect((proxy.host.as_str(), proxy.port)).await.map_err(ProxyError::Unreachable)?;
    super::tune(&stream)?;
    match proxy.speaks {
        Speaks::Http => http(stream, proxy, host, port).await,
        Speaks::Socks5 => socks5(stream, proxy, host, port).await,
    }
}

async fn http(mut stream: TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, ProxyError> {
    stream.write_all(http_request(host, port, proxy.login.as_ref()).as_bytes()).await?;
    let mut answer = Vec::with_capacity(512);
    while !http_answer(&answer)? {
        let room = (HTTP_ANSWER_BYTES_MAX - answer.len()) as u64;
        if (&mut stream).take(room).read_buf(&mut answer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(stream)
}

async fn socks5(stream: TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<TcpStream, ProxyError> {
    let to = (host, port);
    let connected = match &proxy.login {
        Some(login) => {
            Socks5Stream::connect_with_password_and_socket(stream, to, &login.user, &login.password).await
        }
        None => Socks5Stream::connect_with_socket(stream, to).await,
    };
    Ok(connected.map_err(ProxyError::Socks)?.into_inner())
}
