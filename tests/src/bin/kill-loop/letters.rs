//! Letters both ways while daemons and the rendezvous are killed.
//!
//! In each round people write without a pause, something dies at a random moment and is started again, and when that is
//! over every device must show every letter once: those that their authors were told are sent, and of those that a kill
//! interrupted each at most once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hobnob_tests::PATIENCE;
use hobnob_tests::chance::Chance;
use hobnob_tests::person::Person;
use hobnob_tests::world::World;
use serde_json::{Value, json};

/// Letters that are looked at; more than are written in a round.
const SHOWN: &str = "1000";

/// How long people write before something dies, at most.
const CALM: Duration = Duration::from_millis(600);

/// Everybody who takes part.
struct Stage {
    world: World,
    /// Alice, Bob, and Alice's second device.
    people: Vec<Person>,
    rounds: u64,
}

/// What one person wrote in a round.
#[derive(Debug, Default)]
struct Wrote {
    /// Letters that the daemon said are sent.
    sent: Vec<String>,
    /// Letters of which the daemon said nothing before it died.
    interrupted: Vec<String>,
}

/// What all rounds came to.
#[derive(Debug, Default)]
struct Counts {
    letters: usize,
    interrupted: usize,
    lost: usize,
    doubled: usize,
    unticked: usize,
    back_ms: Vec<u64>,
    killed: BTreeMap<&'static str, u64>,
}

/// Runs the rounds. What they came to, and whether that is good.
pub(crate) fn letters(rounds: u64, back_within: Duration, seed: u64) -> Result<(Value, bool)> {
    let started = Instant::now();
    let mut chance = Chance::new(seed);
    let mut stage = Stage::new()?;
    let mut counts = Counts::default();
    for _ in 0..rounds {
        stage.round(&mut chance, &mut counts)?;
    }
    counts.back_ms.sort_unstable();
    let at = |part: usize| counts.back_ms.get(counts.back_ms.len() * part / 100).copied().unwrap_or(0);
    let slowest = counts.back_ms.last().copied().unwrap_or(0);
    let report = json!({
        "rounds": rounds,
        "seed": seed,
        "seconds": started.elapsed().as_secs(),
        "killed": counts.killed,
        "letters": counts.letters,
        "interrupted": counts.interrupted,
        "lost": counts.lost,
        "doubled": counts.doubled,
        "not_ticked": counts.unticked,
        "back_in_use_ms": { "median": at(50), "p95": at(95), "most": slowest },
    });
    let is_good =
        counts.lost + counts.doubled + counts.unticked == 0 && u128::from(slowest) <= back_within.as_millis();
    Ok((report, is_good))
}

impl Stage {
    fn new() -> Result<Self> {
        let world = World::new();
        let (alice, bob) = world.friends("alice", "bob");
        let mut second = world.second_home(&alice);
        ensure!(second.login().code == 0, "no second device for alice");
        second.up();
        Ok(Self { world, people: vec![alice, bob, second], rounds: 0 })
    }

    fn round(&mut self, chance: &mut Chance, counts: &mut Counts) -> Result<()> {
        self.rounds += 1;
        let victim = chance.index(4);
        let wait = chance.between(Duration::ZERO, CALM);
        let over = AtomicBool::new(false);
        let round = self.rounds;
        let writers = [(0, 1), (1, 0)].map(|(from, to)| {
            // The same home without a hold on its daemon: only the command line is used.
            let home = self.world.home_of(&self.people[from], self.people[from].name());
            (home, self.people[to].address())
        });
        let (back, wrote) = thread::scope(|scope| {
            let handles = writers.map(|(writer, to)| {
                let over = &over;
                scope.spawn(move || write_until(&writer, &to, round, over))
            });
            thread::sleep(wait);
            let back = self.kill(victim);
            over.store(true, Ordering::Relaxed);
            let wrote = handles.map(|handle| handle.join().unwrap_or_default());
            (back, wrote)
        });
        counts.back_ms.push(u64::try_from(back?.as_millis()).unwrap_or(u64::MAX));
        *counts.killed.entry(["alice", "bob", "alice-2", "rendezvous"][victim]).or_default() += 1;
        self.look(&wrote, counts);
        Ok(())
    }

    /// Kills one of them and starts it again. How long it took until a letter arrives.
    fn kill(&mut self, victim: usize) -> Result<Duration> {
        let begun = Instant::now();
        match self.people.get_mut(victim) {
            Some(person) => {
                person.kill();
                person.up_without_session();
            }
            None => {
                self.world.rendezvous.kill();
                let _ = self.world.rendezvous.serve();
            }
        }
        // To the one who died, or from it.
        let (from, to) = if victim == 1 { (1, 0) } else { (0, 1) };
        let (from, to) = (&self.people[from], self.people[to].address());
        let words = format!("{}: after the kill", self.rounds);
        let timeout = PATIENCE.as_secs().to_string();
        let sent = from.run(["send", &to, &words, "--wait", "delivered", "--timeout", &timeout]);
        ensure!(sent.code == 0, "round {}: {sent:?}", self.rounds);
        if victim == 2 {
            let second = &self.people[2];
            second.until(&["status"], "a session", |lines| lines[0]["session"] == "up");
        }
        Ok(begun.elapsed())
    }

    /// Waits until every device shows every letter of the round, and counts what is wrong.
    fn look(&self, wrote: &[Wrote; 2], counts: &mut Counts) {
        let deadline = Instant::now() + PATIENCE;
        let chats = [(0, 1), (1, 0), (2, 1)];
        for (device, with) in chats {
            let (person, with) = (&self.people[device], self.people[with].address());
            let shown = loop {
                let shown = chat(person, &with);
                let is_there = |text: &String| shown.iter().any(|(shown, _)| shown == text);
                let all = wrote.iter().flat_map(|wrote| &wrote.sent).all(is_there);
                let ticked = unticked(&shown, device, wrote) == 0;
                if (all && ticked) || Instant::now() > deadline {
                    break shown;
                }
                thread::sleep(Duration::from_millis(100));
            };
            let times = |text: &String| shown.iter().filter(|(shown, _)| shown == text).count();
            let sent: Vec<&String> = wrote.iter().flat_map(|wrote| &wrote.sent).collect();
            let interrupted = wrote.iter().flat_map(|wrote| &wrote.interrupted);
            counts.lost += sent.iter().filter(|text| times(text) == 0).count();
            counts.doubled += sent.iter().copied().chain(interrupted).filter(|text| times(text) > 1).count();
            counts.unticked += unticked(&shown, device, wrote);
        }
        let of = |letters: fn(&Wrote) -> usize| wrote.iter().map(letters).sum::<usize>();
        counts.letters += of(|wrote| wrote.sent.len());
        counts.interrupted += of(|wrote| wrote.interrupted.len());
    }
}

/// Letters that a device wrote and does not show as delivered, although they are sent.
fn unticked(shown: &[(String, String)], device: usize, wrote: &[Wrote; 2]) -> usize {
    let Some(wrote) = wrote.get(device) else { return 0 };
    let ticked = |text: &&String| {
        shown.iter().any(|(shown, state)| shown == *text && ["delivered", "read"].contains(&state.as_str()))
    };
    wrote.sent.iter().filter(|text| !ticked(text)).count()
}

/// What a device shows of a chat: words and states.
fn chat(person: &Person, with: &str) -> Vec<(String, String)> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let lines = person.run(["history", with, "--limit", SHOWN]).objects();
    lines.iter().map(|line| (text(line, "text"), text(line, "state"))).collect()
}

/// Writes until it is over.
fn write_until(writer: &Person, to: &str, round: u64, over: &AtomicBool) -> Wrote {
    let mut wrote = Wrote::default();
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let text = format!("{round}: {number} from {}", writer.name());
        if writer.run(["send", to, &text]).code == 0 {
            wrote.sent.push(text);
        } else {
            wrote.interrupted.push(text);
        }
    }
    wrote
}
