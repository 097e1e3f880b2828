//! What folders hold beside files: links and holes.

use std::os::unix::fs::MetadataExt;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn links_that_stay_inside_arrive_as_links_to_what_their_targets_are_called_here() {
    let mut pair = Pair::new().await;
    let top = pair.out().join("project");
    fs::create_dir_all(top.join("lib/CON")).unwrap();
    fs::write(top.join("lib/CON/code"), "code").unwrap();
    fs::write(pair.out().join("secret"), "secret").unwrap();
    for (link, text) in [
        ("current", "lib/CON"),
        ("lib/up", "../lib/CON/code"),
        ("lib/CON/self", "."),
        ("lib/through", "../current/code"),
        ("nothing", "lib/nothing"),
        ("lib/out", "../../secret"),
        ("absolute", "/etc/passwd"),
    ] {
        symlink(text, top.join(link)).unwrap();
    }
    let digests = pair.run(vec![top], true).await;
    assert_eq!(digests[0], digests[1]);
    let here = pair.arrived().join("project");
    let text = |link: &str| fs::read_link(here.join(link)).unwrap().to_str().unwrap().to_owned();
    for (link, expected) in [
        ("current", "lib/_CON"),
        ("lib/up", "../lib/_CON/code"),
        ("lib/_CON/self", "../../lib/_CON"),
        ("lib/through", "../current/code"),
        ("nothing", "lib/nothing"),
    ] {
        assert_eq!(text(link), expected, "{link}");
    }
    assert_eq!(fs::read(here.join("lib/through")).unwrap(), b"code");
    for link in ["lib/out", "absolute"] {
        assert!(here.join(link).symlink_metadata().is_err(), "{link}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_not_sent_and_are_holes_again() {
    for sealed in [true, false] {
        let mut pair = Pair::new().await;
        let path = pair.out().join("disk.img");
        let file = fs::File::create(&path).unwrap();
        let data = content(300_000, 1);
        for at in [0, (3 << 20) + 8192] {
            std::os::unix::fs::FileExt::write_all_at(&file, &data, at).unwrap();
        }
        file.set_len((40 << 20) + 5).unwrap();
        let before = pair.alice.link.connection.stats().udp_tx.bytes;
        let digests = pair.run(vec![path.clone()], sealed).await;
        assert_eq!(digests[0], digests[1]);
        let sent = pair.alice.link.connection.stats().udp_tx.bytes - before;
        assert!(sent < 1_500_000, "{sent} bytes");
        let here = pair.arrived().join("disk.img");
        assert!(fs::read(&here).unwrap() == fs::read(&path).unwrap());
        let stored = fs::metadata(&here).unwrap().blocks() * 512;
        assert!(stored < 1_500_000, "{stored} bytes on the disk");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setuid_program_arrives_as_an_ordinary_one() {
    let mut pair = Pair::new().await;
    let path = pair.out().join("program");
    fs::write(&path, "#!/bin/sh").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
    pair.run(vec![path], true).await;
    let mode = fs::metadata(pair.arrived().join("program")).unwrap().permissions().mode();
    assert_eq!((mode & 0o7000, mode & 0o100), (0, 0o100));
}

fn link(path: &str, target: &str) -> ManifestEntry {
    entry(path, EntryKind::Link { target: RelativePath::new(target).unwrap() }, 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_leads_out_of_its_folder_is_refused() {
    let folder = || entry("d", EntryKind::Folder, 0);
    let cases = [
        (vec![folder(), link("d/l", "other")], "the link \"d/l\" leads out of its folder"),
        (vec![link("l", "l")], "the link \"l\" leads out of its folder"),
        (
            vec![folder(), link("d/l", "d"), entry("d/l/x", EntryKind::File, 1)],
            "something is listed after a link",
        ),
        (
            vec![folder(), link("d/l", "d"), link("d/l/x", "d")],
            "the folder of \"d/l/x\" is not listed before it",
        ),
    ];
    for (entries, why) in cases {
        let mut pair = Pair::new().await;
        let (promise, stream) = manifest(entries);
        pair.expect(&promise, true).await;
        let _stream = forged(&pair, &stream).await;
        let text = format!("the list of files cannot be used: {why}; ask for a new offer");
        assert_eq!(pair.manifest_received().await, Err(TransferFault::Peer(text)));
        assert!(tree(&pair.arrived()).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_only_in_their_unicode_form_both_arrive() {
    let mut pair = Pair::new().await;
    let top = pair.out().join("t");
    fs::create_dir(&top).unwrap();
    fs::write(top.join("\u{fc}"), "composed").unwrap();
    fs::write(top.join("u\u{308}"), "decomposed").unwrap();
    let digests = pair.run(vec![top], true).await;
    assert_eq!(digests[0], digests[1]);
    let mut found: Vec<_> = tree(&pair.arrived()).into_iter().filter_map(|(_, content)| content).collect();
    found.sort();
    assert_eq!(found, [b"composed".to_vec(), b"decomposed".to_vec()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_file_must_be_called_what_the_offer_said() {
    let (honest, stream) = manifest(vec![entry("cat.exe", EntryKind::File, 5)]);
    let mut pair = Pair::new().await;
    pair.expect(&Scanned { name: "cat.png".into(), ..honest }, true).await;
    let _stream = forged(&pair, &stream).await;
    let text =
        "the list of files cannot be used: the file has another name than was offered; ask for a new offer";
    assert_eq!(pair.manifest_received().await, Err(TransferFault::Peer(text.to_owned())));
    assert!(tree(&pair.arrived()).is_empty());
}

#[test]
fn what_was_given_up_prepares_no_folder() {
    let folder = PathBuf::from("/nowhere");
    let (transfer, manifest) = (TransferId::new([1; 16]), [0; 32]);
    let promise = incoming::Promise {
        transfer,
        folder,
        manifest,
        name: "a".into(),
        entries: 0,
        bytes: 0,
        sealed: false,
        update: false,
        choice: None,
        programs: true,
    };
    let incoming = Incoming::new(promise);
    incoming.abandon();
    let prepared: Result<(), _> = incoming.prepare(|| panic!("it was given up"));
    assert_eq!(prepared, Err(TransferFault::Stopped));
}
