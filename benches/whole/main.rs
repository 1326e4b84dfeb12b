//! The program as a whole, beside what users would run instead: time, memory, requests, ratios.
//!
//! `benches/run` builds and starts it. Nothing here judges: it prints what it measures.

mod bucket;
mod generate;
mod measure;
mod peers;
mod report;
mod repository;
mod scenario;
mod serve;
mod stub;

use report::Row;

/// What was asked for on the command line.
struct Wanted {
    /// Runs of each scenario; the median is printed.
    runs: usize,
    /// Only scenarios whose name holds one of these words.
    only: Vec<String>,
    /// Whether peers are run too, and the folder of those that are not on the path.
    peers: Option<String>,
    /// Whether `docs/performance.md` gets the tables.
    writes: bool,
    /// The program to measure.
    program: String,
}

impl Wanted {
    fn read() -> Self {
        let mut wanted = Self {
            runs: 5,
            only: Vec::new(),
            peers: None,
            writes: false,
            program: env!("CARGO_BIN_EXE_qcops").to_owned(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--runs" => {
                    let runs = words.next().and_then(|runs| runs.parse().ok());
                    wanted.runs = runs.expect("`--runs` takes a number");
                }
                "--program" => wanted.program = words.next().expect("`--program` takes a path"),
                "--peers" => wanted.peers = Some(words.next().expect("`--peers` takes a folder")),
                "--markdown" => wanted.writes = true,
                // What `cargo bench` adds.
                "--bench" => {}
                word => wanted.only.push(word.to_owned()),
            }
        }
        wanted
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == measure::WATCH) {
        measure::watch(&words[1..]);
        return;
    }
    let wanted = Wanted::read();
    let root = std::env::temp_dir().join("qcops-bench");
    let mut rows: Vec<Row> = Vec::new();
    for scenario in scenario::all() {
        if wanted.wants(&scenario.name()) {
            let row = scenario.measure(&wanted.program, &root, wanted.runs);
            report::say(&row);
            rows.push(row);
        }
    }
    let mut of_peers = Vec::new();
    if let Some(programs) = &wanted.peers {
        for peer in peers::ALL {
            if wanted.wants(&peer.name())
                && let Some(row) = peer.measure(programs, &root)
            {
                report::say(&row);
                of_peers.push(row);
            }
        }
    }
    report::compare(&rows, &of_peers);
    if wanted.writes {
        report::write(&wanted.program, &rows, &of_peers);
    }
}
