//! Tables, for the terminal and for `docs/performance.md`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::measure::Run;
use crate::stub::Asked;

/// What was measured of one command.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its name, as the command line takes it.
    pub(crate) name: String,
    /// What it is, for a reader.
    pub(crate) words: String,
    /// How many tasks there are.
    pub(crate) tasks: usize,
    /// What it took.
    pub(crate) run: Run,
    /// The least time that the service lets it take.
    pub(crate) bound: Option<Duration>,
    /// What was asked of the service, where that was counted.
    pub(crate) asked: Option<Asked>,
}

/// A command of ours and what it is compared with, by their names.
const PAIRS: [(&str, &str); 7] = [
    ("version", "terraform-version"),
    ("plan-nothing-100", "terraform-nothing-100"),
    ("plan-nothing-10000", "terraform-nothing-10000"),
    ("plan-nothing-10000", "octodns-nothing-10000"),
    ("apply-100", "terraform-apply-100"),
    ("apply-1000", "requests-1000"),
    ("apply-1000", "aiohttp-1000"),
];

/// Commands whose growth is told, from one size to ten times that.
const GROWING: [&str; 5] = ["validate", "plan-empty", "plan-nothing", "plan-percent", "apply"];

/// What stands around the generated part of `docs/performance.md`.
const MARKS: [&str; 2] =
    ["<!-- benches/run --markdown writes from here -->\n", "<!-- to here -->\n"];

/// Writes one row to the terminal.
pub(crate) fn say(row: &Row) {
    let Run { wall, cpu, peak, output, exit } = row.run;
    let mut line = format!(
        "{:<24} {:>9} {:>9} CPU {:>7.1} MiB {output:>8} bytes, exit {exit}",
        row.name,
        time(wall),
        time(cpu),
        mebibytes(peak)
    );
    if let Some(asked) = row.asked.as_ref().filter(|asked| asked.total() > 0) {
        line.push_str("; ");
        line.push_str(&calls(asked));
    }
    if let Some(bound) = row.bound {
        write!(line, "; {:.2} of the bound", ratio(wall, bound)).expect("a string takes all");
    }
    line.push('\n');
    print(&line);
}

/// Writes growth and comparisons to the terminal.
pub(crate) fn compare(rows: &[Row], peers: &[Row]) {
    print(&growth(rows));
    print(&comparisons(rows, peers));
}

/// Writes the tables into `docs/performance.md`, in place of those that stand there.
pub(crate) fn write(program: &str, rows: &[Row], peers: &[Row]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let text = fs::read_to_string(&path).expect("the document is there");
    let [start, end] = MARKS;
    let (before, rest) = text.split_once(start).expect("the first mark is there");
    let (_, after) = rest.split_once(end).expect("the second mark is there");
    let size = fs::metadata(program).expect("the program is there").len();
    let tables = format!(
        "\n{}\nThe program is {} bytes large.\n\n{}\n{}\n{}\n",
        machine(),
        size,
        table(rows),
        growth(rows),
        comparisons(rows, peers)
    );
    fs::write(&path, format!("{before}{start}{tables}{end}{after}")).expect("it can be written");
}

fn print(text: &str) {
    io::stdout().write_all(text.as_bytes()).expect("somebody reads");
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| command | tasks | time | CPU | peak MiB | output | calls | of the bound |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |\n",
    );
    for row in rows {
        let Run { wall, cpu, peak, output, .. } = row.run;
        let bound = row.bound.map_or(String::new(), |bound| format!("{:.2}", ratio(wall, bound)));
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} | {} | {} | {bound} |",
            row.words,
            row.tasks,
            time(wall),
            time(cpu),
            mebibytes(peak),
            bytes(output),
            row.asked.as_ref().map(calls).unwrap_or_default()
        )
        .expect("a string takes everything");
    }
    text
}

fn growth(rows: &[Row]) -> String {
    let mut text = String::from(
        "| ten times the tasks | 100 to 1,000 | 1,000 to 10,000 | CPU, 1,000 to 10,000 |\n\
         | --- | ---: | ---: | ---: |\n",
    );
    for what in GROWING {
        let of = |tasks: usize| rows.iter().find(|row| row.name == format!("{what}-{tasks}"));
        let (Some(small), Some(middle), Some(large)) = (of(100), of(1000), of(10_000)) else {
            continue;
        };
        writeln!(
            text,
            "| {} | × {:.1} | × {:.1} | × {:.1} |",
            large.words,
            ratio(middle.run.wall, small.run.wall),
            ratio(large.run.wall, middle.run.wall),
            ratio(large.run.cpu, middle.run.cpu)
        )
        .expect("a string takes everything");
    }
    text
}

fn comparisons(rows: &[Row], peers: &[Row]) -> String {
    let mut text = String::from(
        "| tasks | instead | time | CPU | peak MiB | here | time | CPU | peak |\n\
         | ---: | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |\n",
    );
    for (ours, theirs) in PAIRS {
        let ours = rows.iter().find(|row| row.name == ours);
        let theirs = peers.iter().find(|row| row.name == theirs);
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} | {} | 1/{:.0} | 1/{:.0} | 1/{:.1} |",
            theirs.tasks,
            theirs.words,
            time(theirs.run.wall),
            time(theirs.run.cpu),
            mebibytes(theirs.run.peak),
            ours.words,
            ratio(theirs.run.wall, ours.run.wall),
            ratio(theirs.run.cpu, ours.run.cpu),
            mebibytes(theirs.run.peak) / mebibytes(ours.run.peak)
        )
        .expect("a string takes everything");
    }
    text
}

/// Where and when this is measured.
fn machine() -> String {
    let said = |words: &[&str]| {
        let answer = Command::new(words[0]).args(&words[1..]).output().expect("it is installed");
        String::from_utf8_lossy(&answer.stdout).trim().to_owned()
    };
    let line_of = |path: &str, start: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, rest)| rest.trim().to_owned())
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "Measured on {}, {}, {} processors ({}), {} of memory; load before the end {}.\n",
        said(&["date", "+%F"]),
        said(&["uname", "-sr"]),
        std::thread::available_parallelism().map_or(1, usize::from),
        line_of("/proc/cpuinfo", "model name"),
        line_of("/proc/meminfo", "MemTotal"),
        load.split(' ').next().unwrap_or_default()
    )
}

fn calls(asked: &Asked) -> String {
    let kinds = [
        ("list", "tasks/list"),
        ("read", "tasks/read"),
        ("create", "tasks/create"),
        ("list of deployments", "deployments/list"),
    ];
    let mut words: Vec<String> = kinds
        .into_iter()
        .map(|(word, path)| (asked.of(path), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if asked.limited > 0 {
        words.push(format!("{} × 429", asked.limited));
    }
    words.join(", ")
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}

fn bytes(count: u64) -> String {
    if count < 10_000 { format!("{count} B") } else { format!("{} KB", count / 1000) }
}

fn mebibytes(kibibytes: u64) -> f64 {
    f64::from(u32::try_from(kibibytes).unwrap_or(u32::MAX)) / 1024.0
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}
