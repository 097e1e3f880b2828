//! A sender that does its worst: nothing leaves the folder, nothing grows without bound, and what went wrong is said.

use super::*;

/// The promise and the stream of a long manifest, part after part.
fn long_manifest(entries: &[ManifestEntry], per_part: usize) -> (Scanned, Vec<Vec<u8>>) {
    let mut hasher = ManifestHasher::default();
    let mut records = vec![codec::encode(&StreamHeader::Manifest { transfer: ID }).unwrap()];
    for entries in entries.chunks(per_part) {
        let part = codec::encode(&ManifestPart { entries: List::new(entries.to_vec()).unwrap() }).unwrap();
        hasher.update(&part);
        records.push(part);
    }
    let bytes = entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    let count = entries.len() as u64;
    (Scanned { name: String::new(), entries: count, bytes, manifest: hasher.finish(), ranges: 0 }, records)
}

/// Names that have hurt other programs, each written in several ways.
fn hostile_names() -> Vec<String> {
    let stems = [
        ".bashrc",
        ".ssh",
        "CON",
        "con.txt",
        "NUL",
        "COM1",
        "lpt9.log",
        "aux",
        "~",
        "~root",
        "-rf",
        "--help",
        "*",
        "?",
        "a\tb",
        "a\nb",
        "a\u{7}b",
        "\u{1b}[2J",
        "$(reboot)",
        "`id`",
        ";",
        "|",
        "%s%n",
        "{{7*7}}",
        "<b>",
        "\u{202e}cod.exe",
        "\u{200f}x",
        "\u{feff}x",
        "x.",
        "x ",
        "x. .",
        "...",
        "....",
        "~/.profile",
        "C:",
        "a:b",
        "\u{fc}",
        "u\u{308}",
        "\u{1d165}",
        "\u{ff0e}\u{ff0e}",
        "\u{2215}etc",
        "\u{2024}\u{2024}",
        "İ",
        "ß",
        "ẞ",
        "ﬁ",
        "\u{0}",
    ];
    let mut names = Vec::new();
    for number in 0..250 {
        for stem in stems {
            let name = match number {
                0 => stem.to_owned(),
                1 => stem.to_uppercase(),
                2 => stem.repeat(255 / stem.len()),
                _ => format!("{stem}{}", number / 7),
            };
            names.extend(RelativePath::new(&name).ok().filter(|_| !name.contains('/')).map(|_| name));
        }
    }
    names.truncate(10_000);
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_hostile_names_all_stay_inside_the_folder_and_apart() {
    let mut pair = Pair::new().await;
    let names = hostile_names();
    assert_eq!(names.len(), 10_000);
    let entries: Vec<_> = names.iter().map(|name| entry(name, EntryKind::File, 0)).collect();
    let (promise, stream) = long_manifest(&entries, 300);
    pair.expect(&promise, true).await;
    let _manifest = forged(&pair, &stream).await;
    let ranges = pair.manifest_received().await.unwrap().ranges;
    let mut left = names.len();
    for range in 0..ranges {
        let files = left.min(hobnob_wire::limits::PACK_FILES_MAX as usize);
        left -= files;
        let hash = *blake3::hash(&blake3::hash(b"").as_bytes().repeat(files)).as_bytes();
        let trailer = codec::encode(&RangeTrailer { hash }).unwrap();
        let _range = forged(&pair, &[range_header(range), trailer]).await;
        assert_eq!(pair.received().await, (range, Ok(0)));
    }
    pair.bob.shell.perform(TransferJob::Finish { transfer: ID });
    let report = pair.bob.report().await;
    assert!(matches!(report, TransferReport::Finished { result: Ok(_), .. }), "{report:?}");
    let found = tree(&pair.arrived());
    assert_eq!(found.len(), names.len(), "each has a name of its own");
    for (name, _) in &found {
        let is_hidden =
            |character: char| character.is_control() || "\u{202e}\u{200f}\u{feff}".contains(character);
        assert!(
            !name.starts_with('.') && !name.contains(is_hidden) && !name.ends_with(['.', ' ']),
            "{name:?}"
        );
    }
    assert_eq!(fs::read_dir(pair.disk.path()).unwrap().count(), 2, "nothing lies beside the folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_as_deep_as_they_may_be_arrive_and_deeper_ones_are_refused() {
    let mut pair = Pair::new().await;
    let name = "d".repeat(50);
    let path = |depth: usize| vec![name.as_str(); depth].join("/");
    let mut entries: Vec<_> = (1..64).map(|depth| entry(&path(depth), EntryKind::Folder, 0)).collect();
    entries.push(entry(&path(64), EntryKind::File, 0));
    let (promise, stream) = long_manifest(&entries, 10);
    pair.expect(&promise, true).await;
    let _manifest = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    let hash = *blake3::hash(blake3::hash(b"").as_bytes()).as_bytes();
    let _range = forged(&pair, &[range_header(0), codec::encode(&RangeTrailer { hash }).unwrap()]).await;
    assert_eq!(pair.received().await, (0, Ok(0)));
    assert!(RelativePath::new(&path(65)).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_files_without_end_is_refused_where_it_breaks_its_promise() {
    let mut pair = Pair::new().await;
    let entries: Vec<_> = (0..512).map(|number| entry(&number.to_string(), EntryKind::File, 1)).collect();
    let (promise, stream) = manifest(entries);
    pair.expect(&promise, true).await;
    // The same part again and again.
    let endless: Vec<_> = stream.iter().chain(std::iter::repeat_n(&stream[1], 1_000)).cloned().collect();
    let _manifest = forged(&pair, &endless).await;
    let text = "the list of files is not the one that was offered; ask for a new offer".to_owned();
    assert_eq!(pair.manifest_received().await, Err(TransferFault::Peer(text)));
    assert!(tree(&pair.arrived()).is_empty());
    let kept = fs::read_dir(pair.bob.home.path().join("transfers")).unwrap();
    let kept: u64 = kept.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(kept < 100_000, "{kept} bytes are left of the list");
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_whose_sum_overflows_are_refused() {
    let mut pair = Pair::new().await;
    let entries = vec![entry("a", EntryKind::File, u64::MAX), entry("b", EntryKind::File, 6)];
    let (promise, stream) = long_manifest(&entries, 2);
    pair.expect(&Scanned { bytes: 5, ..promise }, true).await;
    let _manifest = forged(&pair, &stream).await;
    let text = "the list of files is not the one that was offered; ask for a new offer".to_owned();
    assert_eq!(pair.manifest_received().await, Err(TransferFault::Peer(text)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_is_here_is_not_taken_again() {
    let mut pair = Pair::new().await;
    let (promise, stream) = manifest(vec![entry("a", EntryKind::File, 5)]);
    pair.expect(&promise, true).await;
    let _manifest = forged(&pair, &stream).await;
    pair.manifest_received().await.unwrap();
    let range = |content: &[u8]| {
        let hash = *blake3::hash(blake3::hash(content).as_bytes()).as_bytes();
        [range_header(0), content.to_vec(), codec::encode(&RangeTrailer { hash }).unwrap()]
    };
    let _first = forged(&pair, &range(b"bytes")).await;
    assert_eq!(pair.received().await, (0, Ok(5)));
    let unexpected = VarInt::from_u32(hobnob_wire::close::StreamClose::Unexpected.code());
    for _ in 0..20 {
        let again = forged(&pair, &range(b"other")).await;
        assert_eq!(timeout(PATIENCE, again.stopped()).await.unwrap().unwrap(), Some(unexpected));
    }
    pair.bob.shell.perform(TransferJob::Finish { transfer: ID });
    assert!(matches!(pair.bob.report().await, TransferReport::Finished { result: Ok(_), .. }));
    assert_eq!(fs::read(pair.arrived().join("a")).unwrap(), b"bytes");
}
