//! TLS 1.3 as Hobnob uses it inside QUIC: one provider, one key exchange order, no early data, no resumption.
//!
//! Sessions: the peer knows the rendezvous by the pin of its certificate and looks at nothing else in it (no name, no
//! validity period, no authority). Links: both sides show a throw-away certificate and accept any; the signature is still
//! verified, so that both sides agree on the handshake, and who the peer is gets decided afterwards by Noise.

mod identity;
mod verify;

use std::sync::Arc;

use hobnob_wire::{link, session, tunnel};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion, version};

pub use self::identity::{IdentityError, ServerIdentity};
use self::verify::AnyCertificate;
pub(crate) use self::verify::PinVerifier;

static TLS13_ONLY: &[&SupportedProtocolVersion] = &[&version::TLS13];

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
pub(crate) fn session_server(identity: &ServerIdentity) -> ServerConfig {
    rendezvous(identity, session::ALPN)
}

/// How a rendezvous answers a tunnel.
pub(crate) fn tunnel_server(identity: &ServerIdentity) -> ServerConfig {
    rendezvous(identity, tunnel::ALPN)
}

fn rendezvous(identity: &ServerIdentity, alpn: &[u8]) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(TLS13_ONLY)
        .expect("the provider's default suites include TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
    server(config, alpn)
}

/// How a peer dials a session.
pub(crate) fn session_client(verifier: Arc<PinVerifier>) -> ClientConfig {
    pinned(verifier, session::ALPN)
}

/// How a peer dials a tunnel.
pub(crate) fn tunnel_client(verifier: Arc<PinVerifier>) -> ClientConfig {
    pinned(verifier, tunnel::ALPN)
}

fn pinned(verifier: Arc<PinVerifier>, alpn: &[u8]) -> ClientConfig {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(TLS13_ONLY)
        .expect("the provider's default suites include TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    client(config, alpn)
}

/// How a peer answers a link: it insists on a certificate, whichever.
pub(crate) fn link_server(certificate: Arc<CertifiedKey>) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(TLS13_ONLY)
        .expect("the provider's default suites include TLS 1.3")
        .with_client_cert_verifier(Arc::new(AnyCertificate::new()))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    server(config, link::ALPN)
}

/// How a peer dials a link.
pub(crate) fn link_client(certificate: Arc<CertifiedKey>) -> ClientConfig {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(TLS13_ONLY)
        .expect("the provider's default suites include TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate::new()))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    client(config, link::ALPN)
}

/// A certificate that is made, shown and forgotten: a fresh key and a name that says nothing.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn throw_away_certificate() -> Result<Arc<CertifiedKey>, IdentityError> {
    Ok(ServerIdentity::generate(&["hobnob".to_owned()])?.certified_key())
}

/// The configuration as QUIC takes it.
pub(crate) fn quic_server(config: ServerConfig) -> Arc<QuicServerConfig> {
    Arc::new(
        QuicServerConfig::try_from(config)
            .expect("configurations of this module have the suite of Initial packets"),
    )
}

/// The configuration as QUIC takes it.
pub(crate) fn quic_client(config: ClientConfig) -> Arc<QuicClientConfig> {
    Arc::new(
        QuicClientConfig::try_from(config)
            .expect("configurations of this module have the suite of Initial packets"),
    )
}

fn server(mut config: ServerConfig, alpn: &[u8]) -> ServerConfig {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

fn client(mut config: ClientConfig, alpn: &[u8]) -> ClientConfig {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    // The name is a placeholder that rustls wants; nobody on the way needs to see it.
    config.enable_sni = false;
    config
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;
    use rustls::quic::{ClientConnection, Connection, ServerConnection, Version};

    use super::*;

    /// Runs a TLS handshake in memory and returns both sides.
    fn shake_hands(
        client: ClientConfig,
        server: ServerConfig,
    ) -> Result<(Connection, Connection), rustls::Error> {
        let name = "hobnob".try_into().unwrap();
        let mut client: Connection =
            ClientConnection::new(Arc::new(client), Version::V1, name, Vec::new())?.into();
        let mut server: Connection = ServerConnection::new(Arc::new(server), Version::V1, Vec::new())?.into();
        while client.is_handshaking() || server.is_handshaking() {
            hand_over(&mut client, &mut server)?;
            hand_over(&mut server, &mut client)?;
        }
        Ok((client, server))
    }

    fn hand_over(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
        // Each flight is handed over by itself: a change of keys must not fall into the middle of a read.
        loop {
            let mut messages = Vec::new();
            let keys = from.write_hs(&mut messages);
            to.read_hs(&messages)?;
            if keys.is_none() {
                return Ok(());
            }
        }
    }

    fn group(connection: &Connection) -> NamedGroup {
        connection.negotiated_key_exchange_group().unwrap().name()
    }

    #[test]
    fn links_agree_on_the_hybrid_key_exchange_and_both_sides_show_a_certificate() {
        let (dialer, acceptor) = (throw_away_certificate().unwrap(), throw_away_certificate().unwrap());
        let (client, server) = shake_hands(link_client(dialer), link_server(acceptor)).unwrap();
        assert_eq!(
            (group(&client), group(&server)),
            (NamedGroup::X25519MLKEM768, NamedGroup::X25519MLKEM768)
        );
        assert!(client.peer_certificates().is_some() && server.peer_certificates().is_some());
    }

    #[test]
    fn sessions_agree_on_the_hybrid_key_exchange() {
        let identity = ServerIdentity::generate(&["localhost".to_owned()]).unwrap();
        let verifier = Arc::new(PinVerifier::new(identity.pin()));
        let (client, _) = shake_hands(session_client(verifier), session_server(&identity)).unwrap();
        assert_eq!(group(&client), NamedGroup::X25519MLKEM768);
    }

    #[test]
    fn a_tunnel_does_not_open_as_a_session() {
        let identity = ServerIdentity::generate(&["localhost".to_owned()]).unwrap();
        let verifier = || Arc::new(PinVerifier::new(identity.pin()));
        assert!(shake_hands(tunnel_client(verifier()), tunnel_server(&identity)).is_ok());
        let refused = shake_hands(tunnel_client(verifier()), session_server(&identity));
        assert_eq!(refused.err(), Some(rustls::Error::NoApplicationProtocol));
    }

    #[test]
    fn a_side_without_the_hybrid_still_gets_the_classical_key_exchange() {
        let mut dialer = link_client(throw_away_certificate().unwrap());
        let classical = CryptoProvider { kx_groups: vec![kx_group::X25519], ..default_provider() };
        dialer = {
            let config = ClientConfig::builder_with_provider(Arc::new(classical))
                .with_protocol_versions(TLS13_ONLY)
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate::new()))
                .with_client_cert_resolver(Arc::clone(&dialer.client_auth_cert_resolver));
            client(config, link::ALPN)
        };
        let (client, _) = shake_hands(dialer, link_server(throw_away_certificate().unwrap())).unwrap();
        assert_eq!(group(&client), NamedGroup::X25519);
    }

    #[test]
    fn a_link_without_the_dialers_certificate_is_refused() {
        let anonymous = {
            let config = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(TLS13_ONLY)
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate::new()))
                .with_no_client_auth();
            client(config, link::ALPN)
        };
        let refused = shake_hands(anonymous, link_server(throw_away_certificate().unwrap()));
        assert_eq!(refused.err(), Some(rustls::Error::NoCertificatesPresented));
    }

    #[test]
    fn a_certificate_shown_without_its_key_is_refused() {
        let (shown, held) = (throw_away_certificate().unwrap(), throw_away_certificate().unwrap());
        let stolen = Arc::new(CertifiedKey::new(shown.cert.clone(), Arc::clone(&held.key)));
        let refused = shake_hands(link_client(throw_away_certificate().unwrap()), link_server(stolen));
        assert_eq!(refused.err(), Some(rustls::CertificateError::BadSignature.into()));
    }

    #[test]
    fn a_session_does_not_open_as_a_link() {
        let identity = ServerIdentity::generate(&["localhost".to_owned()]).unwrap();
        let refused = shake_hands(link_client(throw_away_certificate().unwrap()), session_server(&identity));
        assert_eq!(refused.err(), Some(rustls::Error::NoApplicationProtocol));
    }
}
