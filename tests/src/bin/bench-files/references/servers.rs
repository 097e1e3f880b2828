//! Servers of other programs, started privately and with nothing but the protocol that is compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hobnob_tests::process::Process;

use crate::place::{Place, Side};

const SSHD: &str = "/usr/sbin/sshd";

/// Options of ssh that leave the user's own settings alone.
pub(super) const SSH_OPTIONS: [&str; 5] = [
    "-F/dev/null",
    "-oBatchMode=yes",
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
    "-oLogLevel=ERROR",
];

pub(super) fn sshd(place: &Place, port: u16, folder: &Path) -> Result<Command> {
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

pub(super) fn rsync_daemon(place: &Place, port: u16, folder: &Path, into: &Path) -> Result<Command> {
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
pub(super) fn installed(program: &str) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.with_context(|| format!("{program} is not installed"))
}

/// Waits until a server listens, whichever namespace it is in.
pub(super) fn listens(port: u16, server: &Process) -> Result<()> {
    /// `TCP_LISTEN` as `/proc` writes it, after the remote address of a listener.
    const LISTENS: &str = "00000000:0000 0A";
    let wanted = format!(":{port:04X} {LISTENS}");
    let table = format!("/proc/{}/net/tcp", server.pid());
    wait_until(server, || fs::read_to_string(&table).is_ok_and(|table| table.contains(&wanted)))
}

/// Waits until a server is ready.
pub(super) fn wait_until(server: &Process, is_ready: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_ready() {
        ensure!(Instant::now() < deadline, "does not answer; {}", server.log_tail());
        thread::yield_now();
    }
    Ok(())
}
