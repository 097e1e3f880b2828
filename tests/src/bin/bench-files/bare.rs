//! A file over one stream of quinn and nothing else: with the transport of our links, but without routes, records, hashes, ranges
//! and what keeps a transfer alive. What we cost is what we take beyond this.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hobnob_nat::transport::bare_link;
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The name in the certificate.
const NAME: &str = "bare";
/// As our links do.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// What is read from the file at once.
const READ_BYTES: usize = 1 << 20;
/// Chunks of the stream that are taken at once.
const CHUNKS: usize = 64;

/// Takes files until the process is ended, each from a connection of its own. The certificate goes to `certificate`.
pub(crate) fn serve(at: SocketAddr, into: &Path, certificate: &Path) -> Result<()> {
    runtime()?.block_on(async {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config = quinn::ServerConfig::with_single_cert(vec![made.cert.der().clone()], key)?;
        config.transport_config(Arc::new(bare_link()));
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(config), socket(at)?, Arc::new(TokioRuntime))?;
        std::fs::write(certificate, made.cert.der())?;
        while let Some(incoming) = endpoint.accept().await {
            let connection = incoming.await?;
            let mut stream = connection.accept_uni().await?;
            let mut file = File::create(into)?;
            let mut chunks: [_; CHUNKS] = std::array::from_fn(|_| Default::default());
            while let Some(count) = stream.read_chunks(&mut chunks).await? {
                for chunk in &chunks[..count] {
                    file.write_all(chunk)?;
                }
            }
            drop(file);
            connection.close(0_u32.into(), b"");
        }
        Ok(())
    })
}

/// Sends a file, and returns when the other side has all of it.
pub(crate) fn send(to: SocketAddr, file: &Path, certificate: &Path) -> Result<()> {
    runtime()?.block_on(async {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(std::fs::read(certificate)?))?;
        let mut config = quinn::ClientConfig::with_root_certificates(Arc::new(roots))?;
        config.transport_config(Arc::new(bare_link()));
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut endpoint =
            Endpoint::new(EndpointConfig::default(), None, socket(any)?, Arc::new(TokioRuntime))?;
        endpoint.set_default_client_config(config);
        let connection = endpoint.connect(to, NAME)?.await?;
        let mut stream = connection.open_uni().await?;
        let mut file = File::open(file)?;
        loop {
            let mut buffer = Vec::with_capacity(READ_BYTES);
            (&mut file).take(READ_BYTES as u64).read_to_end(&mut buffer)?;
            if buffer.is_empty() {
                break;
            }
            stream.write_chunk(buffer.into()).await?;
        }
        stream.finish()?;
        let end = connection.closed().await;
        ensure!(matches!(end, quinn::ConnectionError::ApplicationClosed(_)), "{end}");
        Ok(())
    })
}

fn socket(at: SocketAddr) -> Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(at), socket2::Type::DGRAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.bind(&at.into())?;
    Ok(socket.into())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Runtime::new().context("cannot start a runtime")
}
