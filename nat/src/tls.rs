//! TLS 1.3 as Hobnob uses it inside QUIC: one provider, one key exchange order, no early data, no resumption.
//!
//! Sessions: the peer knows the rendezvous by the pin of its certificate and looks at nothing else in it (no name, no
//! validity period, no authority). Links: both sides show a throw-away certificate and accept any; the signature is still
//! verified, so that both sides agree on the handshake, and who the peer is gets decided afterwards by Noise.

mod identity;
mod verify;

use std::sync::Arc;

use hobnob_wire::{link, session};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig, version};

pub use self::identity::{IdentityError, ServerIdentity};
use self::verify::AnyCertificate;
pub(crate) use self::verify::PinVerifier;

/// Key exchange, preferred first. The hybrid keeps what is recorded today closed to a later quantum computer.
static KEY_EXCHANGES: [&dyn SupportedKxGroup; 2] = [kx_group::X25519MLKEM768, kx_group::X25519];

/// The cryptography of every TLS connection: aws-lc-rs with `X25519MLKEM768`, then `X25519`.
///
/// It is always named explicitly; a process-wide default may be another one.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: KEY_EXCHANGES.to_vec(), ..default_provider() })
}

/// Seeds the random generator and touches the key exchanges, so that the first handshake of the process is not 50 ms slower
/// than the others. Call it once at start, off the path that anybody waits for.
pub fn warm_up() {
    let provider = provider();
    // What fails here fails again at the first handshake, which has an error to return.
    let _ = provider.secure_random.fill(&mut [0; 32]);
    for group in &provider.kx_groups {
        let _ = group.start();
    }
}

/// How a rendezvous answers a session.
pub(crate) fn session_server(identity: &ServerIdentity) -> Arc<QuicServerConfig> {
    server(
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider's default suites include TLS 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key()))),
        session::ALPN,
    )
}

/// How a peer dials a session.
pub(crate) fn session_client(verifier: Arc<PinVerifier>) -> Arc<QuicClientConfig> {
    client(
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider's default suites include TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth(),
        session::ALPN,
    )
}

/// How a peer answers a link: it insists on a certificate, whichever.
pub(crate) fn link_server(certificate: &Arc<CertifiedKey>) -> Arc<QuicServerConfig> {
    server(
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider's default suites include TLS 1.3")
            .with_client_cert_verifier(Arc::new(AnyCertificate::new()))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certificate)))),
        link::ALPN,
    )
}

/// How a peer dials a link.
pub(crate) fn link_client(certificate: &Arc<CertifiedKey>) -> Arc<QuicClientConfig> {
    client(
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider's default suites include TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate::new()))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certificate)))),
        link::ALPN,
    )
}

/// A certificate that is made, shown and forgotten: a fresh key and a name that says nothing.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn throw_away_certificate() -> Result<Arc<CertifiedKey>, IdentityError> {
    Ok(ServerIdentity::generate(&["hobnob".to_owned()])?.certified_key())
}

fn server(mut config: ServerConfig, alpn: &[u8]) -> Arc<QuicServerConfig> {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(
        QuicServerConfig::try_from(config)
            .expect("the provider's suites include the one of QUIC's Initial packets"),
    )
}

fn client(mut config: ClientConfig, alpn: &[u8]) -> Arc<QuicClientConfig> {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_early_data = false;
    config.resumption = rustls::client::Resumption::disabled();
    // The name is a placeholder that rustls wants; nobody on the way needs to see it.
    config.enable_sni = false;
    Arc::new(
        QuicClientConfig::try_from(config)
            .expect("the provider's suites include the one of QUIC's Initial packets"),
    )
}
