//! What foreign names are called on this disk.
//!
//! Names of a manifest are somebody else's: [`Names`] maps each to one that is harmless here and on other systems that the
//! files may travel on to, and that differs from all others also where case does not count.
//!
//! | a name that | becomes |
//! | --- | --- |
//! | holds control or bidirectional-control characters | the same without them |
//! | is not in Unicode normalization form C | that form, so that equal names are equal bytes |
//! | ends in dots or spaces, which Windows drops | the same without them |
//! | is a device on Windows (`CON`, `nul.txt`, `LPT1`) | the same behind `_` |
//! | begins with a dot at the top | the same with `_` for the dot: nobody plants a `.bashrc` |
//! | is taken | the same with ` (2)`, ` (3)` and so on |
//! | is left with nothing | `_` |
//!
//! Inside folders a leading dot stays: a project with its `.gitignore` arrives whole. On Windows the characters `<>:"|?*` become `_`
//! too; elsewhere they are ordinary.

use std::collections::BTreeMap;

use hobnob_wire::transfer::{EntryKind, RelativePath};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// Longest name on every file system of today.
const NAME_BYTES_MAX: usize = 255;
/// Room for ` (1000000)` at the end of a name.
const SUFFIX_BYTES_MAX: usize = 10;

/// Why a path has no place on this disk. The other side's fault: an honest one lists folders before what is in them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadName {
    /// The folder that it is in is not listed before it.
    #[error("the folder of {0:?} is not listed before it")]
    NoFolder(String),
    /// The path is too long for a manifest of our own.
    #[error("the path {0:?} is too long")]
    TooLong(String),
    /// The folders, and the paths that are called otherwise here, are more than is kept in memory.
    #[error("the paths of its folders have more than {PATHS_BYTES_MAX} bytes in all")]
    TooManyPaths,
    /// A link that leads elsewhere.
    #[error("the link {0:?} leads out of its folder")]
    Outside(String),
}

/// Bytes of the paths of one manifest that are held in memory: of all folders, and of what is called otherwise here. Enough
/// for half a million folders of usual depth.
const PATHS_BYTES_MAX: usize = 32 << 20;

/// Digest of a path; two never meet by chance or by design.
type PathKey = [u8; 16];

/// Maps the paths of one manifest, in its order. Memory: some 40 bytes an entry, and the paths of folders.
#[derive(Debug, Default)]
pub struct Names {
    /// Path here of each folder, by its path there.
    folders: BTreeMap<PathKey, Box<str>>,
    /// Path here of what is no folder and is called otherwise here, by its path there.
    renamed: BTreeMap<PathKey, Box<str>>,
    paths_bytes: usize,
    /// Paths here, without case, and the number to try next for the same name.
    taken: BTreeMap<PathKey, u32>,
}

impl Names {
    /// The path of the next entry on this disk.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn map(&mut self, path: &RelativePath, kind: &EntryKind) -> Result<RelativePath, BadName> {
        let theirs = path.as_str();
        let (parent, name) = match theirs.rsplit_once('/') {
            Some((parent, name)) => match self.folders.get(&key(parent)) {
                Some(folder) => (Some(folder.clone()), name),
                None => return Err(BadName::NoFolder(theirs.to_owned())),
            },
            None => (None, theirs),
        };
        let name = safe_name(name, parent.is_none());
        let ours = self.free(parent.as_deref(), &name);
        let ours = RelativePath::new(&ours).map_err(|_| BadName::TooLong(theirs.to_owned()))?;
        // Others than folders are remembered only when they are called otherwise here: a link may lead to one.
        if *kind == EntryKind::Folder || ours.as_str() != theirs {
            self.paths_bytes += ours.as_str().len();
            if self.paths_bytes > PATHS_BYTES_MAX {
                return Err(BadName::TooManyPaths);
            }
            let known = if *kind == EntryKind::Folder { &mut self.folders } else { &mut self.renamed };
            known.insert(key(theirs), ours.as_str().into());
        }
        Ok(ours)
    }

    /// The path on this disk of what `link` leads to; both as the other side calls them. Everything but links has been
    /// mapped before.
    ///
    /// # Errors
    /// [`BadName::Outside`] when it does not stay below the top of the link.
    pub fn target(&self, link: &RelativePath, target: &RelativePath) -> Result<RelativePath, BadName> {
        let theirs = target.as_str();
        if link.parts().next() != target.parts().next() || !link.as_str().contains('/') {
            return Err(BadName::Outside(link.as_str().to_owned()));
        }
        if let Some(ours) = self.renamed.get(&key(theirs)) {
            return RelativePath::new(ours).map_err(|_| BadName::TooLong(theirs.to_owned()));
        }
        // What is not listed lies behind another link, or is not there at all. Its name is made harmless all the same.
        let mut ours = String::new();
        for (end, _) in theirs.match_indices('/').chain([(theirs.len(), "")]) {
            match self.folders.get(&key(&theirs[..end])) {
                Some(folder) => ours = folder.to_string(),
                None => {
                    let name = theirs[..end].rsplit('/').next().unwrap_or_default();
                    ours = format!("{ours}/{}", safe_name(name, false));
                }
            }
        }
        RelativePath::new(&ours).map_err(|_| BadName::TooLong(theirs.to_owned()))
    }

    /// The name in its folder, numbered when it is taken.
    fn free(&mut self, parent: Option<&str>, name: &str) -> String {
        let join = |name: &str| parent.map_or_else(|| name.to_owned(), |parent| format!("{parent}/{name}"));
        let wanted = join(name);
        let wanted_key = key(&without_case(&wanted));
        let Some(mut number) = self.taken.get(&wanted_key).copied() else {
            self.taken.insert(wanted_key, 2);
            return wanted;
        };
        loop {
            let candidate = join(&numbered(name, number));
            number += 1;
            let candidate_key = key(&without_case(&candidate));
            if !self.taken.contains_key(&candidate_key) {
                self.taken.insert(candidate_key, 2);
                self.taken.insert(wanted_key, number);
                return candidate;
            }
        }
    }
}

fn key(path: &str) -> PathKey {
    let mut key = PathKey::default();
    key.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..16]);
    key
}

fn without_case(path: &str) -> String {
    path.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// `photo.jpg` and 2 make `photo (2).jpg`.
#[must_use]
pub fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = split_extension(name);
    format!("{stem} ({number}){extension}")
}

/// Splits before the last dot, unless the name begins with it or what follows is too long for an extension.
fn split_extension(name: &str) -> (&str, &str) {
    const EXTENSION_BYTES_MAX: usize = 16;
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= EXTENSION_BYTES_MAX => name.split_at(dot),
        _ => (name, ""),
    }
}

/// A name that is harmless as a file's. `top` says that it lies in the folder that the user chose.
#[must_use]
pub fn safe_name(name: &str, top: bool) -> String {
    let mut safe: String = name.nfc().filter(|character| !is_hidden_control(*character)).collect();
    safe = safe.replace(['/', '\\'], "_");
    if cfg!(windows) {
        safe = safe.replace(['<', '>', ':', '"', '|', '?', '*'], "_");
    }
    if top && let Some(rest) = safe.strip_prefix('.') {
        safe = format!("_{rest}");
    }
    shorten(&mut safe);
    safe.truncate(safe.trim_end_matches(['.', ' ']).len());
    if is_windows_device(&safe) {
        safe.insert(0, '_');
    }
    if safe.is_empty() { "_".to_owned() } else { safe }
}

/// Cuts the stem so that the name and a number fit.
fn shorten(name: &mut String) {
    let most = NAME_BYTES_MAX - SUFFIX_BYTES_MAX - 1;
    if name.len() <= most {
        return;
    }
    let (stem, extension) = split_extension(name);
    let room = most - extension.len();
    let end = (0..=room).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    *name = format!("{}{extension}", &stem[..end]);
}

/// Control characters, and those that change the direction of text (Unicode Bidi_Control): `gpj.exe` must not look like
/// `exe.jpg`. Also line and paragraph separators, and the byte order mark.
fn is_hidden_control(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Names that Windows takes for devices, whatever their extension.
fn is_windows_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    port.is_some_and(|number| {
        let mut digits = number.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map_all(paths: &[(&str, EntryKind)]) -> Vec<String> {
        let mut names = Names::default();
        let map = |(path, kind): &(&str, EntryKind)| match names.map(&RelativePath::new(path).unwrap(), kind)
        {
            Ok(ours) => ours.as_str().to_owned(),
            Err(error) => error.to_string(),
        };
        paths.iter().map(map).collect()
    }

    #[test]
    fn hostile_names_become_harmless_ones() {
        for (theirs, ours) in [
            ("report.pdf", "report.pdf"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1.tar.gz", "_com1.tar.gz"),
            ("LPT¹", "_LPT¹"),
            ("CONTACT", "CONTACT"),
            ("COM10", "COM10"),
            ("name. . ", "name"),
            ("...", "_"),
            ("\u{202e}gpj.exe", "gpj.exe"),
            ("a\u{7}b\nc", "abc"),
            ("\u{1}", "_"),
            ("u\u{308}.txt", "ü.txt"),
            (".bashrc", "_bashrc"),
            ("Was ist los?.txt", "Was ist los?.txt"),
            ("日本語.txt", "日本語.txt"),
        ] {
            assert_eq!(safe_name(theirs, true), ours, "{theirs:?}");
        }
        assert_eq!(safe_name(".gitignore", false), ".gitignore");
        let long = format!("{}.jpeg", "é".repeat(125));
        assert_eq!(safe_name(&long, true), format!("{}.jpeg", "é".repeat(119)));
    }

    #[test]
    fn folders_without_end_do_not_fill_the_memory() {
        let mut names = Names::default();
        let mut parent = String::from("top");
        names.map(&RelativePath::new(&parent).unwrap(), &EntryKind::Folder).unwrap();
        while parent.len() < 3_800 {
            parent = format!("{parent}/{}", "d".repeat(200));
            names.map(&RelativePath::new(&parent).unwrap(), &EntryKind::Folder).unwrap();
        }
        let mut folder = |number: usize| {
            names.map(&RelativePath::new(&format!("{parent}/{number}")).unwrap(), &EntryKind::Folder)
        };
        let refused = (0..20_000).find_map(|number| folder(number).err());
        assert_eq!(refused, Some(BadName::TooManyPaths));
    }

    #[test]
    fn names_that_meet_are_numbered_also_when_only_case_differs() {
        use EntryKind::{File, Folder};
        assert_eq!(
            map_all(&[
                ("a.txt", File),
                ("A.TXT", File),
                ("a.txt", File),
                ("a (2).txt", File),
                ("d", Folder),
                ("d/x", File),
                ("D", Folder),
                ("D/x", File),
                ("straße", File),
                ("STRASSE", File),
            ]),
            [
                "a.txt",
                "A (2).TXT",
                "a (3).txt",
                "a (2) (2).txt",
                "d",
                "d/x",
                "D (2)",
                "D (2)/x",
                "straße",
                "STRASSE (2)",
            ]
        );
    }

    #[test]
    fn a_path_whose_folder_is_not_listed_is_refused() {
        use EntryKind::File;
        assert_eq!(
            map_all(&[("a", File), ("a/b", File)]),
            ["a", "the folder of \"a/b\" is not listed before it"]
        );
    }

    #[test]
    fn a_link_leads_to_what_its_target_is_called_here_and_never_out_of_its_folder() {
        use EntryKind::{File, Folder};
        let mut names = Names::default();
        for (path, kind) in [("top", Folder), ("top/CON", Folder), ("top/CON/A", File), ("top/CON/a", File)] {
            names.map(&RelativePath::new(path).unwrap(), &kind).unwrap();
        }
        let target = |link: &str, target: &str| {
            let [link, target] = [link, target].map(|path| RelativePath::new(path).unwrap());
            names.target(&link, &target).map(|path| path.as_str().to_owned())
        };
        for (theirs, ours) in [
            ("top", "top"),
            ("top/CON", "top/_CON"),
            ("top/CON/A", "top/_CON/A"),
            ("top/CON/a", "top/_CON/a (2)"),
            ("top/CON/nothing", "top/_CON/nothing"),
            ("top/other link/NUL/x", "top/other link/_NUL/x"),
        ] {
            assert_eq!(target("top/link", theirs).as_deref(), Ok(ours));
        }
        for (link, theirs) in [("top/link", "other/file"), ("link", "top/CON"), ("link", "link")] {
            assert_eq!(target(link, theirs), Err(BadName::Outside(link.to_owned())));
        }
    }

    #[test]
    fn a_million_equal_names_do_not_take_a_million_tries_each() {
        let mut names = Names::default();
        let path = RelativePath::new("x").unwrap();
        for _ in 0..20_000 {
            names.map(&path, &EntryKind::File).unwrap();
        }
        assert_eq!(names.map(&path, &EntryKind::File).unwrap().as_str(), "x (20001)");
    }

    proptest! {
        #[test]
        fn every_name_is_one_part_that_fits_and_stays_as_it_is(name in "\\PC{0,90}|[.a-c \u{202e}/]{0,300}") {
            let safe = safe_name(&name, true);
            prop_assert!(!safe.is_empty() && safe.len() < NAME_BYTES_MAX && !safe.contains(['/', '\\', '\0']));
            prop_assert!(!safe.starts_with('.') && !safe.ends_with(['.', ' ']));
            prop_assert!(RelativePath::new(&safe).is_ok());
            prop_assert_eq!(safe_name(&safe, true), safe);
        }

        #[test]
        fn no_two_entries_get_the_same_path(parts in proptest::collection::vec("[aA.]{1,2}", 1..40)) {
            let mut names = Names::default();
            let mut seen = std::collections::BTreeSet::new();
            for part in parts {
                if let Ok(path) = RelativePath::new(&part) {
                    let ours = names.map(&path, &EntryKind::File).unwrap();
                    prop_assert!(seen.insert(ours.as_str().to_lowercase()));
                }
            }
        }
    }
}
