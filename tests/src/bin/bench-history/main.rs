//! How soon letters are found among a million, and beside it, in the same run, how long it takes to look through them
//! all for the same words.

#[expect(dead_code, reason = "other benchmarks print more")]
#[path = "../bench-files/figure.rs"]
mod figure;
mod letters;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hobnob_peer::core::history::query::parse;
use hobnob_peer::core::history::snippet::snippet;
use hobnob_peer::core::history::store::HistoryStore;
use hobnob_peer::core::letters::store::LetterStore;
use hobnob_peer::store::Database;
use rusqlite::{Connection, OpenFlags};

use figure::{Report, percentile};
use letters::{Letters, NOW, own};

/// Letters in one answer.
const FOUND: u32 = 20;
/// What is claimed: nobody waits for a search.
const P95_MS_MAX: f64 = 100.0;
/// Letters that are written in one transaction.
const BATCH: usize = 1_000;

/// Measures searches of history; must be built with `--release`.
#[derive(Debug, Parser)]
struct Options {
    /// Print one JSON object per figure.
    #[arg(long)]
    json: bool,
    /// Letters among which to search.
    #[arg(long, default_value_t = 1_000_000)]
    letters: usize,
    /// How often each query is asked, with other words each time.
    #[arg(long, default_value_t = 50)]
    rounds: usize,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let mut report = Report::new(options.json);
    let home = tempfile::tempdir()?;
    let mut database = Database::open(home.path())?;
    fill(&mut report, &mut database, options.letters)?;
    let bytes = disk(home.path())?;
    report.figure("disk per letter", bytes as f64 / options.letters as f64, "B");

    let mut letters = Letters::new(2);
    let mut all = Vec::new();
    for kind in Letters::KINDS {
        let times = searches(&mut database, &mut letters, kind, options.rounds)?;
        report.figure(&format!("{kind}, p95"), percentile(&times, 95.0), "ms");
        all.extend(times);
    }
    let scan = scan(home.path(), &mut letters)?;
    let p95 = percentile(&all, 95.0);
    report.beside("all queries, p50", percentile(&all, 50.0), "ms", ("looking through all", scan));
    report.beside("all queries, p95", p95, "ms", ("looking through all", scan));
    report.figure("all queries, slowest", percentile(&all, 100.0), "ms");
    Ok(if p95 <= P95_MS_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn fill(report: &mut Report, database: &mut Database, count: usize) -> Result<()> {
    let mut letters = Letters::new(1);
    let begin = Instant::now();
    let mut written = 0;
    while written < count {
        let mut tx = database.begin()?;
        for number in written..count.min(written + BATCH) {
            tx.add_letter(&letters.letter(number, count))?;
        }
        tx.commit()?;
        written += BATCH;
    }
    report.figure("letters kept and indexed", count as f64 / begin.elapsed().as_secs_f64(), "/s");
    Ok(())
}

/// How long searches of one kind take, each with other words: from what was typed to what is shown, in milliseconds.
fn searches(database: &mut Database, letters: &mut Letters, kind: &str, rounds: usize) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(rounds);
    let mut found = 0;
    for _ in 0..rounds {
        let typed = letters.query(kind);
        let begin = Instant::now();
        let query = parse(&typed, &own(), NOW).with_context(|| typed.clone())?;
        let mut tx = database.begin()?;
        let answer = tx.search(&query, None, FOUND)?;
        for (_, letter) in &answer {
            let _ = snippet(&Letters::text(letter), query.phrases());
        }
        drop(tx);
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        found += answer.len();
    }
    ensure!(found > 0, "no query of the kind `{kind}` found anything");
    Ok(times)
}

/// How long it takes to look through all letters for a word, in milliseconds.
fn scan(home: &Path, letters: &mut Letters) -> Result<f64> {
    let connection = Connection::open_with_flags(home.join("hobnob.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sql = "SELECT count(*) FROM letters WHERE CAST(body AS TEXT) LIKE ?1";
    let mut times = Vec::new();
    for _ in 0..5 {
        let word = format!("%{}%", letters.query("a rare word"));
        let begin = Instant::now();
        let _: i64 = connection.query_row(sql, [word], |row| row.get(0))?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(percentile(&times, 50.0))
}

fn disk(home: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(home)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
