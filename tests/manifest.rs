//! Manifests that are not what their author meant: each mistake at its line, by its kind, with help
//! that fits. A mistake that was found is a row.

mod shapes;
mod texts;

use std::path::Path;

use qcops::diag::{Code, Diagnostic, Severity};
use qcops::manifest::{self, Source, Unreadable};

use crate::support::repo::{Ran, Repo};

/// What most rows begin with; their own first line is the fourth.
const TASKS: &str =
    "version: 1\ndefaults: {agentId: 47, projectPreference: project-for-task}\ntasks:\n";

struct Prompts<'t>(&'t str);

impl Source for Prompts<'_> {
    fn read(&self, path: &str) -> Result<String, Unreadable> {
        match path {
            "manifest.yaml" => Ok(self.0.to_owned()),
            "sound.md" => Ok("Title\n=======\n> quoted\n\n    <<<<<<< indented\n".to_owned()),
            "unmerged.md" => Ok("one\n<<<<<<< HEAD\ntwo\n=======\nthree\n>>>>>>> f\n".to_owned()),
            "nul.md" => Ok("one\ntwo\0".to_owned()),
            "odd.md" => Ok("\u{feff}Buy\n\nS\u{200b}PY in cafe\u{301}s\n".to_owned()),
            "latin.md" => Err(manifest::decode(path, b"Stra\xdfe".to_vec()).unwrap_err()),
            _ => Err(format!("there is no `{path}`").into()),
        }
    }
}

fn found(text: &str) -> Vec<Diagnostic> {
    manifest::parse(
        Path::new("tasks.yaml"),
        text,
        &Prompts(text),
        manifest::ExpandInputs::of(&|_| None),
    )
    .1
}

fn run(repo: &Repo, words: &str) -> Ran {
    repo.run(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

fn line(text: &str, finding: &Diagnostic) -> usize {
    let place = finding.place.as_ref().unwrap_or_else(|| panic!("{finding:?} has no place"));
    text[..place.span.start].matches('\n').count() + 1
}

/// The text of a row: what begins with `  ` is tasks.
fn whole(text: &str) -> String {
    if text.starts_with("  ") || text.starts_with('\t') {
        format!("{TASKS}{text}")
    } else {
        text.to_owned()
    }
}

#[test]
fn a_misspelled_field_is_not_called_missing_too() {
    let whole = |defaults: &str, task: &str| {
        format!(
            "version: 1\ndefaults: {{{defaults}}}\ntasks:\n  spy: {{{task}}}\n  qqq: {{prompt: q, name: Q}}\n"
        )
    };
    let sound = "agentId: 47, projectPreference: project-for-task";
    let table = [
        (whole(sound, "promt: Buy"), &["unknown-field"][..]),
        (whole(sound, "prompts: Buy"), &["unknown-field"]),
        (whole(sound, "pr\u{43e}mpt: Buy"), &["unknown-field"]),
        (whole(sound, "prompt_file: a.md"), &["unknown-field"]),
        (
            whole("agnt: Researcher, projectPreference: project-for-task", "prompt: Buy"),
            &["unknown-field"],
        ),
        (
            whole("agentID: 47, projectPreference: project-for-task", "prompt: Buy"),
            &["unknown-field"],
        ),
        (
            whole("agentId: 47, projectPreferences: project-for-task", "prompt: Buy"),
            &["unknown-field"],
        ),
        (format!("verson: 1\ndefaults: {{{sound}}}\ntasks: {{}}\n"), &["unknown-field"]),
        (format!("version: 1\ndefaults: {{{sound}}}\ntask: {{}}\n"), &["unknown-field"]),
        (
            whole(
                sound,
                "prompt: x, deployments: {d: {expect: {number: {patern: '(1)', min: 1}}}}",
            ),
            &["unknown-field"],
        ),
        // Another unknown field takes nothing's place.
        (whole(sound, "colour: red"), &["unknown-field", "missing-field"]),
        (
            whole("agentId: 47", "promt: Buy, projectPreference: project-for-task"),
            &["unknown-field", "missing-field"],
        ),
        (whole(sound, "name: x"), &["missing-field"]),
    ];
    for (text, codes) in table {
        let mut said: Vec<&str> = found(&text)
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.code.as_str())
            .collect();
        said.sort_unstable_by_key(|code| *code == "missing-field");
        assert_eq!(said, codes, "{text}");
    }
}

/// A mistake; its line; the finding's code; words of its message; words of its help.
type Row = (&'static str, usize, &'static str, &'static str, &'static str);

/// Every row has a finding of its code at its line with its words, and none that says `quotes` in
/// vain: an earlier version gave that advice for everything.
fn check(rows: &[Row]) {
    for (text, expected, code, message, help) in rows {
        let text = whole(text);
        let findings = found(&text);
        let is_it = |finding: &&Diagnostic| {
            finding.code.as_str() == *code
                && finding.severity != Severity::Note
                && line(&text, finding) == *expected
                && finding.message.contains(message)
                && finding.help.iter().any(|words| words.contains(help))
        };
        assert!(
            findings.iter().any(|finding| is_it(&finding)),
            "{text}\nline {expected}: {code}: {message} ({help}), not\n{findings:#?}"
        );
    }
}

const NO: &str = "invalid-yaml";

/// Fifteen kinds of broken YAML.
#[rustfmt::skip]
const BROKEN: &[Row] = &[
    // Indentation.
    ("  a:\n    prompt: x\n   protect: true\n", 6, NO, "`protect` is indented by 3, which fits no", "by 4 like `prompt` or by 2 like `a`"),
    ("  a:\n      prompt: x\n    protect: true\n", 6, NO, "`protect` is indented by 4", "by 6 like `prompt`"),
    ("  a:\n    prompt: x\n      protect: true\n", 6, NO, "goes on with the text of `prompt`", "indent it by 4 like `prompt`"),
    ("  a:\n    prompt: x\n      y\n\n      # z\n      id: 4\n", 9, NO, "`id` is indented by 6", "by 4 like `prompt`"),
    ("  a:\n    prompt: x\n b: {prompt: y}\n", 6, NO, "`b` is indented by 1", "by 2 like `a` or by 0 like `tasks`"),
    ("  a:\n    prompt: |\n    Buy SPY\n", 6, NO, "the text below `prompt:` is not indented", "deeper than `prompt`"),
    ("  a:\n    prompt: |\n      x\n     y\n    id: 4\n", 7, NO, "`y` is indented by 5, less than the first line", "by 4 like `prompt`"),
    ("  a:\n    deployments:\n      d:\n        followUps:\n          - a\n         - b\n", 9, NO, "indented by 9", "by 10 like `-`"),
    ("  a:\n    deployments:\n      d:\n        followUps:\n        - a\n        state: stopped\n       timeout: 3h\n", 10, NO, "`timeout` is indented by 7", "by 8"),
    ("  a:\n    prompt: |\n        Buy\n      SPY\n", 7, NO, "`SPY` is indented by 6, less than the first line of the text of `prompt`", "by 8 like the first line"),
    ("  a:\n    prompt: >-\n         Buy\n         QQQ\n\n      SPY: x\n", 9, NO, "less than the first line of the text of `prompt`", "by 4 like `prompt`"),
    ("  a:\n    prompt: x\n    - y\n", 6, NO, "an entry of a list stands where a field is expected", "deeper than `prompt`"),
    // A colon, or the blank behind it.
    ("version: 1\ntasks\n  a: {prompt: x}\n", 2, NO, "`:` is missing behind `tasks`", "write `tasks:`"),
    ("version 1\ntasks: {}\n", 1, NO, "`:` is missing behind `version`", "write `version: 1`"),
    ("  a\n    prompt: x\n", 4, NO, "`:` is missing behind `a`", "write `a:`"),
    ("  a:\n    prompt Buy\n    id: 4\n", 5, NO, "`:` is missing behind `prompt`", "write `prompt: Buy`"),
    ("  a:\n    id: 4\n    prompt Buy SPY\n", 6, NO, "`:` is missing behind `prompt`", "write `prompt: Buy SPY`"),
    ("  a:\n    id: 4\n    prompt:Buy SPY\n    name: b\n", 6, NO, "a blank is missing behind `prompt:`", "write `prompt: Buy SPY`"),
    ("  a:\n    prompt: Buy\n    every day\n", 6, NO, "has no `: `", "indent it deeper"),
    ("  a:\n    prompt Buy\n", 5, "invalid-value", "task `a` must be a mapping", "write `prompt: Buy`"),
    ("  a: {prompt x, id: 4}\n", 4, "unknown-field", "`prompt x`", "write `prompt: x`"),
    ("  a: {prompt:x, id: 4}\n", 4, "unknown-field", "`prompt:x`", "write `prompt: x`"),
    ("  a:\n    prompt = Buy SPY\n    id: 4\n", 5, NO, "`=` stands where `:` belongs", "write `prompt: Buy SPY`"),
    ("  a:\n    id: 4\n    prompt\u{ff1a}Buy SPY\n", 6, NO, "full-width colon", "write `prompt: Buy SPY`"),
    ("  a:\n    prompt: x\n\u{a0}\u{a0}\u{a0}\u{a0}id: 4\n", 6, "unknown-field", "id` of the manifest", "indented with U+00A0"),
    ("  a:\n\u{a0}\u{a0}\u{a0}\u{a0}prompt x\n  b: {prompt: y}\n", 5, NO, "line 5 is indented with U+00A0", "write spaces"),
    ("  a:\n    id: 4\n    prompt:\u{a0}Buy SPY\n    name: b\n", 6, NO, "behind `prompt:` stands U+00A0, which only looks like a blank", "write `prompt: Buy SPY`"),
    ("  b:\u{a0}{prompt: y}\n", 4, "invalid-key", "cannot be the key of a task", "it holds U+00A0, which only looks like a blank"),
    ("  b:\n    prompt\u{ff1a}x\n", 5, "invalid-value", "must be a mapping, not a text", "write `prompt: x`"),
    ("  b:\n    prompt = x\n", 5, "invalid-value", "must be a mapping, not a text", "write `prompt: x`"),
    ("  b\u{ff1a} {prompt: y}\n", 4, "invalid-key", "cannot be the key of a task", "it holds U+FF1A, a full-width colon"),
    ("  b: {pr\u{43e}mpt: y}\n", 4, "unknown-field", "unknown field", "did you mean `prompt`? `pr\u{43e}mpt` holds U+043E, which only looks like `o`"),
    ("  b: {prompt: y, \u{200b}name: z}\n", 4, "unknown-field", "unknown field", "did you mean `name`? `\u{200b}name` holds U+200B, which shows nothing"),
    ("  b: {prompt: y, na\u{ad}me: z}\n", 4, "unknown-field", "unknown field", "holds U+00AD"),
    ("// c\n{\"version\": 1, \"tasks\": {}}\n", 1, NO, "a comment begins with `#`", "or take the line out"),
    // A tab.
    ("  a:\n    prompt: |\n      Buy\n    \tSell\n", 7, NO, "line 7 is indented with a tab", "spaces"),
    ("\ta:\n\t  prompt: x\n", 4, NO, "line 4 is indented with a tab", "spaces"),
    ("  a:\n    prompt: x\n\tid: 4\n", 6, NO, "line 6 is indented with a tab", "spaces"),
    ("  a:\n    prompt: x\n  \tid: 4\n", 6, NO, "line 6 is indented with a tab", "spaces"),
    ("  a:\n\n    # c\n\tprompt: x\n    id: 4\n", 7, NO, "line 7 is indented with a tab", "spaces"),
    ("  a:\n    prompt: x\n    deployments:\n      d: {}\n\t  e: {}\n", 8, NO, "line 8 is indented with a tab", "spaces"),
    // Aliases.
    ("  a: {prompt: x}\n  b: *nowhere\n", 5, NO, "no `&nowhere` is above it", "`&nowhere`"),
    ("  a: {prompt: *b}\n  c: {prompt: &b x}\n", 4, NO, "no `&b` is above it", "move `&b` above"),
    ("  a: {prompt: &momentum x}\n  b: {name: b, prompt: *momentun}\n", 5, NO, "`*momentun` is an alias", "did you mean `*momentum`?"),
    ("  a:\n    prompt: *buy SPY now\n", 5, NO, "behind the alias `*buy`", "`'*buy SPY now'`"),
    ("  a:\n    prompt: **bold** it\n", 5, NO, "behind the alias", "`'**bold** it'`"),
    ("  a:\n    prompt: *important*\n", 5, NO, "no `&important*`", "`'*important*'`"),
    ("  a:\n    prompt: * buy\n", 5, NO, "cannot start with `*`", "`'* buy'`"),
    ("  a: {prompt: *buy SPY}\n", 4, NO, "behind the alias `*buy`", "starts with `*` needs quotes"),
    ("  a: &a {prompt: x, deployments: {d: *a}}\n", 4, NO, "stands within what it names", "write the value out"),
    // Quotes.
    ("  a:\n    prompt: 'x\n    id: 4\n  b:\n    prompt: 'z'\n", 5, NO, "the quote `'` that opens here", "close it with `'`"),
    ("  a:\n    prompt: \"x\n    id: 4\n", 5, NO, "the quote `\"` that opens here", "close it with `\"`"),
    ("  a: {prompt: \"x, id: 4}\n  b: {prompt: \"y\"}\n", 4, NO, "the quote `\"` that opens here", "close it"),
    ("  a:\n    prompt: x\n    name: \"y\n", 6, NO, "the quote `\"` that opens here", "close it"),
    ("  a:\n    deployments: {d: {followUps: ['x, y]}}\n  b: {prompt: z}\n", 5, NO, "the quote `'` that opens here", "close it"),
    ("  a:\n    prompt: 'Don't buy'\n", 5, NO, "behind the closing `'`", "`''` for an apostrophe"),
    ("  a:\n    prompt: \"Buy\" SPY\n", 5, NO, "behind the closing `\"`", "single quotes around the whole"),
    ("  a:\n    deployments: {d: {followUps: ['x' y]}}\n", 5, NO, "behind the closing `'`", "`,` between two entries"),
    ("{\"version\": 1, \"tasks\": {\"a\": {\"id\": 47 \"prompt\": \"x\"}}}\n", 1, NO, "`,` is missing before `prompt`", "between two entries"),
    ("  a: {prompt: x name: y}\n", 4, NO, "`,` is missing before `name`", "between two entries"),
    ("{\"version\": 1, \"tasks\": {\"a\": {\"name\": \"x\" \"prompt\": \"x\"}}}\n", 1, NO, "behind the closing `\"`", "`,` between two entries"),
    // Brackets.
    ("  a: {prompt: x\n  b: {prompt: y}\n", 4, NO, "`{` is not closed", "close it with `}`"),
    ("  b: {prompt: y}\n  a: {prompt: x\n", 5, NO, "`{` is not closed", "close it with `}`"),
    ("  a:\n    deployments:\n      d:\n        followUps: [x, y\n    prompt: z\n", 7, NO, "`[` is not closed", "close it with `]`"),
    ("  a: {deployments: {d: {followUps: [x, y}}}\n", 4, NO, "`[` opens here, and `}` closes it", "every `[` with `]`"),
    ("  a: {prompt: x}}\n", 4, NO, "`}` closes nothing", "take it out"),
    ("  a: {prompt: Fix #12, id: 4}\n  b: {prompt: y}\n", 4, NO, "`{` is not closed", "` #` begins a comment"),
    ("  a: {\n    prompt: x\n    id: 4\n  }\n", 5, NO, "`,` is missing", "have a `,` between them"),
    ("  a: {prompt: x,, id: 4}\n", 4, NO, "an entry is missing", "take one `,` out"),
    ("  a:\n    prompt: {x} SPY\n", 5, NO, "behind the closing `}`", "`'{x} SPY'`"),
    ("  a:\n    prompt: [x] SPY\n", 5, NO, "behind the closing `]`", "`'[x] SPY'`"),
    ("  a:\n    name: {{ symbol }}\n    prompt: x\n", 5, "invalid-value", "must be a text, not a mapping", "`{` needs quotes"),
    // A conflict.
    ("  a: {prompt: w}\n<<<<<<< HEAD\n  b: {prompt: x}\n=======\n  b: {prompt: y}\n>>>>>>> f\n", 5, "unmerged", "both sides", "`git add`"),
    ("<<<<<<< HEAD\r\nversion: 1\r\n||||||| base\r\n=======\r\nversion: 1\r\n>>>>>>> f\r\ntasks: {}\r\n", 1, "unmerged", "both sides", "take the lines"),
    ("  a:\n    prompt: \"x\n<<<<<<< HEAD\n      y\"\n", 6, "unmerged", "both sides", "keep what is meant"),
    ("  a: {prompt: w}\n>>>>>>> f\n", 5, "unmerged", "both sides", "keep what is meant"),
    ("  a: {prompt: w}\n=======\n  b: {prompt: x}\n", 5, "unmerged", "both sides", "keep what is meant"),
    // `: ` and ` #`.
    ("  a:\n    prompt: Note: buy SPY\n", 5, NO, "in the text of `prompt`", "`prompt: 'Note: buy SPY'`"),
    ("  a:\n    name: It's: so\n", 5, NO, "in the text of `name`", "`name: 'It''s: so'`"),
    ("  a: {prompt: Buy: now}\n", 4, NO, "in the text `Buy: …`", "put the text in quotes"),
    ("  a: {\n    prompt: Buy: now,\n  }\n", 5, NO, "in the text `Buy: …`", "put the text in quotes"),
    ("  a: prompt: x\n", 4, NO, "in the text of `a`", "on a line of its own below `a:`"),
    ("  a:\n    prompt: Fix issue #12\n      and report\n", 5, NO, "a comment ends the text", "in quotes"),
    // What a text cannot start with.
    ("  a:\n    prompt: @buy SPY\n", 5, NO, "cannot start with `@`", "`'@buy SPY'`"),
    ("  a:\n    prompt: `buy` SPY\n", 5, NO, "cannot start with a backtick", "`'`buy` SPY'`"),
    ("  a:\n    prompt: %buy\n", 5, NO, "cannot start with `%`", "`'%buy'`"),
    ("  a:\n    prompt: , what\n", 5, NO, "cannot start with `,`", "`', what'`"),
    ("  a:\n    prompt: ? what\n", 5, NO, "cannot start with `?`", "`'? what'`"),
    ("  a:\n    prompt: - buy\n", 5, NO, "a list cannot begin on the line of its key", "`'- buy'`"),
    ("  a:\n    prompt: | Buy SPY\n", 5, NO, "text stands behind `|`", "on the next line"),
    ("  a:\n    prompt: |10\n      x\n", 5, NO, "a number behind `|` is one digit", "write `|` alone"),
    ("  a:\n    prompt: > 5 percent\n", 5, NO, "text stands behind `>`", "`'> 5 percent'`"),
    ("version: 1\n%tasks: {}\n", 2, NO, "a line cannot start with `%`", "in quotes"),
    ("%note 1\n---\nversion: 1\ntasks: {}\n", 1, NO, "a line cannot start with `%`", "take the line out"),
    // Keys.
    ("  a: {prompt: x, prompt: y}\n", 4, "duplicate-key", "field `prompt` of task `a` is given twice", "keep one"),
    ("  a: {prompt: x}\n  b: {prompt: y}\n  a: {prompt: z}\n", 6, "duplicate-key", "task `a` is given twice", "keep one"),
    ("version: 1\ntasks: {}\nversion: 1\n", 3, "duplicate-key", "field `version`", "keep one"),
    ("  a: {<<: {prompt: x}, <<: {prompt: y}}\n", 4, "duplicate-key", "`<<` is given twice", "`<<: [*a, *b]`"),
    ("  1.5: {prompt: x}\n", 4, "invalid-key", "must be a text, not a number", "quotes"),
    ("  ~: {prompt: x}\n", 4, "invalid-key", "must be a text, not empty", "quotes"),
    ("  [a]: {prompt: x}\n", 4, "invalid-key", "must be a text, not a list", "no key"),
    ("  ? {a: b}\n  : {prompt: x}\n", 4, "invalid-key", "must be a text, not a mapping", "no key"),
    // Lists.
    ("  - prompt: x\n", 4, "invalid-value", "`tasks` of the manifest must be a mapping, not a list", "`my-task:` in place of `-`"),
    ("  - name: Buy and hold\n    prompt: x\n", 4, "invalid-value", "`tasks` of the manifest must be a mapping, not a list", "`buy-and-hold:` in place of `-`"),
    ("  a:\n    - prompt: x\n    - id: 4\n", 5, "invalid-value", "task `a` must be a mapping, not a list", "without `-`"),
    ("  a:\n    deployments:\n      d:\n        followUps:\n          -Report\n          -Other\n", 8, "invalid-value", "a list of prompts, not a text", "`- Report`"),
    ("  a:\n    deployments: {d: {expect: {transcript: {contains:\n      -Sharpe}}}}\n", 6, "invalid-value", "one text, not a list", "`- Sharpe`"),
    ("- version: 1\n", 1, "invalid-value", "the manifest must be a mapping, not a list", "start with `version: 1`"),
    ("  a:\n    deployments:\n      d:\n        followUps:\n          - x\n          y: z\n", 9, NO, "where the list above goes on", "write `- ` before it"),
    // Documents.
    ("  a: {prompt: x}\n---\nversion: 1\n", 5, NO, "more than one YAML document", "one document in each file"),
    ("---\nversion: 1\ntasks: {}\n---\n", 4, NO, "more than one YAML document", "deeper than its key"),
    ("version: 1\ntasks: {}\n...\nforget: []\n", 3, NO, "more than one YAML document", "one document in each file"),
    ("version: 1\ntasks: {}\n... x\n", 3, NO, "behind `...`", "quotes"),
    ("", 1, "missing-field", "the manifest is empty", "write `version: 1`"),
    ("# nothing yet\n", 1, "missing-field", "the manifest is empty", "`tasks: {}`"),
    ("---\n", 1, "missing-field", "the manifest is empty", "write `version: 1`"),
    ("hello\n", 1, "invalid-value", "the manifest must be a mapping, not a text", "start with `version: 1`"),
    // Escapes and characters.
    ("  a:\n    prompt: \"read C:\\data\"\n", 5, NO, "`\\d` is no escape", "single quotes"),
    ("  a:\n    prompt: \"\n      x\n      50\\%\"\n", 7, NO, "`\\%` is no escape", "`\\\\`"),
    ("  a:\n    prompt: \"\\u12\"\n", 5, NO, "`\\u12` is no escape", "the code of one character"),
    ("  a:\n    prompt: \"\\ud83d\"\n", 5, NO, "`\\ud83d` is no escape", "single quotes"),
    ("version: 1\n\u{feff}tasks: {}\n", 2, NO, "byte-order mark", "take the invisible character out"),
    ("  a:\n    prompt: |\n      x\n      q\u{1b}y\n", 7, NO, "U+001B", "take it out"),
    ("version: 1\ntasks: {}\n# x\0y\n", 3, NO, "U+0000 (NUL)", "take it out"),
    ("  a: {prompt: \"x\u{7}\"}\n", 4, NO, "U+0007", "`\\u0007`"),
];

#[test]
fn broken_yaml_is_told_by_its_kind_at_its_line() {
    check(BROKEN);
}

#[test]
fn sound_manifests_are_not_warned_of() {
    for text in [
        "\u{feff}version: 1\ntasks: {}\n",
        "---\nversion: 1\ntasks: {}\n...\n",
        "%YAML 1.2\n---\nversion: 1\ntasks: {}\n",
        "version: 1\r\ntasks:\r\n  a: {agentId: 47, prompt: x, projectPreference: project-for-task}\r\n",
        "  a:\n    prompt: |  # by hand\n      Buy #1\n        * x: y\n      ---\n      @all\n",
        "  a:\n    prompt: \"Fix #12: `x`\"  # a comment\n    agentId: 47 # another\n    projectPreference: project-for-task # each\n",
        "  a: # first\n    # second\n    prompt: a#b\n    deployments:\n      d: # third\n        since: 2026-11-01 # fourth\n",
        "  a: {promptFile: sound.md} # read\n",
        "  a:\n    promptFile: sound.md # read\n",
        "  a:\n    prompt: |\n      Shown:\n       <<<<<<< HEAD\n       =======\n       >>>>>>> b\n",
        "  a: {prompt: 'C:\\data', name: \"A \\\"quoted\\\" one\"}\n",
        "  a:\n    prompt: Buy\n      SPY\n      - and QQQ\n",
        "version: 1\nx-agents:\n  usual: &usual {agentId: 47, projectPreference: project-for-task}\nx-note: anything\ntasks:\n  a: {<<: *usual, prompt: x}\n  b: {<<: [*usual, {prompt: y}]}\n  c: {prompt: &words z, <<: *usual}\n  d: {prompt: zz, name: *words, <<: *usual}\n",
    ] {
        let text = whole(text);
        assert_eq!(found(&text), [], "{text}");
    }
}

#[test]
fn nothing_that_was_written_is_dropped_in_silence() {
    const TAG: &str = "unsupported-yaml";
    #[rustfmt::skip]
    check(&[
        ("  a: {prompt: !include prompts/a.md}\n", 4, TAG, "`!include` is a YAML tag", "use `promptFile`"),
        ("  a:\n    prompt: !file a.md\n", 5, TAG, "`!file`", "use `promptFile`"),
        ("  a:\n    prompt: !include_dir a\n", 5, TAG, "`!include_dir`", "use `promptFile`"),
        ("  a:\n    prompt: !important buy SPY\n", 5, TAG, "`!important`", "`'!important buy SPY'`"),
        ("  a: {prompt: !vault abc}\n", 4, TAG, "`!vault`", "`${NAME}`"),
        ("  a: {prompt: !!binary SGVsbG8=}\n", 4, TAG, "`!!binary`", "leave it out"),
        ("  a: {prompt: !<tag:x> y}\n", 4, TAG, "`!<tag:x>`", "leave it out"),
        ("  a: {prompt: ! y}\n", 4, TAG, "`!` is a YAML tag", "quotes"),
        ("  a: !task {prompt: x}\n", 4, TAG, "`!task`", "quotes"),
        ("  a:\n    prompt: x\n    deployments: !d\n      e: {}\n", 6, TAG, "`!d`", "quotes"),
        ("  a: {prompt: x, deployments: {d: {followUps: !l [x, !m y]}}}\n", 4, TAG, "`!m`", "quotes"),
        ("  !k a: {prompt: x}\n", 4, TAG, "`!k`", "quotes"),
        ("  a: {prompt: x, agentId: !!int 4}\n", 4, TAG, "`!!int`", "leave it out"),
        ("version: 1\ntasks: !x {}\n", 2, TAG, "`!x`", "quotes"),
        ("version: 1\nx-mine: !y 1\ntasks: {}\n", 2, TAG, "`!y`", "quotes"),
        ("  a:\n    prompt: &buy SPY now\n", 5, TAG, "`&buy` is an anchor that nothing refers to", "`'&buy SPY now'`"),
        ("  a: {prompt: x, deployments: {d: {followUps: [&and more]}}}\n", 4, TAG, "`&and`", "`'&and more'`"),
        ("  a:\n    prompt: &x\n", 5, TAG, "`&x`", "quotes"),
        ("  a: {promptFile: unmerged.md}\n", 4, "unmerged", "`unmerged.md` holds both sides of a conflict from line 2 on", "`git add unmerged.md`"),
        ("  a:\n    prompt: |\n      one\n      <<<<<<< HEAD\n      two\n      =======\n      three\n      >>>>>>> b\n", 7, "unmerged", "`prompt` of task `a` is unmerged", "keep what is meant"),
        ("  a:\n    prompt: >\n      one\n\n      <<<<<<< HEAD\n      =======\n      >>>>>>> b\n", 8, "unmerged", "`prompt` of task `a`", "keep what is meant"),
        ("  a:\n    prompt: \"one\n      <<<<<<< HEAD\n      =======\n      >>>>>>> b\"\n", 6, "unmerged", "`prompt` of task `a`", "keep what is meant"),
        ("  a: {prompt: x, deployments: {d: {followUps: [\"<<<<<<< a\\n=======\\n>>>>>>> b\"]}}}\n", 4, "unmerged", "`followUps[1]`", "keep what is meant"),
        ("  a: {prompt: “Buy SPY”}\n", 4, "curly-quotes", "`prompt` of task `a` keeps its quotes", "write `'Buy SPY'`"),
        ("  a: {prompt: x, name: ‘z’}\n", 4, "curly-quotes", "`name` of task `a` keeps its quotes", "write `'z'`"),
        ("  a: {prompt: x, deployments: {d: {followUps: [„y“]}}}\n", 4, "curly-quotes", "`followUps[1]`", "write `'y'`"),
        ("  a: {promptFile: manifest.yaml}\n", 4, "unreadable-file", "names the manifest itself", "a file of its own"),
        ("  a: {promptFile: nul.md}\n", 4, "unreadable-file", "a NUL character in line 2", "UTF-8"),
        ("  a: {promptFile: latin.md}\n", 4, "unreadable-file", "not UTF-8 but probably Latin-1", "iconv -f ISO-8859-1"),
        ("  a:\n    prompt: #12 is to be fixed\n", 5, "empty-prompt", "`prompt` of task `a` is empty", "` #` begins a comment"),
        ("  a:\n    prompt: x\n    name: #1\n", 6, "invalid-value", "`name` of task `a`", "` #` begins a comment"),
        ("  a:\n    prompt: x\n    deployments:\n      d:\n        followUps:\n          - y # z\n          - #13\n          - q\n", 10, "invalid-value", "`followUps[2]`", "` #` begins a comment"),
    ]);
}

#[test]
fn a_task_that_is_not_yaml_hides_nothing_of_the_others() {
    let text = whole(
        "  a: {prompt: Buy: now}\n  b: {prompt: same, promt: z}\n  c:\n    prompt: \"x\n  d: {prompt: same}\n  e: &e {prompt: *f}\n",
    );
    let (parsed, findings) = manifest::parse(
        Path::new("tasks.yaml"),
        &text,
        &Prompts(&text),
        manifest::ExpandInputs::of(&|_| None),
    );
    let seen: Vec<String> =
        findings.iter().map(|found| format!("{} {}", line(&text, found), found.code)).collect();
    assert_eq!(seen, ["4 invalid-yaml", "5 unknown-field", "7 invalid-yaml", "9 invalid-yaml"]);
    let equal = manifest::check(&parsed);
    assert_eq!(equal.len(), 1, "{equal:?}");
    assert_eq!((equal[0].code.as_str(), line(&text, &equal[0])), ("equal-content", 8));
}

#[test]
fn one_mistake_is_one_finding() {
    for (text, at) in [
        ("version: 1\nx-a: &a {agentId: 47}\ntasks:\n  a: {<<: *b}\n", 4),
        ("version: 1\ndefaults: {<<: *b}\ntasks:\n  a: {prompt: x}\n  b: {prompt: y}\n", 2),
        ("  a:\n    prompt: \"Buy\nSPY\"\n  b: {prompt: y}\n", 5),
        ("  a:\n    prompt: 'Buy\nSPY\n\nnow'\n  b: {prompt: y}\n", 5),
        ("  a:\n    prompt: |\n  Buy SPY\n  b: {prompt: y}\n", 6),
        ("  a:\n    prompt: |\n        Buy\n      SPY\n", 7),
    ] {
        let text = whole(text);
        let findings = found(&text);
        let lines: Vec<usize> = findings.iter().map(|finding| line(&text, finding)).collect();
        assert_eq!(lines, [at], "{text}{findings:#?}");
    }
}

/// What is declared, what both lines say, and what tells them apart.
const LOOKING_ALIKE: &[(&str, &str, &str)] = &[
    (
        "tasks:\n  spy: {}\n  sp\u{443}: {}\n",
        "task `sp\u{443}` looks like task `spy`",
        "`sp\u{443}` holds U+0443, which only looks like `y`",
    ),
    (
        "tasks:\n  sp\u{443}: {}\n  spy: {}\n",
        "task `spy` looks like task `sp\u{443}`",
        "`sp\u{443}` holds U+0443, which only looks like `y`",
    ),
    (
        "tasks:\n  run-1: {}\n  run-l: {}\n",
        "task `run-l` looks like task `run-1`",
        "`run-l` holds U+006C, which only looks like `1`",
    ),
    ("tasks:\n  modern: {}\n  modem: {}\n", "", ""),
    ("tasks:\n  spy: {}\n  Spy: {}\n", "", ""),
    (
        "agents:\n  bot: {}\n  b\u{43e}t: {}\n",
        "agent `b\u{43e}t` looks like agent `bot`",
        "holds U+043E",
    ),
    ("agents:\n  bot: {name: Bot}\n  x: {name: B\u{43e}t}\n", "", ""),
    (
        "environments:\n  prod: {}\n  pr\u{43e}d: {}\n",
        "environment `pr\u{43e}d` looks like environment `prod`",
        "holds U+043E",
    ),
    (
        "environments:\n  test1: {}\n  testl: {}\n",
        "environment `testl` looks like environment `test1`",
        "holds U+006C",
    ),
    (
        "vars:\n  CAPITAL: 1\n  CAPlTAL: 2\n",
        "variable `CAPlTAL` in `vars` of the manifest looks like variable `CAPITAL`",
        "`CAPlTAL` holds U+006C, which only looks like `I`",
    ),
    (
        "vars:\n  A0: 1\n  AO: 2\n",
        "variable `AO` in `vars` of the manifest looks like variable `A0`",
        "holds U+004F",
    ),
    (
        "tasks:\n  a:\n    deployments:\n      x: {}\n      \u{445}: {}\n",
        "deployment `\u{445}` of task `a` looks like deployment `x`",
        "holds U+0445",
    ),
    (
        "agents:\n  a:\n    subAgents:\n      bot: 1\n      b\u{43e}t: 1\n",
        "agent `b\u{43e}t` in `subAgents` of agent `a` looks like agent `bot`",
        "holds U+043E",
    ),
];

#[test]
fn words_with_commas_between_them_are_told_as_a_list() {
    let table = [
        ("Read, Write", "`tools: [Read, Write]`"),
        ("datasets", "`tools: [datasets]`"),
        ("datasets,create_backtest", "`tools: [datasets, create_backtest]`"),
        ("Read and write, please", "`tools: ['Read and write, please']`"),
    ];
    for (tools, expected) in table {
        let findings = found(&format!("version: 1\nagents:\n  bot:\n    tools: {tools}\n"));
        let help = findings.iter().flat_map(|finding| &finding.help).cloned();
        assert_eq!(help.collect::<Vec<_>>(), [format!("write a list: {expected}")], "{tools}");
    }
}

#[test]
fn keys_environments_and_variables_that_look_alike_are_warned_of_with_both_places() {
    for (text, message, help) in LOOKING_ALIKE {
        let text = format!("version: 1\n{text}");
        let findings = found(&text);
        let alike: Vec<_> = findings.iter().filter(|it| it.code == Code::EqualName).collect();
        if message.is_empty() {
            assert!(alike.is_empty(), "{text}{alike:#?}");
            continue;
        }
        let [finding] = alike.as_slice() else { panic!("{text}{findings:#?}") };
        assert!(!finding.is_error(), "{text}");
        assert_eq!(finding.message, *message, "{text}");
        assert!(finding.help.join("; ").contains(help), "{text}{finding:#?}");
        let [(first, words)] = finding.related.as_slice() else { panic!("{text}") };
        let first = text[..first.span.start].matches('\n').count() + 1;
        assert_eq!((line(&text, finding), words.as_str()), (first + 1, "the other one"), "{text}");
    }
}

#[test]
fn names_that_look_alike_are_warned_of_and_a_broken_agent_hides_no_equal_content() {
    let seen = |tasks: &str| {
        let text = format!("version: 1\n{tasks}");
        let prompts = Prompts(&text);
        let (parsed, _) = manifest::parse(
            Path::new("tasks.yaml"),
            &text,
            &prompts,
            manifest::ExpandInputs::of(&|_| None),
        );
        let (_, resolved) = manifest::resolve(&parsed, &manifest::AgentNames::default());
        let words = |findings: &[Diagnostic]| {
            let said = findings.iter().filter(|finding| finding.code.as_str().starts_with("equal"));
            said.map(|found| {
                let help = found.help.join("; ");
                format!("{:?} {}: {} ({help})", found.severity, line(&text, found), found.message)
            })
            .collect::<Vec<_>>()
            .join("\n")
        };
        [words(&resolved), words(&manifest::check(&parsed))]
    };
    let agent = "defaults: {agentId: 47, projectPreference: project-for-task}\ntasks:\n";
    for (names, odd) in [
        (["Buy SPY", "\u{412}uy SPY"], "that of `b` holds U+0412, which only looks like `B`"),
        (["\u{405}PY", "SPY"], "that of `a` holds U+0405, which only looks like `S`"),
    ] {
        let tasks = format!(
            "{agent}  a: {{prompt: x, name: {}}}\n  b: {{prompt: y, name: {}}}\n",
            names[0], names[1]
        );
        let words =
            format!("Warning 5: the `name` of task `b` looks like that of task `a` ({odd})");
        assert_eq!(seen(&tasks), [words.clone(), words]);
    }
    let tasks =
        format!("{agent}  a: {{prompt: x, name: modern}}\n  b: {{prompt: y, name: modem}}\n");
    assert_eq!(seen(&tasks), ["", ""]);
    let broken = "defaults: {agentId: x, projectPreference: project-for-task}\ntasks:\n";
    let tasks =
        format!("{broken}  a: {{prompt: x}}\n  b: {{prompt: x}}\n  c: {{prompt: x, agentId: 4}}\n");
    let [_, checked] = seen(&tasks);
    assert!(checked.starts_with("Error 5: tasks `a` and `b` have the same agent"), "{checked}");
    assert_eq!(checked.lines().count(), 1, "{checked}");
}

#[test]
fn all_findings_of_all_files_come_in_one_run() {
    let repo = Repo::new();
    repo.write(
        "a.yaml",
        &format!(
            "{TASKS}  a: {{prompt: x, promt: y}}\n  b: {{prompt: 5, name: C}}\n  c: {{prompt: q}}\n"
        ),
    );
    repo.write("b.yaml", "version: 1\ntasks: [\n");
    repo.write("c.yaml", &format!("{TASKS}  d: {{prompt: q}}\n  b: {{prompt: z}}\nforget: [c]\n"));
    let ran = run(&repo, "validate -f a.yaml -f b.yaml -f c.yaml -f no.yaml");
    assert_eq!(ran.code, 1, "{}", ran.err);
    for expected in [
        "unknown field `promt` of task `a`",
        "`prompt` of task `b` must be a text",
        "b.yaml:2:8",
        "task `b` is given in two manifests",
        "task `c` is declared and in `forget`",
        "tasks `c` and `d` have the same agent",
        "the `name` of task `c` is that of task `b`",
        "there is no file or folder `no.yaml`",
    ] {
        assert!(ran.err.contains(expected), "{expected}\n{}", ran.err);
    }
}

#[test]
fn one_file_that_is_given_twice_is_read_once() {
    let repo = Repo::new();
    repo.write("d/tasks.yaml", &format!("{TASKS}  a: {{prompt: x}}\n"));
    repo.write("d/sub/e.yaml", &format!("{TASKS}  b: {{prompt: y}}\n"));
    std::os::unix::fs::symlink("d/tasks.yaml", repo.path().join("link.yaml")).unwrap();
    for (files, tasks) in [
        ("-f d/tasks.yaml -f d/tasks.yaml", "1 task"),
        ("-f d -f d/tasks.yaml", "1 task"),
        ("-f d/tasks.yaml -f ./d/../d/tasks.yaml -f link.yaml", "1 task"),
        ("-f d,d/sub/e.yaml", "2 tasks"),
        ("-f d/tasks.yaml,d", "1 task"),
    ] {
        run(&repo, &format!("validate {files}")).expect(0, &[&format!("Valid: {tasks}")]);
    }
}

#[test]
fn a_manifest_under_another_name_is_pointed_to() {
    let repo = Repo::new();
    repo.write("qc/tasks.yml", &format!("{TASKS}  a: {{prompt: x}}\n"));
    repo.write("qc/sub/prompt.md", "x");
    for (file, near) in [
        ("qc/tasks.yaml", "`qc/tasks.yml`: name it with `-f qc/tasks.yml`"),
        ("qc/task.yaml", "`qc/tasks.yml`"),
        ("qc/Tasks.YAML", "`qc/tasks.yml`"),
        ("qc/tasks.json", "`qc/tasks.yml`"),
    ] {
        let ran = run(&repo, &format!("validate -f {file}"));
        assert!(ran.code == 1 && ran.err.contains(near), "{file}: {}", ran.err);
    }
}

#[test]
fn a_number_that_is_none_is_refused_in_words_of_ours() {
    let words = ["digit found", "ParseIntError", "Err(", "Some(", "{ ", "::", "at line", "serde"];
    let repo = Repo::new();
    for flags in [
        "plan --max-creates five",
        "plan --parallelism=-1",
        "plan --max-deletes 99999999999999999999999",
        "emulator --port http",
        "apply --wait --token-budget 1e6",
    ] {
        let ran = run(&repo, flags);
        assert_eq!(ran.code, 1, "{}", ran.err);
        let fault = ran.err.lines().next().unwrap_or_default();
        let says = ["whole number", "too large", "must be at least 0"];
        assert!(says.iter().any(|said| fault.contains(said)), "{}", ran.err);
        assert!(words.iter().all(|word| !fault.contains(word)), "{}", ran.err);
    }
}
