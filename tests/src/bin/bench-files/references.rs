//! Programs that people use today, started privately and with nothing but the protocol that is compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hobnob_tests::process::{Process, cpu_seconds};
use hobnob_tests::world::World;

use crate::place::{Place, Side};
use crate::stage::Run;

/// scp with the cipher it chooses by itself.
pub(crate) const SCP: &str = "scp";
/// rsync's daemon, which encrypts nothing.
pub(crate) const RSYNC: &str = "rsync";
const SSHD: &str = "/usr/sbin/sshd";
const PORTS: [(&str, u16); 3] = [(SCP, 17_722), (RSYNC, 17_873), ("iperf3", 17_201)];

/// A program beside which Hobnob is measured: a server that runs and the command that sends to it.
#[derive(Debug)]
pub(crate) struct Reference<'a> {
    name: &'static str,
    port: u16,
    place: &'a Place,
    folder: PathBuf,
    into: PathBuf,
    server: Process,
}

/// Starts the servers of all that are installed. What is missing, and why, comes second.
pub(crate) fn start<'a>(
    place: &'a Place,
    world: &World,
) -> (Vec<Reference<'a>>, Vec<(&'static str, String)>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for (name, port) in PORTS {
        match Reference::start(name, port, place, world) {
            Ok(reference) => there.push(reference),
            Err(error) => missing.push((name, format!("{error:#}"))),
        }
    }
    (there, missing)
}

impl<'a> Reference<'a> {
    fn start(name: &'static str, port: u16, place: &'a Place, world: &World) -> Result<Self> {
        let folder = world.path(name);
        fs::create_dir(&folder).context("a folder for its settings")?;
        let into = world.path("arrived");
        let server = match name {
            SCP => sshd(place, port, &folder)?,
            RSYNC => rsync_daemon(place, port, &folder, &into)?,
            _ => {
                let mut server = place.command(Side::Far, installed("iperf3")?);
                server.args(["--server", "--bind", place.far, "--port", &port.to_string()]);
                server
            }
        };
        let server = Process::start(server, &folder.join("log"));
        listens(port, &server)?;
        Ok(Self { name, port, place, folder, into, server })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether what it sent is there to be compared.
    pub(crate) fn leaves_files(&self) -> bool {
        self.name != "iperf3"
    }

    /// Sends a file or a folder once.
    pub(crate) fn send(&self, file: &Path) -> Result<Run> {
        let mut command = self.command(file)?;
        let cpu = || (cpu_seconds("self"), self.server.cpu_seconds());
        let (before, begin) = (cpu(), Instant::now());
        let output = command.output().with_context(|| format!("{} does not start", self.name))?;
        let seconds = begin.elapsed().as_secs_f64();
        ensure!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        self.wait_for_the_server();
        let after = cpu();
        Ok(Run { seconds, near_cpu: after.0 - before.0, far_cpu: after.1 - before.1 })
    }

    fn command(&self, file: &Path) -> Result<Command> {
        let Self { port, place, folder, into, .. } = self;
        let port = port.to_string();
        let mut command = place.command(Side::Near, self.name);
        match self.name {
            SCP => {
                let key = folder.join("key");
                command.args(["-q", "-r", "-P", &port, "-i"]).arg(key).args(["-F", "/dev/null"]);
                for option in ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"] {
                    command.args(["-o", option]);
                }
                command.arg(file).arg(format!("{}:{}/", place.far, into.display()));
            }
            RSYNC => {
                command.arg("--archive").arg(file).arg(format!("rsync://{}:{port}/arrived/", place.far));
            }
            _ => {
                let bytes = file.metadata().context("the file is there")?.len().to_string();
                command.args(["--client", place.far, "--port", &port, "--bytes", &bytes]);
            }
        }
        Ok(command)
    }

    /// A server forks for each connection; its time counts once the child has been waited for.
    fn wait_for_the_server(&self) {
        let children = format!("/proc/{0}/task/{0}/children", self.server.pid());
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::read_to_string(&children).is_ok_and(|list| !list.is_empty()) && Instant::now() < deadline {
            thread::yield_now();
        }
    }
}

fn sshd(place: &Place, port: u16, folder: &Path) -> Result<Command> {
    installed("scp")?;
    installed("ssh-keygen")?;
    ensure!(Path::new(SSHD).exists(), "{SSHD} is not installed");
    for key in ["host", "key"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join(key))
            .status()
            .context("ssh-keygen does not start")?;
        ensure!(made.success(), "ssh-keygen failed");
    }
    // sshd insists on this folder, which a service manager makes otherwise.
    fs::create_dir_all("/run/sshd").context("sshd needs /run/sshd")?;
    let folder = folder.display();
    let settings = format!(
        "Port {port}\nListenAddress {}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/key.pub\n\
         PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n\
         Subsystem sftp internal-sftp\n",
        place.far
    );
    let file = format!("{folder}/sshd_config");
    fs::write(&file, settings).context("sshd's settings")?;
    let mut server = place.command(Side::Far, SSHD);
    server.args(["-D", "-e", "-f", &file]);
    Ok(server)
}

fn rsync_daemon(place: &Place, port: u16, folder: &Path, into: &Path) -> Result<Command> {
    fs::set_permissions(into, fs::Permissions::from_mode(0o755)).context("a folder to write to")?;
    let settings = format!(
        "use chroot = no\n[arrived]\npath = {}\nread only = no\nuid = {}\n",
        into.display(),
        rustix::process::getuid().as_raw()
    );
    let file = folder.join("rsyncd.conf");
    fs::write(&file, settings).context("rsync's settings")?;
    let mut server = place.command(Side::Far, installed("rsync")?);
    server.args(["--daemon", "--no-detach", "--port", &port.to_string(), "--address", place.far, "--config"]);
    server.arg(&file);
    Ok(server)
}

/// The path of a program that is installed.
fn installed(program: &str) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.with_context(|| format!("{program} is not installed"))
}

/// Waits until a server listens, whichever namespace it is in.
fn listens(port: u16, server: &Process) -> Result<()> {
    /// `TCP_LISTEN` as `/proc` writes it, after the remote address of a listener.
    const LISTENS: &str = "00000000:0000 0A";
    let wanted = format!(":{port:04X} {LISTENS}");
    let table = format!("/proc/{}/net/tcp", server.pid());
    let deadline = Instant::now() + Duration::from_secs(10);
    while !fs::read_to_string(&table).is_ok_and(|table| table.contains(&wanted)) {
        ensure!(Instant::now() < deadline, "does not answer; {}", server.log_tail());
        thread::yield_now();
    }
    Ok(())
}
