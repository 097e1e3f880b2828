use super::*;

struct Account {
    root: SigningKey,
    self_signing: SigningKey,
    list: DeviceList,
}

fn device(seed: u8) -> (SigningKey, Device) {
    let key = SigningKey::from_seed(&[seed; 32]);
    let device = Device {
        signing: key.verify_key(),
        noise: AgreementKey::new([seed; 32]),
        olm: AgreementKey::new([seed; 32]),
        name: Text::new("laptop").unwrap(),
    };
    (key, device)
}

impl Account {
    fn new() -> Self {
        let (root, self_signing) = (SigningKey::from_seed(&[200; 32]), SigningKey::from_seed(&[201; 32]));
        let certificate = RootCertificate::issue(&root, self_signing.verify_key());
        let list = DeviceList { certificate, entries: List::default() };
        let mut account = Self { root, self_signing, list };
        account.add(1);
        account
    }

    fn push(&mut self, operation: DeviceOperation, device: Option<&SigningKey>) {
        let (seq, previous) =
            self.list.verify().map_or((0, self.list.certificate.hash()), |verified| verified.next());
        let entry = DeviceEntry { seq, previous, at_unix_s: 1, operation };
        let mut entries = self.list.entries.clone().into_vec();
        entries.push(SignedEntry::sign(&entry, &self.self_signing, device).unwrap());
        self.list.entries = List::new(entries).unwrap();
    }

    fn add(&mut self, seed: u8) {
        let (key, device) = device(seed);
        self.push(DeviceOperation::Add(device), Some(&key));
    }
}

#[test]
fn a_revoked_device_is_no_longer_in_use() {
    let mut account = Account::new();
    account.add(2);
    account.push(DeviceOperation::Revoke(device(1).1.id()), None);
    let verified = account.list.verify().unwrap();
    assert_eq!(verified.devices().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [device(2).1.id()]);
    assert_eq!(verified.head().seq, 2);
    assert_eq!(verified.root(), account.root.verify_key());
}

#[test]
fn a_device_key_that_was_swapped_on_the_way_is_refused() {
    let account = Account::new();
    let mut entry = account.list.entries[0].entry().unwrap();
    let DeviceOperation::Add(device) = &mut entry.operation else { unreachable!("the first entry adds") };
    device.noise = AgreementKey::new([9; 32]);
    let mut forged = account.list;
    let mut signed = forged.entries[0].clone();
    signed.body = Opaque::new(encode(&entry).unwrap()).unwrap();
    forged.entries = List::new(vec![signed]).unwrap();
    assert_eq!(forged.verify(), Err(ListError::Signature));
}

#[test]
fn a_device_must_consent_to_being_added() {
    let mut account = Account::new();
    account.push(DeviceOperation::Add(device(2).1), None);
    assert_eq!(account.list.verify(), Err(ListError::Signature));
}

#[test]
fn a_rolled_back_or_forked_list_does_not_continue_the_known_one() {
    let mut account = Account::new();
    let short = account.list.clone();
    let root = account.root.verify_key();
    let first = short.verify().unwrap();
    account.add(2);
    let known = account.list.verify().unwrap();
    assert_eq!(known.continues(&root, &first.head()), Ok(()));
    assert_eq!(first.continues(&root, &known.head()), Err(ListError::Rollback { known: 1, offered: 0 }));

    let mut fork = Account { list: short, ..Account::new() };
    fork.add(3);
    let forked = fork.list.verify().unwrap();
    assert_eq!(forked.continues(&root, &known.head()), Err(ListError::Fork { seq: 1 }));
    let stranger = SigningKey::from_seed(&[77; 32]).verify_key();
    assert_eq!(known.continues(&stranger, &first.head()), Err(ListError::Root));
}

impl Account {
    fn renew(&mut self, seed: u8) {
        let key = SigningKey::from_seed(&[seed; 32]);
        let place = self.list.verify().unwrap().next();
        let entry = SignedEntry::renew(&self.root, place, 1, key.verify_key()).unwrap();
        let mut entries = self.list.entries.clone().into_vec();
        entries.push(entry);
        self.list.entries = List::new(entries).unwrap();
        self.self_signing = key;
    }
}

#[test]
fn a_revoked_device_never_comes_back() {
    let mut account = Account::new();
    account.add(2);
    account.push(DeviceOperation::Revoke(device(2).1.id()), None);
    assert!(account.list.verify().unwrap().was_revoked(device(2).1.id()));
    account.add(2);
    assert_eq!(account.list.verify(), Err(ListError::Operation { seq: 3 }));
}

#[test]
fn a_new_name_is_the_devices_and_needs_the_device() {
    let mut account = Account::new();
    let rename =
        |seed| DeviceOperation::Rename { device: device(seed).1.id(), name: Text::new("old").unwrap() };
    account.push(rename(1), None);
    assert_eq!(account.list.verify().unwrap().devices()[0].1.name.as_str(), "old");
    account.push(rename(2), None);
    assert_eq!(account.list.verify(), Err(ListError::Operation { seq: 2 }));
}

#[test]
fn the_root_renews_the_signing_key_and_the_old_one_signs_no_more() {
    let mut account = Account::new();
    let before = account.list.verify().unwrap();
    account.renew(202);
    account.add(2);
    let after = account.list.verify().unwrap();
    assert_eq!(after.continues(&before.root(), &before.head()), Ok(()));
    assert_eq!(after.self_signing(), account.self_signing.verify_key());
    assert_eq!(after.devices().len(), 2);

    account.self_signing = SigningKey::from_seed(&[201; 32]);
    account.add(3);
    assert_eq!(account.list.verify(), Err(ListError::Signature));
}

#[test]
fn nobody_but_the_root_renews_the_signing_key() {
    let mut account = Account::new();
    let thief = SigningKey::from_seed(&[203; 32]).verify_key();
    account.push(DeviceOperation::Renew(thief), None);
    assert_eq!(account.list.verify(), Err(ListError::Signature));
}

mod any_story {
    use proptest::prelude::*;

    use super::*;

    /// What an owner does next.
    #[derive(Clone, Debug)]
    enum Act {
        Add(u8),
        Revoke(u8),
        Rename(u8),
        Renew(u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (1..20_u8).prop_map(Act::Add),
            (1..20_u8).prop_map(Act::Revoke),
            (1..20_u8).prop_map(Act::Rename),
            (210..220_u8).prop_map(Act::Renew),
        ]
    }

    /// A chain as its owner's app would write it: what makes no sense is left out.
    fn told(acts: Vec<Act>) -> (Account, Vec<u8>) {
        let (mut account, mut here, mut gone) = (Account::new(), vec![1], Vec::new());
        for act in acts {
            match act {
                Act::Add(seed) if !here.contains(&seed) && !gone.contains(&seed) && here.len() < 16 => {
                    account.add(seed);
                    here.push(seed);
                }
                Act::Revoke(seed) if here.contains(&seed) => {
                    account.push(DeviceOperation::Revoke(device(seed).1.id()), None);
                    here.retain(|other| *other != seed);
                    gone.push(seed);
                }
                Act::Rename(seed) if here.contains(&seed) => {
                    let (device, name) = (device(seed).1.id(), Text::new("new").unwrap());
                    account.push(DeviceOperation::Rename { device, name }, None);
                }
                Act::Renew(seed) => account.renew(seed),
                Act::Add(_) | Act::Revoke(_) | Act::Rename(_) => {}
            }
        }
        (account, here)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_chain_of_an_owner_is_valid_and_continues_each_of_its_beginnings(
            acts in prop::collection::vec(act(), 0..24),
        ) {
            let (account, here) = told(acts);
            let whole = account.list.verify().unwrap();
            let expected: Vec<_> = here.iter().map(|seed| device(*seed).1.id()).collect();
            prop_assert_eq!(whole.devices().iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
            for len in 1..=account.list.entries.len() {
                let entries = List::new(account.list.entries[..len].to_vec()).unwrap();
                let part = DeviceList { certificate: account.list.certificate.clone(), entries };
                let part = part.verify().unwrap();
                prop_assert_eq!(whole.continues(&whole.root(), &part.head()), Ok(()));
                prop_assert_eq!(
                    part.continues(&whole.root(), &whole.head()).is_ok(),
                    len == account.list.entries.len()
                );
            }
        }

        #[test]
        fn no_single_change_of_any_byte_passes(
            acts in prop::collection::vec(act(), 0..8),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let (account, _) = told(acts);
            let true_list = account.list.verify().unwrap();
            let mut bytes = encode(&account.list).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = decode::<DeviceList>(&bytes) {
                let passes = changed.verify().is_ok_and(|list| {
                    list.continues(&true_list.root(), &true_list.head()).is_ok()
                });
                prop_assert!(!passes, "byte {at}");
            }
        }

        #[test]
        fn no_two_chains_that_differ_continue_each_other(
            common in prop::collection::vec(act(), 0..6),
            ours in prop::collection::vec(act(), 1..6),
            theirs in prop::collection::vec(act(), 1..6),
        ) {
            let (ours, _) = told([common.clone(), ours].concat());
            let (theirs, _) = told([common, theirs].concat());
            let (a, b) = (ours.list.verify().unwrap(), theirs.list.verify().unwrap());
            let shorter = ours.list.entries.len().min(theirs.list.entries.len());
            let same = ours.list.entries[..shorter] == theirs.list.entries[..shorter];
            let either = a.continues(&b.root(), &b.head()).is_ok() || b.continues(&a.root(), &a.head()).is_ok();
            prop_assert_eq!(either, same);
        }
    }
}
