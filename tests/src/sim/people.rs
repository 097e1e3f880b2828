//! Accounts and their devices: how they come to be, and how devices come and go while everything goes wrong.
//!
//! Passwords are left out: their protocol has tests of its own, and costs more time than all else here. What the rendezvous
//! would keep of a registration is put there; a further device is added, and one revoked, by entries that go over the
//! session of a device that is there already.

use hobnob_peer::core::engine::Engine;
use hobnob_peer::core::keys::enrol::{LoggedIn, NewDevice, new_account, new_device};
use hobnob_peer::core::keys::wrap::unwrap;
use hobnob_peer::store::Database;
use hobnob_rendezvous::core::store::{AccountStore as _, KnownDevice, NewAccount};
use hobnob_wire::account::{AccountRequest, WrappedKey};
use hobnob_wire::device::{DeviceEntry, DeviceList, DeviceOperation, SignedEntry};
use hobnob_wire::invite::{Invite, Pin};
use hobnob_wire::session::{ClientFrame, Request};
use hobnob_wire::{Address, DeviceId, List, Name, RequestId};

use super::DOMAIN;
use super::disk::Disk;
use super::peer::Peer;
use super::world::World;

/// What the password of every account here yields.
const EXPORT_KEY: [u8; 64] = [9; 64];

/// Requests of the harness have numbers that no engine reaches.
const HARNESS: RequestId = RequestId(u32::MAX);

/// The devices that an account may have here.
const DEVICES_MAX: usize = 3;

/// An account.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: Name,
    pub(super) address: Address,
    wrapped: WrappedKey,
    /// Entries on their way to the rendezvous.
    enrolling: Vec<NewDevice>,
    revoking: Vec<DeviceId>,
}

fn invite() -> Invite {
    Invite { host: "localhost".to_owned(), port: 7_700, pin: Pin::new([7; 32]) }
}

impl World {
    /// An account with its first device, which runs.
    pub(super) fn register(&mut self, name: &str) {
        let person = self.people.len();
        let mut entropy = self.chance.branch();
        let account = new_account(name, &EXPORT_KEY, 0, &mut entropy).expect("a short name");
        let name: Name = name.parse().expect("a name");
        let address: Address = format!("{name}@{DOMAIN}").parse().expect("an address");
        let entries = List::new(vec![account.device.entry.clone()]).expect("one entry");
        let list = DeviceList { certificate: account.certificate, entries };
        let verified = list.verify().expect("a list of our own");
        let (device, signing) = {
            let (device, keys) = &verified.devices()[0];
            (*device, keys.signing)
        };
        let new = NewAccount {
            name: &name,
            registration: &[],
            wrapped: &account.wrapped,
            list: &list,
            head: verified.head(),
            created_at_unix_s: 1,
        };
        self.server.with(|tx| {
            let account = tx.create_account(&new).expect("a new name");
            tx.add_device(device, KnownDevice { account, signing }).expect("a new device");
        });
        let (enrolling, revoking) = (Vec::new(), Vec::new());
        let wrapped = account.wrapped;
        self.people.push(Person { name, address, wrapped, enrolling, revoking });
        self.settle_in(person, account.device, &list);
    }

    /// A device whose account knows it gets its disk and starts.
    fn settle_in(&mut self, person: usize, device: NewDevice, list: &DeviceList) {
        let index = self.peers.len();
        let account = &self.people[person];
        let number = self.peers.iter().filter(|peer| peer.person == person).count() + 1;
        let name = format!("{}/{number}", account.name);
        let disk = Disk::new();
        let file = self.medium.named(&format!("peer-{index}"));
        let connection = disk.open(file.as_deref()).expect("a new database can be opened");
        let mut database = Database::on(connection).expect("a new database can be prepared");
        let mut tx = database.begin().expect("a new database works");
        device.keep(&mut tx, account.address.clone(), list, invite()).expect("keys that fit the list");
        let engine = Engine::open(&mut tx).expect("a device that was just kept");
        tx.commit().expect("a new database works");
        if let (Some(plant), Some(file)) = (self.plant, file) {
            plant.sow(&file);
        }
        let entropy = self.chance.branch();
        let original = !self.stormed;
        self.peers.push(Peer::new((name, person, original), (disk, database), &engine, entropy));
        self.start_peer(index);
    }

    /// Adds a device to an account, over the session of another one; nothing happens without a session.
    pub(super) fn add_device(&mut self, person: usize) {
        let Some(list) = self.server.list(&self.people[person].name) else { return };
        if self.peers.iter().filter(|peer| peer.person == person).count() >= DEVICES_MAX {
            return;
        }
        let mut entropy = self.chance.branch();
        let account = &mut self.people[person];
        let login = LoggedIn { wrapped: &account.wrapped, list: &list, export_key: &EXPORT_KEY };
        let device = new_device("another", &login, 0, &mut entropy).expect("a list of our own");
        let entry = device.entry.clone();
        account.enrolling.push(device);
        self.append(person, entry);
    }

    /// Revokes a device of an account that was not there from the beginning, over the session of another one.
    pub(super) fn revoke_device(&mut self, person: usize) {
        let Some(list) = self.server.list(&self.people[person].name) else { return };
        let new = |peer: &&Peer| peer.person == person && !peer.original && !peer.revoked;
        let Some(device) = self.peers.iter().find(new).map(|peer| peer.device) else { return };
        let account = &mut self.people[person];
        let signing = unwrap(&account.wrapped, &EXPORT_KEY).expect("a key of our own");
        let (seq, previous) = list.verify().expect("a list of our own").next();
        let operation = DeviceOperation::Revoke(device);
        let entry = DeviceEntry { seq, previous, at_unix_s: 0, operation };
        let entry = SignedEntry::sign(&entry, &signing, None).expect("a short entry");
        account.revoking.push(device);
        self.append(person, entry);
    }

    fn append(&mut self, person: usize, entry: SignedEntry) {
        let up = |peer: &&Peer| peer.person == person && peer.original && peer.is_up();
        if let Some(session) = self.peers.iter().find(up).and_then(|peer| peer.session) {
            let request = Request::Account(AccountRequest::AppendEntry { entry });
            self.say_to_server(session, ClientFrame::Request { id: HARNESS, request });
        }
    }

    /// Devices that the rendezvous has just added to an account settle in, and those it has removed are revoked.
    pub(super) fn check_enrolled(&mut self) {
        for person in 0..self.people.len() {
            let account = &self.people[person];
            if account.enrolling.is_empty() && account.revoking.is_empty() {
                continue;
            }
            let Some(list) = self.server.list(&account.name) else { continue };
            let Ok(verified) = list.verify() else { continue };
            let account = &mut self.people[person];
            let there =
                |device: &NewDevice| verified.device(DeviceId::of(&device.signing.verify_key())).is_some();
            let (added, waiting) = std::mem::take(&mut account.enrolling).into_iter().partition(there);
            account.enrolling = waiting;
            let (waiting, gone): (Vec<DeviceId>, Vec<DeviceId>) =
                account.revoking.iter().partition(|device| verified.device(**device).is_some());
            account.revoking = waiting;
            for device in gone {
                if let Some(peer) = self.peers.iter_mut().find(|peer| peer.device == device) {
                    peer.revoked = true;
                    let name = &peer.name;
                    self.trace.note(self.now, format_args!("{name} is revoked"));
                }
            }
            for device in added {
                self.settle_in(person, device, &list);
            }
        }
    }
}
