//! Somebody with a home, a daemon and a command line.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::Daemon;
use crate::events::Events;
use crate::output::Output;
use crate::process::Process;
use crate::{PATIENCE, binaries, world};

/// How often a state is asked for when no event announces a change.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A user of the app: one home, which is one device.
#[derive(Debug)]
pub struct Person {
    name: String,
    home: PathBuf,
    world: PathBuf,
    invite: String,
    prefix: Vec<String>,
    log: PathBuf,
    daemon: Option<Daemon>,
}

impl Person {
    pub(crate) fn new(name: &str, home: &str, world: &Path, invite: &str) -> Self {
        Self {
            name: name.to_owned(),
            home: world.join(home),
            world: world.to_owned(),
            invite: invite.to_owned(),
            prefix: Vec::new(),
            log: world.join(format!("{home}.log")),
            daemon: None,
        }
    }

    /// The same person, all of whose commands run behind these words, which run them elsewhere, as `ip netns exec NAME`
    /// does.
    #[must_use]
    pub fn behind(mut self, prefix: Vec<String>) -> Self {
        self.prefix = prefix;
        self
    }

    /// The account's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account's address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@localhost", self.name)
    }

    /// Everything that this device keeps.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Makes the account, with a password that is the name and more.
    #[must_use]
    pub fn register(&self) -> Output {
        let invite = self.invite.clone();
        self.enrol("register", &invite, &self.password())
    }

    /// Makes the account, going through a proxy that the home then keeps.
    ///
    /// # Panics
    /// When the password cannot be passed on.
    #[must_use]
    pub fn register_through(&self, proxy: &str) -> Output {
        let file = self.world.join(format!("{}.password", self.name));
        fs::write(&file, format!("{}\n", self.password())).expect("a file can be written");
        let words = ["register", &self.name, "--server", &self.invite, "--password-file", text(&file)];
        self.run(words.into_iter().chain(["--proxy", proxy]))
    }

    /// Adds this device to the account with its right password.
    #[must_use]
    pub fn login(&self) -> Output {
        let invite = self.invite.clone();
        self.enrol("login", &invite, &self.password())
    }

    /// Runs `register` or `login` with an invite and a password of one's own choice.
    ///
    /// # Panics
    /// When the password cannot be passed on.
    #[must_use]
    pub fn enrol(&self, command: &str, invite: &str, password: &str) -> Output {
        let file = self.world.join(format!("{}.password", self.name));
        fs::write(&file, format!("{password}\n")).expect("a file can be written");
        self.run([command, &self.name, "--server", invite, "--password-file", text(&file)])
    }

    /// The right password.
    #[must_use]
    pub fn password(&self) -> String {
        format!("{} likes long passwords", self.name)
    }

    /// Starts the daemon and waits for its session.
    ///
    /// # Panics
    /// When the daemon or its session does not come up.
    pub fn up(&mut self) {
        self.up_without_session();
        self.until(&["status"], "the session is up", |lines| lines[0]["session"] == "up");
    }

    /// Starts the daemon, with or without a rendezvous that answers.
    ///
    /// # Panics
    /// When the daemon does not come up.
    pub fn up_without_session(&mut self) {
        self.daemon =
            Some(Daemon::start(self.command(["up"]), self.command(["tail", "--after", "0"]), &self.log));
    }

    /// Ends the daemon as the user would.
    ///
    /// # Panics
    /// When it does not end in time, or not with success.
    pub fn stop(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        let status = daemon.process.stop();
        assert!(status.success(), "a stop is no failure: {status}; {}", world::logs(&self.world));
    }

    /// Ends the daemon as a crash or a power cut would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.daemon.take().expect("the daemon runs").process.kill();
    }

    /// The running daemon's process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.daemon.as_ref().expect("the daemon runs").process
    }

    /// The one UDP port over which the running daemon talks to everybody.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn port(&self) -> u16 {
        let port = self.ask(["netcheck"])[0]["port"].as_u64().and_then(|port| port.try_into().ok());
        port.expect("a daemon has a port")
    }

    /// What the running daemon has told.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.daemon.as_ref().expect("the daemon runs").events
    }

    /// Runs a command with `--json`.
    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        Output::of(self.command(args))
    }

    /// Runs a command as a person at a terminal does, and returns what it shows.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn read(&self, args: &[&str]) -> String {
        let mut command = binaries::command(&self.prefix, &binaries::hobnob());
        command.arg("--home").arg(&self.home).args(args);
        let output = Output::of(command);
        assert_eq!(output.code, 0, "{output:?}\n{}", world::logs(&self.world));
        output.text
    }

    /// Runs a command with `--json` that must succeed, and returns its objects.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn ask<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Vec<Value> {
        let output = self.run(args);
        assert_eq!(output.code, 0, "{output:?}\n{}", world::logs(&self.world));
        output.objects()
    }

    /// Runs a command that must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn tell<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) {
        drop(self.ask(args));
    }

    /// Starts a command that is not waited for; what it prints can be read.
    #[must_use]
    pub fn begin<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Process {
        Process::start(self.command(args), &self.log)
    }

    /// The first event since the daemon was ready that `is_it` wants, once there is one.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.wait_from(0, what, is_it)
    }

    /// The same for events from a place on, as [`Events::count`] gives it.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn wait_from(&self, place: usize, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let event = self.events().wait_for(place, Instant::now() + PATIENCE, is_it);
        event.unwrap_or_else(|| {
            let events: Vec<Value> = self.events().since(0).into_iter().map(|(_, event)| event).collect();
            self.fail(what, &events)
        })
    }

    /// What a command prints, once `is_so` is content with it.
    ///
    /// # Panics
    /// When the command fails, or it does not come to that in time.
    pub fn until(&self, args: &[&str], what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let count = self.events().count();
            let lines = self.ask(args);
            if is_so(&lines) {
                return lines;
            }
            if Instant::now() > deadline {
                self.fail(what, &lines);
            }
            self.events().wait_for_more(count, ASK_EVERY);
        }
    }

    /// Becomes a contact of somebody.
    ///
    /// # Panics
    /// When that fails.
    pub fn befriend(&self, other: &Self) {
        self.tell(["contact", "add", &other.address()]);
        other.until_contact(self, "a request", |contact| contact["pending"] == "in");
        other.tell(["contact", "accept", &self.address()]);
        for (one, with) in [(self, other), (other, self)] {
            one.until_contact(with, "a contact who is online", |contact| {
                contact["subscription"] == "both" && contact["presence"] == "online"
            });
        }
    }

    /// The line of the contact list about somebody, once `is_so` is content with it.
    ///
    /// # Panics
    /// When it does not come to that in time.
    pub fn until_contact(&self, other: &Self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let is_it = |line: &Value| line["address"] == other.address().as_str();
        let is_so = |lines: &[Value]| lines.iter().any(|line| is_it(line) && is_so(line));
        let lines = self.until(&["contact", "list"], &format!("{what}: {}", other.name), is_so);
        lines.into_iter().find(is_it).expect("it was just found")
    }

    /// The letters with somebody, once there are `count`; they stay unread.
    ///
    /// # Panics
    /// When there are not so many in time, or more.
    pub fn until_letters(&self, other: &Self, count: usize) -> Vec<Value> {
        let args = ["history", &other.address(), "--limit", "1000", "--keep-unread"];
        let lines = self.until(&args, &format!("{count} letters"), |lines| lines.len() >= count);
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }

    /// Offers files and returns the transfer's id.
    ///
    /// # Panics
    /// When the offer fails.
    pub fn offer(&self, to: &Self, paths: &[&Path], options: &[&str]) -> String {
        let mut args = vec!["file".to_owned(), "send".to_owned(), to.address()];
        args.extend(paths.iter().map(|path| text(path).to_owned()));
        args.extend(options.iter().map(|&option| option.to_owned()));
        let lines = self.ask(&args);
        lines[0]["id"].as_str().expect("a transfer has an id").to_owned()
    }

    /// Accepts an offer once it is here.
    ///
    /// # Panics
    /// When it does not come or cannot be accepted.
    pub fn accept(&self, id: &str, into: &Path) {
        self.until_transfer(id, "an offer", |_| true);
        self.tell(["file", "accept", id, "--to", text(into)]);
    }

    /// A transfer once `is_so` is content with it.
    ///
    /// # Panics
    /// When it does not come to that in time.
    pub fn until_transfer(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let is_it = |line: &Value| line["id"] == id;
        let is_so = |lines: &[Value]| lines.iter().any(|line| is_it(line) && is_so(line));
        let lines = self.until(&["file", "list"], what, is_so);
        lines.into_iter().find(is_it).expect("it was just found")
    }

    /// A transfer once it is in this state.
    ///
    /// # Panics
    /// When it ends in another state, or takes too long.
    pub fn until_state(&self, id: &str, state: &str) -> Value {
        const FINAL: [&str; 4] = ["done", "failed", "cancelled", "rejected"];
        let view = self.until_transfer(id, &format!("a transfer that is {state}"), |view| {
            view["state"] == state || FINAL.iter().any(|end| view["state"] == *end)
        });
        assert_eq!(view["state"], state, "{view}\n{}", world::logs(&self.world));
        view
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = binaries::command(&self.prefix, &binaries::hobnob());
        command.arg("--home").arg(&self.home).arg("--json").args(args);
        command
    }

    fn fail(&self, what: &str, seen: &[Value]) -> ! {
        let seen: Vec<String> = seen.iter().map(Value::to_string).collect();
        panic!(
            "{} waited in vain for {what}. Seen:\n{}\n{}",
            self.name,
            seen.join("\n"),
            world::logs(&self.world)
        )
    }
}

/// A path of a world as an argument.
///
/// # Panics
/// When the folder for temporary files has a name that is not UTF-8.
#[must_use]
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the folder for temporary files has a name in UTF-8")
}
