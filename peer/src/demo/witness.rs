//! What the rendezvous has of what the two said: every file that it keeps is searched for it.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    /// Bytes of letters and files that the rendezvous has in the clear.
    pub(super) bytes: u64,
    /// Files that were searched.
    pub(super) files: u64,
    /// Bytes that were searched.
    pub(super) searched: u64,
    /// Letters and pieces of files that were looked for.
    pub(super) looked_for: u64,
}

/// Searches every file below `home` for each of the `secrets`.
pub(super) fn search(home: &Path, secrets: &[Vec<u8>]) -> io::Result<Seen> {
    let mut seen = Seen { looked_for: secrets.len() as u64, ..Seen::default() };
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let kept = match fs::read(entry.path()) {
                Ok(kept) => kept,
                // The rendezvous is at work, and may have removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            seen.files += 1;
            seen.searched += kept.len() as u64;
            let found = secrets.iter().filter(|secret| contains(&kept, secret));
            seen.bytes += found.map(|secret| secret.len() as u64).sum::<u64>();
        }
    }
    Ok(seen)
}

fn contains(kept: &[u8], secret: &[u8]) -> bool {
    let Some((first, rest)) = secret.split_first() else {
        return false;
    };
    kept.iter().enumerate().any(|(at, byte)| byte == first && kept[at + 1..].starts_with(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_in_the_clear_is_found_wherever_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("deep")).unwrap();
        fs::write(home.path().join("deep/database"), b"....a letter....").unwrap();
        fs::write(home.path().join("log"), b"nothing").unwrap();
        let secrets = [b"a letter".to_vec(), b"a lette?".to_vec()];
        let seen = search(home.path(), &secrets).unwrap();
        assert_eq!(seen, Seen { bytes: 8, files: 2, searched: 23, looked_for: 2 });
    }
}
