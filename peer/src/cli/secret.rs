//! Passwords in, recovery codes out; never by argument, because other users of a machine see arguments.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::stop::Stop;
use crate::core::command::ErrorKind;

/// Longest password, in bytes.
const PASSWORD_BYTES_MAX: u64 = 1024;

/// A secret that its user types or keeps in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The password as it is.
    Present,
    /// A new password. Asked twice, because one that nobody knows is lost with all that it guards.
    New,
    /// The recovery code.
    Code,
    /// What guards the store.
    Passphrase,
    /// What is to guard the store. Asked twice.
    NewPassphrase,
}

impl Asked {
    const fn prompt(self) -> &'static str {
        match self {
            Self::Present => "Password: ",
            Self::New => "New password: ",
            Self::Code => "Recovery code: ",
            Self::Passphrase => "Passphrase: ",
            Self::NewPassphrase => "New passphrase: ",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Present | Self::New => "password",
            Self::Code => "recovery code",
            Self::Passphrase | Self::NewPassphrase => "passphrase",
        }
    }

    const fn option(self) -> &'static str {
        match self {
            Self::Present => "--password-file",
            Self::New => "--password-file or --new-password-file",
            Self::Code => "--code-file",
            Self::Passphrase => "--passphrase-file",
            Self::NewPassphrase => "--passphrase-file or --new-passphrase-file",
        }
    }
}

/// Reads a secret from the first line of `file` (`-` is standard input), else asks on the terminal.
pub(super) fn password(file: Option<&Path>, asked: Asked) -> Result<Zeroizing<String>, Stop> {
    let name = asked.name();
    let password = match file {
        Some(path) if path == Path::new("-") => first_line(io::stdin().lock()),
        Some(path) => File::open(path).and_then(|file| first_line(BufReader::new(file))),
        None if io::stdin().is_terminal() => ask(asked)?,
        None => {
            let text = format!(
                "there is no terminal to ask for the {name} on; give {} FILE, or - for standard input",
                asked.option()
            );
            return Err(Stop::because(ErrorKind::Usage, text));
        }
    };
    let password = password.map_err(|error| {
        let from = file.map_or("the terminal".into(), Path::to_string_lossy);
        let text = format!("cannot read the {name} from {from}: {error}");
        if error.kind() == io::ErrorKind::NotFound {
            return Stop::because(ErrorKind::NotFound, format!("{text}; check the path"));
        }
        Stop::failure(text)
    })?;
    if password.is_empty() {
        return Err(Stop::because(ErrorKind::Usage, format!("the {name} is empty")));
    }
    Ok(password)
}

fn ask(asked: Asked) -> Result<io::Result<Zeroizing<String>>, Stop> {
    let first = rpassword::prompt_password(asked.prompt()).map(Zeroizing::new);
    if matches!(asked, Asked::New | Asked::NewPassphrase) {
        let again = rpassword::prompt_password("Again: ").map(Zeroizing::new);
        if let (Ok(first), Ok(again)) = (&first, &again)
            && first != again
        {
            let text = format!("the two {}s differ; try again", asked.name());
            return Err(Stop::because(ErrorKind::Usage, text));
        }
    }
    Ok(first)
}

fn first_line(source: impl BufRead) -> io::Result<Zeroizing<String>> {
    let mut line =
        Zeroizing::new(String::with_capacity(usize::try_from(PASSWORD_BYTES_MAX).unwrap_or(0) + 2));
    source.take(PASSWORD_BYTES_MAX + 1).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    if line.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {PASSWORD_BYTES_MAX} bytes")));
    }
    Ok(line)
}

/// A new file for a recovery code, made before the account is, so that no account is made whose code
/// cannot be kept. Removed when dropped without a code in it.
#[derive(Debug)]
pub(super) struct RecoveryFile {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl RecoveryFile {
    /// Makes the file, readable by this user only.
    pub(super) fn create(path: &Path) -> Result<Self, Stop> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match file {
            Ok(file) => Ok(Self { path: path.to_owned(), file, kept: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = format!("{} exists; name a new file for the recovery code", path.display());
                Err(Stop::because(ErrorKind::Conflict, text))
            }
            Err(error) => Err(Stop::failure(format!("cannot make {}: {error}", path.display()))),
        }
    }

    /// Writes the code to the disk.
    pub(super) fn keep(mut self, code: &str) -> io::Result<()> {
        self.kept = true;
        self.file.write_all(code.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.file.sync_all()
    }
}

impl Drop for RecoveryFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let read = |bytes: &[u8]| first_line(bytes).map(|password| password.to_string());
        assert_eq!(read(b"two words \r\nmore").unwrap(), "two words ");
        assert_eq!(read("pässwörd".as_bytes()).unwrap(), "pässwörd");
        assert_eq!(read(b"").unwrap(), "");
        assert_eq!(read(&[b'x'; 1024]).unwrap().len(), 1024);
        read(&[b'x'; 1025]).unwrap_err();
        read(b"\xff\n").unwrap_err();
    }

    #[test]
    fn a_password_file_that_is_missing_is_not_found() {
        let home = tempfile::tempdir().unwrap();
        let Err(Stop::Failed(error)) = password(Some(&home.path().join("none")), Asked::New) else {
            panic!("read")
        };
        assert_eq!(error.kind, ErrorKind::NotFound);
    }

    #[test]
    fn a_recovery_file_is_new_private_and_gone_when_nothing_was_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("code");
        drop(RecoveryFile::create(&path).unwrap());
        assert!(!path.exists());

        RecoveryFile::create(&path).unwrap().keep("ABCD-EFGH").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ABCD-EFGH\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let Err(Stop::Failed(error)) = RecoveryFile::create(&path) else { panic!("made twice") };
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert_eq!(fs::read_to_string(&path).unwrap(), "ABCD-EFGH\n");
    }
}
