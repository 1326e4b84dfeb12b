//! The block on a terminal that shows the deployments that are waited for, drawn again in place.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::event::DeploymentProgress;
use crate::render::live::rows;

/// The most rows: what leaves room for what was said before on a usual terminal.
const MOST_ROWS: usize = 20;

/// How long until the block is drawn again where nothing happens: it shows seconds.
pub(super) const REDRAW: Duration = Duration::from_secs(1);

/// The block, for as long as deployments are waited for.
pub(super) struct Live {
    block: MultiProgress,
    rows: Vec<ProgressBar>,
    runs: Vec<DeploymentProgress>,
    told: Instant,
    /// What is under way beside the deployments.
    note: Option<String>,
    is_hidden: bool,
}

impl Live {
    pub(super) fn new(target: ProgressDrawTarget) -> Self {
        Self {
            block: MultiProgress::with_draw_target(target),
            rows: Vec::new(),
            runs: Vec::new(),
            told: Instant::now(),
            note: None,
            is_hidden: false,
        }
    }

    /// Shows how the deployments stand; what was noted before is over.
    pub(super) fn tell(&mut self, runs: &[DeploymentProgress]) {
        (self.runs, self.told, self.note) = (runs.to_vec(), Instant::now(), None);
        self.draw();
    }

    /// Shows a line below the deployments, until they are told of again, or none.
    pub(super) fn note(&mut self, words: Option<String>) {
        self.note = words;
        self.draw();
    }

    /// Takes the block away while something is written, and puts it back.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        self.block.suspend(write);
    }

    /// Takes the block away until it is shown again.
    pub(super) fn hide(&mut self) {
        self.is_hidden = true;
        self.clear();
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// Puts the block back.
    pub(super) fn show(&mut self) {
        self.is_hidden = false;
        self.draw();
    }

    /// Draws the block as it stands now.
    pub(super) fn draw(&mut self) {
        if self.is_hidden {
            return;
        }
        let mut lines = rows(&self.runs, self.told.elapsed(), MOST_ROWS);
        lines.extend(self.note.clone());
        while self.rows.len() > lines.len() {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.block.remove(&row);
            }
        }
        while self.rows.len() < lines.len() {
            // Cut at the width of the terminal, so that no row becomes two.
            let style = ProgressStyle::with_template("{wide_msg}");
            let row = ProgressBar::new_spinner().with_style(style.expect("it is a constant"));
            self.rows.push(self.block.add(row));
        }
        for (row, line) in self.rows.iter().zip(lines) {
            // Each message draws the whole block.
            if row.message() != line {
                row.set_message(line);
            }
        }
        // What was drawn a moment ago may have kept the last of them from being drawn.
        if let Some(row) = self.rows.last() {
            row.force_draw();
        }
    }

    /// Leaves nothing of the block.
    pub(super) fn clear(&mut self) {
        for row in self.rows.drain(..) {
            row.finish_and_clear();
            self.block.remove(&row);
        }
        drop(self.block.clear());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use indicatif::TermLike;
    use vt100::Parser;

    use super::*;
    use crate::observed::Status;

    fn run(name: &str) -> DeploymentProgress {
        DeploymentProgress {
            key: name.parse().unwrap(),
            deployment: "first".parse().unwrap(),
            status: Some(Status::Running),
            age: Some(Duration::from_secs(50)),
            tokens: None,
            missing: 0,
            is_followed: true,
            next_look: Some(Duration::from_secs(8)),
        }
    }

    /// A terminal in memory.
    #[derive(Clone)]
    struct Screen {
        parser: Arc<Mutex<Parser>>,
        width: u16,
    }

    impl Screen {
        fn new(height: u16, width: u16) -> Self {
            Self { parser: Arc::new(Mutex::new(Parser::new(height, width, 0))), width }
        }

        /// What it shows, without empty lines at the end.
        fn contents(&self) -> String {
            let parser = self.parser.lock().unwrap();
            let rows = parser.screen().rows(0, self.width);
            let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
            rows.join("\n").trim_end_matches('\n').to_owned()
        }

        fn moves(&self, count: usize, way: char) -> io::Result<()> {
            if count == 0 { Ok(()) } else { self.write_str(&format!("\x1b[{count}{way}")) }
        }
    }

    impl std::fmt::Debug for Screen {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(&self.contents())
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            self.width
        }

        fn move_cursor_up(&self, count: usize) -> io::Result<()> {
            self.moves(count, 'A')
        }

        fn move_cursor_down(&self, count: usize) -> io::Result<()> {
            self.moves(count, 'B')
        }

        fn move_cursor_right(&self, count: usize) -> io::Result<()> {
            self.moves(count, 'C')
        }

        fn move_cursor_left(&self, count: usize) -> io::Result<()> {
            self.moves(count, 'D')
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(&format!("{line}\r\n"))
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.parser.lock().unwrap().write_all(text.as_bytes())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.write_str("\r\x1b[2K")
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn live(term: &Screen) -> Live {
        Live::new(ProgressDrawTarget::term_like(Box::new(term.clone())))
    }

    #[tokio::test(start_paused = true)]
    async fn the_block_changes_in_place_and_what_is_said_for_good_stands_above_it() {
        let term = Screen::new(10, 60);
        let mut live = live(&term);
        term.write_line("planned").unwrap();
        live.tell(&[run("qqq"), run("spy")]);
        let spy = "spy/first  Running  50 s, next look in 8 s";
        let qqq = "qqq/first  Running  50 s, next look in 8 s";
        assert_eq!(term.contents(), format!("planned\n{qqq}\n{spy}"));
        tokio::time::advance(Duration::from_secs(3)).await;
        live.draw();
        let later = format!("planned\n{qqq}\n{spy}")
            .replace("50 s, next look in 8", "53 s, next look in 5");
        assert_eq!(term.contents(), later);
        live.tell(&[run("qqq"), run("spy")]);
        live.suspend(|| term.write_line("followed up").unwrap());
        live.note(Some("asking again".to_owned()));
        assert_eq!(term.contents(), format!("planned\nfollowed up\n{qqq}\n{spy}\nasking again"));
        live.note(None);
        assert_eq!(term.contents(), format!("planned\nfollowed up\n{qqq}\n{spy}"));
        live.note(Some("waiting 1.0 s: the service asked for it".to_owned()));
        live.tell(&[run("spy")]);
        assert_eq!(term.contents(), format!("planned\nfollowed up\n{spy}"));
        live.clear();
        assert_eq!(term.contents(), "planned\nfollowed up");
        term.write_line("Runs: 2 as expected").unwrap();
        assert_eq!(term.contents(), "planned\nfollowed up\nRuns: 2 as expected");
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_is_hidden_nothing_is_drawn() {
        let term = Screen::new(10, 60);
        let mut live = live(&term);
        live.tell(&[run("spy")]);
        live.hide();
        assert_eq!((term.contents().as_str(), live.is_hidden()), ("", true));
        live.tell(&[run("qqq")]);
        live.note(Some("asking again".to_owned()));
        assert_eq!(term.contents(), "");
        term.write_line("warning").unwrap();
        live.show();
        let qqq = "qqq/first  Running  50 s, next look in 8 s";
        assert_eq!(term.contents(), format!("warning\n{qqq}\nasking again"));
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_cut_at_the_width_of_the_terminal_and_are_twenty_at_most() {
        let term = Screen::new(40, 30);
        let mut live = live(&term);
        let other = Status::Other("\u{6f22}".repeat(40));
        let wide = DeploymentProgress { status: Some(other), ..run("spy") };
        live.tell(&[wide, run("a-name-that-is-longer-than-the-line")]);
        let shown = term.contents();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(lines[1].starts_with("spy/first") && lines[1].contains('\u{6f22}'), "{shown}");
        assert_eq!(lines[0], "a-name-that-is-longer-than-the");
        let runs: Vec<DeploymentProgress> = (0..30).map(|at| run(&format!("task-{at}"))).collect();
        live.tell(&runs);
        let shown = term.contents();
        assert_eq!(shown.lines().count(), 20, "{shown}");
        assert_eq!(shown.lines().last().unwrap(), "and 11 more: 11 waited for");
        live.clear();
        assert_eq!(term.contents(), "");
    }
}
