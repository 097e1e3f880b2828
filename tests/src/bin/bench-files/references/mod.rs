//! Programs beside which Hobnob is measured: those that people use today, and a bare stream of quinn.

mod sendme;
mod servers;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hobnob_tests::process::{Process, cpu_seconds};
use hobnob_tests::world::World;

use self::servers::{SSH_OPTIONS, installed, listens, wait_until};
use crate::place::{Place, Side};
use crate::stage::Run;

/// What sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// scp with the cipher it chooses by itself.
    Scp,
    /// scp with a cipher that processors help with.
    ScpAes,
    /// rsync's daemon, which encrypts nothing.
    Rsync,
    RsyncSsh,
    /// Encrypts nothing and touches no file.
    Iperf3,
    /// iroh's program for files.
    Sendme,
    /// One stream of quinn from file to file.
    Quinn,
}

impl Program {
    const ALL: [Self; 7] =
        [Self::Scp, Self::ScpAes, Self::Rsync, Self::RsyncSsh, Self::Iperf3, Self::Sendme, Self::Quinn];

    /// As figures call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scp => "scp",
            Self::ScpAes => "scp-aes128-gcm",
            Self::Rsync => "rsync",
            Self::RsyncSsh => "rsync-ssh",
            Self::Iperf3 => "iperf3",
            Self::Sendme => "sendme",
            Self::Quinn => "quinn",
        }
    }

    fn port(self) -> u16 {
        17_720 + self as u16
    }

    /// Whether what it sent is there to be compared.
    fn leaves_files(self) -> bool {
        self != Self::Iperf3
    }

    fn takes_folders(self) -> bool {
        self.leaves_files() && self != Self::Quinn
    }
}

/// A program and its server, which runs.
#[derive(Debug)]
pub(crate) struct Reference<'a> {
    pub(crate) program: Program,
    place: &'a Place,
    folder: PathBuf,
    into: PathBuf,
    /// sendme has one for each file.
    server: Option<Process>,
}

/// Starts the servers of all that are installed and can send this. What is missing, and why, comes second.
pub(crate) fn start<'a>(
    place: &'a Place,
    world: &World,
    sent: &Path,
) -> (Vec<Reference<'a>>, Vec<(&'static str, String)>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for program in Program::ALL {
        if sent.is_dir() && !program.takes_folders() {
            continue;
        }
        match Reference::start(program, place, world, sent) {
            Ok(reference) => there.push(reference),
            Err(error) => missing.push((program.name(), format!("{error:#}"))),
        }
    }
    (there, missing)
}

impl<'a> Reference<'a> {
    fn start(program: Program, place: &'a Place, world: &World, sent: &Path) -> Result<Self> {
        let folder = world.path(program.name());
        fs::create_dir(&folder).context("a folder for its settings")?;
        let into = world.path("arrived");
        let port = program.port();
        let server = match program {
            Program::Scp | Program::ScpAes => {
                installed("scp")?;
                servers::sshd(place, port, &folder)?
            }
            Program::RsyncSsh => {
                installed("rsync")?;
                servers::sshd(place, port, &folder)?
            }
            Program::Rsync => servers::rsync_daemon(place, port, &folder, &into)?,
            Program::Iperf3 => {
                let mut server = place.command(Side::Far, installed("iperf3")?);
                server.args(["--server", "--bind", place.far, "--port", &port.to_string()]);
                server
            }
            Program::Sendme => {
                installed("sendme")?;
                return Ok(Self { program, place, folder, into, server: None });
            }
            Program::Quinn => {
                let mut server = place.command(Side::Far, std::env::current_exe()?);
                let arrived = into.join(sent.file_name().context("what is sent has a name")?);
                server.args(["--serve-bare", &format!("{}:{port}", place.far)]).arg(arrived);
                server.arg(folder.join("certificate"));
                server
            }
        };
        let server = Process::start(server, &folder.join("log"));
        if program == Program::Quinn {
            let certificate = folder.join("certificate");
            wait_until(&server, || certificate.metadata().is_ok_and(|file| file.len() > 0))?;
        } else {
            listens(port, &server)?;
        }
        Ok(Self { program, place, folder, into, server: Some(server) })
    }

    /// Whether what it sent is there to be compared.
    pub(crate) fn leaves_files(&self) -> bool {
        self.program.leaves_files()
    }

    /// Sends files or folders once, as one send.
    pub(crate) fn send(&self, sent: &[PathBuf]) -> Result<Run> {
        let Some(server) = &self.server else {
            return sendme::send(self.place, &self.folder, &self.into, sent);
        };
        let mut command = self.command(sent)?;
        let name = self.program.name();
        let cpu = || (cpu_seconds("self"), server.cpu_seconds());
        let (before, begin) = (cpu(), Instant::now());
        let output = command.output().with_context(|| format!("{name} does not start"))?;
        let seconds = begin.elapsed().as_secs_f64();
        ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        wait_for_children(server);
        let after = cpu();
        Ok(Run { seconds, near_cpu: after.0 - before.0, far_cpu: after.1 - before.1 })
    }

    fn command(&self, sent: &[PathBuf]) -> Result<Command> {
        let Self { program, place, folder, into, .. } = self;
        let (port, key) = (program.port().to_string(), folder.join("key"));
        let command = |name: &str| place.command(Side::Near, name);
        Ok(match program {
            Program::Scp | Program::ScpAes => {
                let mut command = command("scp");
                command.args(["-q", "-r", "-P", &port, "-i"]).arg(key).args(SSH_OPTIONS);
                if *program == Program::ScpAes {
                    command.args(["-c", "aes128-gcm@openssh.com"]);
                }
                command.args(sent).arg(format!("{}:{}/", place.far, into.display()));
                command
            }
            Program::Rsync => {
                let mut command = command("rsync");
                command.arg("--archive").args(sent).arg(format!("rsync://{}:{port}/arrived/", place.far));
                command
            }
            Program::RsyncSsh => {
                let mut command = command("rsync");
                let shell = format!("ssh -p {port} -i {} {}", key.display(), SSH_OPTIONS.join(" "));
                command.args(["--archive", "-e", &shell]).args(sent);
                command.arg(format!("{}:{}/", place.far, into.display()));
                command
            }
            Program::Quinn => {
                let mut command = place.command(Side::Near, std::env::current_exe()?);
                let at = SocketAddr::new(place.far.parse()?, program.port());
                command.args(["--send-bare", &at.to_string()]).args(sent).arg(folder.join("certificate"));
                command
            }
            Program::Iperf3 | Program::Sendme => {
                let bytes: u64 =
                    sent.iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
                let mut command = command("iperf3");
                command.args(["--client", place.far, "--port", &port, "--bytes", &bytes.to_string()]);
                command
            }
        })
    }
}

/// A server forks for each connection; its time counts once the child has been waited for.
fn wait_for_children(server: &Process) {
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    let deadline = Instant::now() + Duration::from_secs(5);
    while fs::read_to_string(&children).is_ok_and(|list| !list.is_empty()) && Instant::now() < deadline {
        thread::yield_now();
    }
}
