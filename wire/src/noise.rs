//! Noise on a link and around a signal.
//!
//! **Link.** `Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s` on the control stream: the initiator knows the
//! responder's static key N from its device list, psk0 is the TLS exporter of the connection below. So a
//! machine in the middle, which has another exporter on each side, cannot pass. The types follow the
//! handshake, and keys come out only at its end.
//!
//! **Signal.** `Noise_X_25519_ChaChaPoly_BLAKE2s`, one message: sealed to a device, and proof of which
//! device sent it. A replayed signal can do no more than ask for a link that then fails.

use std::fmt;

use snow::params::{DHChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::Dh;
use snow::{Builder, HandshakeState};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::keys::AgreementKey;
use crate::limits::{NOISE_MESSAGE_BYTES_MAX, SIGNAL_BYTES_MAX};
use crate::seal::{Direction, LinkSecret, SealKey};

const LINK_PATTERN: &str = "Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s";
const SIGNAL_PATTERN: &str = "Noise_X_25519_ChaChaPoly_BLAKE2s";
const LINK_PROLOGUE: &[u8] = b"hobnob-link/1";

/// Bytes that the link's first message adds to its payload: e, sealed s, and a tag.
const LINK_OVERHEAD_BYTES: usize = 96;
/// Longest payload of a link's handshake message.
pub const HELLO_BYTES_MAX: usize = NOISE_MESSAGE_BYTES_MAX - LINK_OVERHEAD_BYTES;
/// Bytes that sealing a signal adds: e, sealed s, and a tag.
pub const SIGNAL_OVERHEAD_BYTES: usize = 96;

/// The handshake failed: wrong key, wrong exporter, wrong context, or bytes that are no handshake. Which
/// of them is not said; the link closes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the Noise handshake failed")]
pub struct NoiseError;

impl From<snow::Error> for NoiseError {
    fn from(_: snow::Error) -> Self {
        Self
    }
}

/// A device's Noise key pair N. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct NoiseKeypair {
    secret: Zeroizing<[u8; 32]>,
    public: AgreementKey,
}

impl fmt::Debug for NoiseKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoiseKeypair({:?})", self.public)
    }
}

impl NoiseKeypair {
    /// The pair that belongs to 32 random bytes.
    #[must_use]
    pub fn from_secret(secret: Zeroizing<[u8; 32]>) -> Self {
        let dh = dh(&secret);
        let mut public = [0; 32];
        public.copy_from_slice(&dh.pubkey()[..32]);
        Self { secret, public: AgreementKey::new(public) }
    }

    /// The X25519 result of this pair and another's public key (RFC 7748 §6.1). Not uniform: a key is derived from it.
    ///
    /// # Errors
    /// [`NoiseError`] when `remote` is not a usable key.
    pub(crate) fn agree(&self, remote: &AgreementKey) -> Result<Zeroizing<[u8; 32]>, NoiseError> {
        check_public(remote.as_bytes())?;
        let mut shared = Zeroizing::new([0; 32]);
        dh(&self.secret).dh(remote.as_bytes(), shared.as_mut_slice())?;
        Ok(shared)
    }

    /// The secret, to be stored where only its owner reads.
    #[must_use]
    pub const fn secret(&self) -> &Zeroizing<[u8; 32]> {
        &self.secret
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> AgreementKey {
        self.public
    }
}

/// X25519 with this secret.
fn dh(secret: &[u8; 32]) -> Box<dyn Dh> {
    let mut dh = DefaultResolver
        .resolve_dh(&DHChoice::Curve25519)
        .expect("snow is built with the feature use-curve25519");
    dh.set(secret);
    dh
}

/// The u-coordinates of small order (RFC 7748 §6.1; the list of libsodium). With any of them a
/// Diffie-Hellman result is known to everybody, and snow does not check.
const SMALL_ORDER: [[u8; 32]; 7] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    let (mut below, mut above) = (p, p);
    below[0] = 0xec;
    above[0] = 0xee;
    let mut one = [0; 32];
    one[0] = 1;
    [
        [0; 32],
        one,
        below,
        p,
        above,
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
    ]
};

/// Refuses public keys of small order, whatever their top bit, which X25519 ignores.
fn check_public(key: &[u8]) -> Result<(), NoiseError> {
    let mut bytes: [u8; 32] = key.try_into().map_err(|_| NoiseError)?;
    bytes[31] &= 0x7f;
    if SMALL_ORDER.contains(&bytes) { Err(NoiseError) } else { Ok(()) }
}

fn params(pattern: &str) -> Result<NoiseParams, NoiseError> {
    Ok(pattern.parse()?)
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
    if message.len() > NOISE_MESSAGE_BYTES_MAX {
        return Err(NoiseError);
    }
    // Every message of our patterns begins with an ephemeral key in clear.
    check_public(message.get(..32).ok_or(NoiseError)?)?;
    let mut payload = vec![0; message.len()];
    let len = state.read_message(message, &mut payload)?;
    payload.truncate(len);
    if let Some(remote) = state.get_remote_static() {
        check_public(remote)?;
    }
    Ok(payload)
}

fn write(state: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
    let mut message = vec![0; payload.len() + LINK_OVERHEAD_BYTES];
    let len = state.write_message(payload, &mut message)?;
    message.truncate(len);
    Ok(message)
}

fn remote_static(state: &HandshakeState) -> Result<AgreementKey, NoiseError> {
    let key = state.get_remote_static().ok_or(NoiseError)?;
    Ok(AgreementKey::new(key.try_into().map_err(|_| NoiseError)?))
}

/// Keys of a link whose handshake is over.
#[derive(Debug)]
pub struct LinkKeys {
    /// Seals our frames on the control stream.
    pub send: SealKey,
    /// Opens theirs.
    pub receive: SealKey,
    /// Source of the keys of unidirectional streams.
    pub streams: LinkSecret,
    /// Direction of what we send.
    pub direction: Direction,
}

fn keys(mut state: HandshakeState, direction: Direction) -> Result<LinkKeys, NoiseError> {
    // Before the end the split would silently yield wrong keys.
    if !state.is_handshake_finished() {
        return Err(NoiseError);
    }
    let (first, second) = state.dangerously_get_raw_split();
    let (first, second) = (Zeroizing::new(first), Zeroizing::new(second));
    let mut split = Zeroizing::new([0; 64]);
    split[..32].copy_from_slice(first.as_slice());
    split[32..].copy_from_slice(second.as_slice());
    // The state is consumed: its own transport keys equal the split and are never used beside it.
    let streams = LinkSecret::new(&split, state.get_handshake_hash());
    Ok(LinkKeys {
        send: streams.control(direction),
        receive: streams.control(direction.reversed()),
        streams,
        direction,
    })
}

/// The side that dialed, waiting for the answer.
#[derive(Debug)]
pub struct Initiator(HandshakeState);

impl Initiator {
    /// Writes the first message. `psk` is the connection's TLS exporter.
    ///
    /// # Errors
    /// [`NoiseError`] when `remote` is not a usable key or the payload is too long.
    pub fn start(
        own: &NoiseKeypair,
        remote: &AgreementKey,
        psk: &[u8; 32],
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        check_public(remote.as_bytes())?;
        let mut state = Builder::new(params(LINK_PATTERN)?)
            .local_private_key(own.secret.as_slice())?
            .remote_public_key(remote.as_bytes())?
            .psk(0, psk)?
            .prologue(LINK_PROLOGUE)?
            .build_initiator()?;
        let message = write(&mut state, payload)?;
        Ok((Self(state), message))
    }

    /// Reads the answer; returns its payload and the keys.
    ///
    /// # Errors
    /// [`NoiseError`].
    pub fn finish(mut self, message: &[u8]) -> Result<(Vec<u8>, LinkKeys), NoiseError> {
        let payload = read(&mut self.0, message)?;
        Ok((payload, keys(self.0, Direction::FromInitiator)?))
    }
}

/// The side that was dialed, having read the first message.
#[derive(Debug)]
pub struct Responder(HandshakeState);

impl Responder {
    /// Reads the first message; returns its payload and the static key that its sender proved, which the
    /// caller compares with the device list in the payload.
    ///
    /// Whoever holds our own N can forge this message (Noise §7.7, pattern IK), so nothing is released
    /// before the initiator's first transport frame opens.
    ///
    /// # Errors
    /// [`NoiseError`].
    pub fn read(
        own: &NoiseKeypair,
        psk: &[u8; 32],
        message: &[u8],
    ) -> Result<(Self, Vec<u8>, AgreementKey), NoiseError> {
        let mut state = Builder::new(params(LINK_PATTERN)?)
            .local_private_key(own.secret.as_slice())?
            .psk(0, psk)?
            .prologue(LINK_PROLOGUE)?
            .build_responder()?;
        let payload = read(&mut state, message)?;
        let remote = remote_static(&state)?;
        Ok((Self(state), payload, remote))
    }

    /// Writes the answer; returns it with the keys.
    ///
    /// # Errors
    /// [`NoiseError`] when the payload is too long.
    pub fn finish(mut self, payload: &[u8]) -> Result<(Vec<u8>, LinkKeys), NoiseError> {
        let message = write(&mut self.0, payload)?;
        Ok((message, keys(self.0, Direction::FromResponder)?))
    }
}

/// Seals an encoded signal to a device. `context` names both ends; see [`signal_context`].
///
/// # Errors
/// [`NoiseError`] when `remote` is not a usable key or the signal is too long.
pub fn seal_signal(
    own: &NoiseKeypair,
    remote: &AgreementKey,
    context: &[u8],
    signal: &[u8],
) -> Result<Vec<u8>, NoiseError> {
    check_public(remote.as_bytes())?;
    if signal.len() + SIGNAL_OVERHEAD_BYTES > SIGNAL_BYTES_MAX {
        return Err(NoiseError);
    }
    let mut state = Builder::new(params(SIGNAL_PATTERN)?)
        .local_private_key(own.secret.as_slice())?
        .remote_public_key(remote.as_bytes())?
        .prologue(context)?
        .build_initiator()?;
    write(&mut state, signal)
}

/// Opens a sealed signal; returns it with the static key of the device that sealed it.
///
/// # Errors
/// [`NoiseError`].
pub fn open_signal(
    own: &NoiseKeypair,
    context: &[u8],
    sealed: &[u8],
) -> Result<(Vec<u8>, AgreementKey), NoiseError> {
    if sealed.len() > SIGNAL_BYTES_MAX {
        return Err(NoiseError);
    }
    let mut state = Builder::new(params(SIGNAL_PATTERN)?)
        .local_private_key(own.secret.as_slice())?
        .prologue(context)?
        .build_responder()?;
    let signal = read(&mut state, sealed)?;
    let remote = remote_static(&state)?;
    Ok((signal, remote))
}

/// The context that a signal is sealed in: who says it to whom.
#[must_use]
pub fn signal_context(
    from: (&crate::Address, crate::DeviceId),
    to: (&crate::Address, crate::DeviceId),
) -> Vec<u8> {
    let mut context = b"hobnob/1 signal".to_vec();
    for (address, device) in [from, to] {
        context.push(0);
        context.extend_from_slice(address.as_str().as_bytes());
        context.push(0);
        context.extend_from_slice(device.as_bytes());
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seed: u8) -> NoiseKeypair {
        NoiseKeypair::from_secret(Zeroizing::new([seed; 32]))
    }

    fn link(psk_a: [u8; 32], psk_b: [u8; 32]) -> Result<(LinkKeys, LinkKeys), NoiseError> {
        let (alice, bob) = (pair(1), pair(2));
        let (initiator, first) = Initiator::start(&alice, &bob.public(), &psk_a, b"alice")?;
        let (responder, payload, remote) = Responder::read(&bob, &psk_b, &first)?;
        assert_eq!((payload.as_slice(), remote), (b"alice".as_slice(), alice.public()));
        let (second, bob_keys) = responder.finish(b"bob")?;
        let (payload, alice_keys) = initiator.finish(&second)?;
        assert_eq!(payload, b"bob");
        Ok((alice_keys, bob_keys))
    }

    #[test]
    fn both_sides_of_a_link_derive_the_same_keys_and_no_two_streams_share_one() {
        let (mut alice, mut bob) = link([7; 32], [7; 32]).unwrap();
        let mut frame = b"frame".to_vec();
        alice.send.seal(b"", &mut frame).unwrap();
        assert_eq!(bob.receive.open(b"", &mut frame.clone()).unwrap(), b"frame");
        assert_eq!(bob.send.open(b"", &mut frame.clone()).unwrap_err(), crate::seal::BrokenSeal);

        let mut record = b"bytes".to_vec();
        alice.streams.stream(2, Direction::FromInitiator).seal(b"", &mut record).unwrap();
        let open = |stream, direction| {
            bob.streams.stream(stream, direction).open(b"", &mut record.clone()).map(|bytes| bytes.to_vec())
        };
        assert_eq!(open(2, Direction::FromInitiator), Ok(b"bytes".to_vec()));
        assert_eq!(open(6, Direction::FromInitiator), Err(crate::seal::BrokenSeal));
        assert_eq!(open(2, Direction::FromResponder), Err(crate::seal::BrokenSeal));
    }

    #[test]
    fn a_machine_in_the_middle_with_another_exporter_gets_no_link() {
        assert_eq!(link([7; 32], [8; 32]).unwrap_err(), NoiseError);
    }

    #[test]
    fn a_key_of_small_order_is_refused_everywhere() {
        for key in SMALL_ORDER {
            let mut high = key;
            high[31] |= 0x80;
            for key in [key, high].map(AgreementKey::new) {
                assert!(Initiator::start(&pair(1), &key, &[0; 32], b"").is_err());
                assert!(seal_signal(&pair(1), &key, b"", b"").is_err());
                let mut first = Initiator::start(&pair(1), &pair(2).public(), &[0; 32], b"").unwrap().1;
                first[..32].copy_from_slice(key.as_bytes());
                assert!(Responder::read(&pair(2), &[0; 32], &first).is_err());
            }
        }
    }

    #[test]
    fn a_signal_opens_only_for_its_device_and_in_its_context() {
        let sealed = seal_signal(&pair(1), &pair(2).public(), b"a to b", b"hello").unwrap();
        assert_eq!(sealed.len(), 5 + SIGNAL_OVERHEAD_BYTES);
        assert_eq!(open_signal(&pair(2), b"a to b", &sealed), Ok((b"hello".to_vec(), pair(1).public())));
        assert_eq!(open_signal(&pair(2), b"c to b", &sealed), Err(NoiseError));
        assert_eq!(open_signal(&pair(3), b"a to b", &sealed), Err(NoiseError));
    }
}
