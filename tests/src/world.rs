//! A folder with a rendezvous, where people can be.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::binaries;
use crate::person::Person;
use crate::process::{Process, log_tail};

/// Where a story takes place. Everything in it is gone when it is dropped.
#[derive(Debug)]
pub struct World {
    /// The server of this world.
    pub rendezvous: Rendezvous,
    // Dropped after the rendezvous has ended.
    folder: TempDir,
}

impl World {
    /// A world on the disk for temporary files, with a rendezvous that answers.
    ///
    /// # Panics
    /// When the rendezvous does not start.
    #[must_use]
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().expect("a folder for temporary files"), "127.0.0.1", &[])
    }

    /// A world for large files, in memory when at least `bytes` are free there.
    ///
    /// # Panics
    /// When the rendezvous does not start.
    #[must_use]
    pub fn with_room_for(bytes: u64) -> Self {
        const IN_MEMORY: &str = "/dev/shm";
        let free = rustix::fs::statvfs(IN_MEMORY).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
        if free < bytes {
            return Self::new();
        }
        Self::at(tempfile::tempdir_in(IN_MEMORY).expect("a folder in memory"), "127.0.0.1", &[])
    }

    /// A world in memory, with a rendezvous at this IP address, started by the words before its command. They run it
    /// elsewhere, as `ip netns exec NAME` does.
    ///
    /// # Panics
    /// When the rendezvous does not start.
    #[must_use]
    pub fn placed(ip: &str, prefix: &[String]) -> Self {
        Self::at(tempfile::tempdir_in("/dev/shm").expect("a folder in memory"), ip, prefix)
    }

    fn at(folder: TempDir, ip: &str, prefix: &[String]) -> Self {
        let rendezvous = Rendezvous::start(folder.path(), ip, prefix);
        Self { rendezvous, folder }
    }

    /// A path in this world.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new folder in this world.
    ///
    /// # Panics
    /// When there is one of that name.
    #[must_use]
    pub fn new_folder(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).expect("a new folder");
        folder
    }

    /// Somebody with a home and no account.
    #[must_use]
    pub fn newcomer(&self, name: &str) -> Person {
        Person::new(name, name, self.folder.path(), &self.rendezvous.invite)
    }

    /// Another home of somebody who has an account, without a device in it.
    #[must_use]
    pub fn second_home(&self, person: &Person) -> Person {
        self.home_of(person, &format!("{}-2", person.name()))
    }

    /// Another device of somebody who has an account, whose daemon runs.
    ///
    /// # Panics
    /// When the login fails or the daemon does not start.
    #[must_use]
    pub fn second_device(&self, person: &Person) -> Person {
        let mut device = self.second_home(person);
        assert_eq!(device.login().code, 0);
        device.up();
        device
    }

    /// Yet another home, of this name.
    #[must_use]
    pub fn home_of(&self, person: &Person, home: &str) -> Person {
        Person::new(person.name(), home, self.folder.path(), &self.rendezvous.invite)
    }

    /// Somebody with an account whose daemon runs.
    ///
    /// # Panics
    /// When registration fails or the daemon does not start.
    #[must_use]
    pub fn person(&self, name: &str) -> Person {
        self.person_at(name, &[])
    }

    /// [`World::person`] whose commands all run behind these words, as [`Person::behind`] says.
    ///
    /// # Panics
    /// When registration fails or the daemon does not start.
    #[must_use]
    pub fn person_at(&self, name: &str, prefix: &[String]) -> Person {
        let mut person = self.newcomer(name).behind(prefix.to_owned());
        assert_eq!(person.register().code, 0);
        person.up();
        person
    }

    /// Two people who are each other's contacts, both with a daemon that runs.
    ///
    /// # Panics
    /// When they cannot become contacts.
    #[must_use]
    pub fn friends(&self, one: &str, other: &str) -> (Person, Person) {
        let (one, other) = (self.person(one), self.person(other));
        one.befriend(&other);
        (one, other)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The rendezvous of a world.
#[derive(Debug)]
pub struct Rendezvous {
    /// What people need to register.
    pub invite: String,
    /// The domain of its accounts.
    pub domain: String,
    home: PathBuf,
    listen: String,
    prefix: Vec<String>,
    log: PathBuf,
    process: Option<Process>,
}

impl Rendezvous {
    fn start(world: &Path, ip: &str, prefix: &[String]) -> Self {
        let mut rendezvous = Self {
            invite: String::new(),
            domain: String::new(),
            home: world.join("rendezvous"),
            listen: format!("{ip}:0"),
            prefix: prefix.to_owned(),
            log: world.join("rendezvous.log"),
            process: None,
        };
        let ready = rendezvous.serve();
        let text = |field: &str| ready[field].as_str().expect("a text").to_owned();
        rendezvous.invite = text("invite");
        rendezvous.domain = text("domain");
        rendezvous.listen = text("listen");
        rendezvous
    }

    /// Starts it again after [`Rendezvous::stop`] or [`Rendezvous::kill`], at the same address.
    ///
    /// # Panics
    /// When it does not start.
    pub fn serve(&mut self) -> Value {
        let mut process = self.begin(&self.prefix);
        let ready = process.next_object();
        assert_eq!(ready["event"], "ready", "{ready}");
        self.process = Some(process);
        ready
    }

    /// The same, behind these words. The caller waits for it to be ready, and ends it.
    #[must_use]
    pub fn begin(&self, prefix: &[String]) -> Process {
        let mut command = binaries::command(prefix, &binaries::hobnob_rendezvous());
        command.arg("serve").arg("--home").arg(&self.home).args(["--listen", &self.listen, "--json"]);
        Process::start(command, &self.log)
    }

    /// Starts it again after [`Rendezvous::stop`] at another port, which the system chooses.
    ///
    /// # Panics
    /// When it does not start.
    pub fn serve_elsewhere(&mut self) {
        let (ip, _) = self.listen.rsplit_once(':').expect("an address and a port");
        self.listen = format!("{ip}:0");
        let ready = self.serve();
        self.listen = ready["listen"].as_str().expect("a text").to_owned();
    }

    /// Ends it as an operator would.
    ///
    /// # Panics
    /// When it does not end in time, or not with success.
    pub fn stop(&mut self) {
        let status = self.process.take().expect("it runs").stop();
        assert!(status.success(), "a stop is no failure: {status}; {}", log_tail(&self.log));
    }

    /// Ends it as a crash would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Its UDP port.
    ///
    /// # Panics
    /// When it has told no address.
    #[must_use]
    pub fn port(&self) -> u16 {
        let (_, port) = self.listen.rsplit_once(':').expect("an address and a port");
        port.parse().expect("a port is a number")
    }

    /// The running process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    /// Where it keeps its identity and database.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }
}

/// What every process of the world in `folder` has logged last, for messages.
#[must_use]
pub(crate) fn logs(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut logs: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    logs.sort();
    logs.iter().map(|log| log_tail(log)).collect()
}
