//! A file that is larger than anyone would hold in memory.

use hobnob_tests::content::{assert_same_file, write_file};
use hobnob_tests::world::World;

const FILE_BYTES: u64 = 2 << 30;
const GROWTH_BYTES_MAX: u64 = 64 << 20;

#[test]
fn a_file_of_2_gib_passes_while_neither_daemon_grows_by_64_mib() {
    let world = World::with_room_for(2 * FILE_BYTES + (1 << 30));
    let (alice, bob) = world.friends("alice", "bob");
    let (file, into) = (world.path("film.mkv"), world.new_folder("arrived"));
    write_file(&file, FILE_BYTES, 1);

    let before = [alice.process().memory_bytes(), bob.process().memory_bytes()];
    let id = alice.offer(&bob, &[&file], &[]);
    bob.accept(&id, &into);
    alice.until_state(&id, "done");
    bob.until_state(&id, "done");
    let peaks = [alice.process().peak_memory_bytes(), bob.process().peak_memory_bytes()];
    for (before, peak) in before.into_iter().zip(peaks) {
        assert!(peak < before + GROWTH_BYTES_MAX, "from {} to {} MiB", before >> 20, peak >> 20);
    }
    assert_same_file(&file, &into.join("film.mkv"));
}
