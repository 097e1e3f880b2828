//! Who appears in the examples. Every key is made from a fixed seed.

use hobnob_wire::bounded::{List, Opaque, Text};
use hobnob_wire::device::{Device, DeviceEntry, DeviceList, DeviceOperation, RootCertificate, SignedEntry};
use hobnob_wire::keys::{Purpose, Signature, SigningKey};
use hobnob_wire::mailbox::Prekey;
use hobnob_wire::noise::NoiseKeypair;
use hobnob_wire::{Address, DeviceId, LetterId, TransferId};
use zeroize::Zeroizing;

/// Seeds: 32 times this byte.
pub(crate) const ROOT: u8 = 1;
pub(crate) const SELF_SIGNING: u8 = 2;
pub(crate) const DEVICE: u8 = 3;
pub(crate) const NOISE: u8 = 4;
pub(crate) const OLM: u8 = 5;

pub(crate) fn signing(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn noise(seed: u8) -> NoiseKeypair {
    NoiseKeypair::from_secret(Zeroizing::new([seed; 32]))
}

pub(crate) fn alice() -> Address {
    "alice@example.org".parse().unwrap()
}

pub(crate) fn bob() -> Address {
    "bob@example.org".parse().unwrap()
}

pub(crate) fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

pub(crate) fn bytes<const MAX: usize>(bytes: &[u8]) -> Opaque<MAX> {
    Opaque::new(bytes).unwrap()
}

pub(crate) fn letter_id() -> LetterId {
    LetterId::new([0x11; 16])
}

pub(crate) fn transfer_id() -> TransferId {
    TransferId::new([0x22; 16])
}

/// Alice's laptop.
pub(crate) fn device() -> Device {
    Device {
        signing: signing(DEVICE).verify_key(),
        noise: noise(NOISE).public(),
        olm: noise(OLM).public(),
        name: text("laptop"),
    }
}

pub(crate) fn device_id() -> DeviceId {
    device().id()
}

pub(crate) fn certificate() -> RootCertificate {
    RootCertificate::issue(&signing(ROOT), signing(SELF_SIGNING).verify_key())
}

/// Alice's laptop joins.
pub(crate) fn entry() -> DeviceEntry {
    DeviceEntry {
        seq: 0,
        previous: certificate().hash(),
        at_unix_s: 1_700_000_000,
        operation: DeviceOperation::Add(device()),
    }
}

pub(crate) fn signed_entry() -> SignedEntry {
    SignedEntry::sign(&entry(), &signing(SELF_SIGNING), Some(&signing(DEVICE))).unwrap()
}

pub(crate) fn device_list() -> DeviceList {
    DeviceList { certificate: certificate(), entries: List::new(vec![signed_entry()]).unwrap() }
}

/// The list after its owner has lost the password.
pub(crate) fn renewed_list() -> DeviceList {
    let DeviceList { certificate, entries } = device_list();
    let place = device_list().verify().unwrap().next();
    let renewal = SignedEntry::renew(&signing(ROOT), place, 1_700_000_002, signing(6).verify_key()).unwrap();
    let list =
        DeviceList { certificate, entries: List::new([entries.into_vec(), vec![renewal]].concat()).unwrap() };
    assert_eq!(list.verify().unwrap().self_signing(), signing(6).verify_key());
    list
}

/// A signature of the right form; examples of frames do not verify it.
pub(crate) fn signature() -> Signature {
    Signature::from_bytes(&[0x55; 64])
}

pub(crate) fn prekey() -> Prekey {
    let key = noise(6).public();
    Prekey { key, signature: signing(DEVICE).sign(Purpose::Prekey, key.as_bytes()) }
}
