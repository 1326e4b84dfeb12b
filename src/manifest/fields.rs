//! The fields of a manifest: names, kinds, meanings, examples.
//!
//! The fields of tasks and agents are those of their kinds (`kinds/`); all others are told here. The reader
//! takes the names from here, and so do the JSON Schema and the reference in `docs/manifest.md`; a
//! test holds reader and schema against each other.

mod settings;

pub(super) use settings::{HIGHEST_LIMIT, HIGHEST_PARALLELISM, LIMITS, SETTINGS, SETTINGS_FIELD};

use std::sync::LazyLock;

use crate::kinds::{self, Field, NAME};
use crate::manifest::fields::FieldShape::{
    Agents, Bound, Deployments, Duration, EnvironmentNames, Environments, Exclude, Expression,
    Expressions, Flag, Keys, Mapping, Matrix, Moment, Natural, Number, Offset, OpenText, OpenWord,
    Prompt, Prompts, References, Sequence, Set, Tasks, Text, Texts, Vars, Version, Word,
};

/// A field.
pub(super) struct Spec {
    /// Its name.
    pub(super) name: &'static str,
    /// What it holds.
    pub(super) shape: FieldShape,
    /// What it means, in whole sentences.
    pub(super) about: &'static str,
    /// What counts where it is left out, in words; empty where nothing does.
    pub(super) default: &'static str,
    /// A value, as YAML on one line.
    pub(super) example: &'static str,
    /// Where it may stand.
    pub(super) stands: Stands,
}

/// Where a field may or must stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// Anywhere, and it may be left out.
    Freely,
    /// It may not be left out.
    Always,
    /// Not in `defaults`: every task has its own.
    InTasks,
    /// Not beside that field.
    Without(&'static str),
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum FieldShape {
    /// The number of the version.
    Version,
    /// A text that is not blank.
    Text,
    /// A text that may be empty: the field is emptied then.
    OpenText,
    /// A text in which `$` is an ordinary character.
    Prompt,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words; a pinned resource may hold another.
    OpenWord(&'static [&'static str]),
    /// A positive whole number.
    Number,
    /// A whole number.
    Natural,
    /// A whole number from the one to the other.
    Range(u64, u64),
    /// Any number.
    Bound,
    /// `true` or `false`.
    Flag,
    /// A text or a list of texts.
    Texts,
    /// A regular expression.
    Expression,
    /// A regular expression or a list of them.
    Expressions,
    /// A list of prompts.
    Prompts,
    /// A list of keys.
    Keys,
    /// A list of words whose order means nothing.
    Set,
    /// Keys of agents, each with a number.
    References,
    /// Keys of agents in their order, or each with its number.
    Sequence,
    /// A date or an instant.
    Moment,
    /// A length of time.
    Duration,
    /// An offset from UTC.
    Offset,
    /// A mapping of fields.
    Mapping(&'static [Spec]),
    /// `defaults`: fields of a task.
    Defaults,
    /// Agents by their keys, or the files that hold them.
    Agents,
    /// Values by the names of variables.
    Vars,
    /// Environments by their names.
    Environments,
    /// A list of names of environments.
    EnvironmentNames,
    /// The values of axes by their names.
    Matrix,
    /// A list of combinations of a matrix.
    Exclude,
    /// Tasks by their keys.
    Tasks,
    /// Deployments by their keys.
    Deployments,
}

/// The fields of the top level.
pub(super) const MANIFEST: &[Spec] = &[
    always("version", Version, "The version of the manifest format.", "1"),
    free(
        "organizationId",
        Text,
        "The organization of the tasks. Credentials for another one are refused.",
        "that of the credentials",
        "${QC_ORGANIZATION_ID}",
    ),
    free(
        "vars",
        Vars,
        "Variables: `${NAME}` in any field but a prompt is the value of `NAME`. `--var` and `--var-file` \
         override them.",
        "",
        "{capital: 100000, universe: SPY}",
    ),
    free(
        ENVIRONMENTS,
        Environments,
        "The environments, each under its name: one manifest for `dev` and `prod`. `--env` selects one.",
        "the manifest is for one organization",
        "{dev: {organizationId: 3b13, vars: {capital: 10000}}, prod: {organizationId: 9f2c}}",
    ),
    settings::settings(
        "How much one apply may do, how fast, and where transcripts are saved. Flags override it.",
        "as without these flags",
    ),
    free(
        "defaults",
        FieldShape::Defaults,
        "Fields of every task that does not set them itself; all but `name` and `id`. A task that sets \
         `agent` or `agentId` overrides both; so does one that sets `prompt` or `promptFile`.",
        "",
        "{agent: Momentum Researcher, projectPreference: project-for-task}",
    ),
    free(
        "agents",
        Agents,
        "The agents, each under a key: its local name, which the service does not know. In place of \
         its fields, the path of a Markdown file: its front matter is the fields, and the rest is the \
         system prompt.",
        "",
        "{researcher: {model: claude-opus-4-7, systemPromptFile: agents/researcher.md}}",
    ),
    free(
        "tasks",
        Tasks,
        "The tasks, each under a key: its local name, which the service does not know. A key holds \
         letters, digits, `.`, `_` and `-`. `{}` declares none.",
        "required where there are no `agents`",
        "{spy: {agent: Momentum Researcher, prompt: Buy SPY, projectPreference: project-for-task}}",
    ),
    free(
        "forget",
        Keys,
        "Keys that qcops no longer manages. Their tasks and agents are never changed or removed.",
        "",
        "[old-key]",
    ),
    free(
        "serviceUtcOffset",
        Offset,
        "The time zone of the service's time stamps, if you know it.",
        "UTC; `zone-unknown` blocks a step that depends on it",
        "\"+00:00\"",
    ),
];

/// The name of the field for environments, of the manifest and of a resource.
pub(super) const ENVIRONMENTS: &str = "environments";

/// What `--env` takes for every environment, so that none may have the name.
pub const EVERY_ENVIRONMENT: &str = "all";

/// The fields of an environment.
pub(super) const ENVIRONMENT: &[Spec] = &[
    free(
        "organizationId",
        Text,
        "The organization of this environment. Credentials for another one are refused.",
        "that of the manifest",
        "3b13",
    ),
    free(
        "vars",
        Vars,
        "Variables of this environment; they override those of the manifest.",
        "",
        "{capital: 10000}",
    ),
    settings::settings(
        "Settings of this environment; field by field they override those of the manifest.",
        "those of the manifest",
    ),
];

/// The fields of a task, and of `defaults`: those of its kind, then those that no call takes.
pub(super) static TASK: LazyLock<Vec<Spec>> = LazyLock::new(|| {
    let mut rows: Vec<Spec> = kinds::TASK.managed().flat_map(of_kind).collect();
    rows.extend(OF_EVERY_TASK);
    rows.extend(OF_TEMPLATES);
    rows
});

const OF_EVERY_TASK: [Spec; 4] = [
    Spec {
        stands: Stands::InTasks,
        ..free(
            "id",
            Number,
            "The id of an existing task: a pin. It proves that the task is owned.",
            "matched by content and history",
            "512",
        )
    },
    free(
        "protect",
        Flag,
        "Whether qcops never deletes, archives or replaces the task.",
        "`false`",
        "true",
    ),
    Spec {
        stands: Stands::InTasks,
        ..free(
            ENVIRONMENTS,
            EnvironmentNames,
            "The environments that have the task.",
            "every environment",
            "[prod]",
        )
    },
    free(
        "deployments",
        Deployments,
        "Its declared deployments, each under a key. `apply` starts those that do not exist.",
        "none",
        "{baseline: {}}",
    ),
];

/// The fields that make a task or an agent a template.
const OF_TEMPLATES: [Spec; 3] = [
    of_resource(
        "matrix",
        Matrix,
        "One task or agent for each combination of these values: `momentum[SPY,6]`. Names, prompts and \
         follow-ups are templates then.",
        "{symbol: [SPY, QQQ], window: [6, 12]}",
    ),
    of_resource(
        "exclude",
        Exclude,
        "Combinations of the matrix that are left out; a part of one stands for all that have it.",
        "[{symbol: QQQ, window: 12}]",
    ),
    Spec {
        default: "`true` with a `matrix`, else `false`",
        ..of_resource(
            "template",
            Flag,
            "Whether names, prompts and follow-ups are templates in Jinja's syntax.",
            "true",
        )
    },
];

/// The fields of an agent: those of its kind, then those that no call takes.
pub(super) static AGENT: LazyLock<Vec<Spec>> = LazyLock::new(|| {
    let mut rows: Vec<Spec> = kinds::AGENT.managed().flat_map(of_kind).collect();
    rows.extend(OF_EVERY_AGENT);
    rows.extend(OF_TEMPLATES);
    rows
});

const OF_EVERY_AGENT: [Spec; 3] = [
    free(
        "id",
        Number,
        "The id of an existing agent: a pin. It proves that the agent is owned.",
        "matched by name and history",
        "47",
    ),
    free("protect", Flag, "Whether qcops never deletes the agent.", "`false`", "true"),
    free(
        ENVIRONMENTS,
        EnvironmentNames,
        "The environments that have the agent; not in a file of its own.",
        "every environment",
        "[prod]",
    ),
];

/// A field of a kind, and the other way to give it, in the order of their names.
fn of_kind(field: &'static Field) -> Vec<Spec> {
    let shape = match field.shape {
        kinds::Shape::LongText => Prompt,
        kinds::Shape::Word(words) => OpenWord(words),
        kinds::Shape::Reference(_) | kinds::Shape::Integer => Number,
        kinds::Shape::Member(_) => Natural,
        kinds::Shape::Flag => Flag,
        kinds::Shape::Line if field.name == NAME => Text,
        kinds::Shape::Line => OpenText,
        kinds::Shape::Set => Set,
        kinds::Shape::References(_) => References,
        kinds::Shape::Sequence(_) => Sequence,
        // No call takes one.
        kinds::Shape::Setting => return Vec::new(),
    };
    let own = free(field.name, shape, field.doc, field.default.unwrap_or(""), field.example);
    let Some(instead) = &field.instead else {
        let stands = if field.name == NAME { Stands::InTasks } else { Stands::Freely };
        return vec![Spec { stands, ..own }];
    };
    let other = free(instead.name, Text, instead.doc, "", instead.example);
    let mut rows = vec![
        Spec { stands: Stands::Without(instead.name), ..own },
        Spec { stands: Stands::Without(field.name), ..other },
    ];
    rows.sort_by_key(|row| row.name);
    rows
}

/// Of each of these a task needs one, its own or that of `defaults`.
pub(super) fn needed() -> impl Iterator<Item = Vec<&'static str>> {
    let needed = kinds::TASK.managed().filter(|field| field.default.is_none());
    needed.map(|field| std::iter::once(field.name).chain(other_name(field)).collect())
}

/// The name of the other way to give a field.
pub(super) fn other_name(field: &Field) -> Option<&'static str> {
    field.instead.as_ref().map(|instead| instead.name)
}

/// The fields of a deployment.
pub(super) const DEPLOYMENT: &[Spec] = &[
    free(
        "since",
        Moment,
        "Only a deployment created at or after this date (UTC) or instant counts. Move it to start another.",
        "any deployment counts",
        "2026-11-01",
    ),
    free(
        "followUps",
        Prompts,
        "Prompts that are sent after the prompt of the task, in this order, each once.",
        "none",
        "[Replace SPY by QQQ, Report the drawdown]",
    ),
    free(
        "state",
        Word(&["stopped"]),
        "`stopped`: an active deployment is stopped, and none is started.",
        "the deployment continues",
        "stopped",
    ),
    free(
        "timeout",
        Duration,
        "How long `apply --wait` waits for the deployment and its follow-ups.",
        "`--timeout`, 30 minutes",
        "2h 30m",
    ),
    free(
        "expect",
        Mapping(EXPECT),
        "What `apply --wait` checks when the deployment has ended. Every field must hold.",
        "a deployment that this apply started must complete",
        "{transcript: {contains: Sharpe}, noToolFailure: true}",
    ),
];

/// The words a deployment can end with (contract 10).
pub(super) const ENDS: &[&str] = &["Completed", "Stopped", "Failed"];

/// The fields of `expect`.
pub(super) const EXPECT: &[Spec] = &[
    free("status", Word(ENDS), "The status it ends with.", "", "Completed"),
    free(
        "transcript",
        Mapping(TRANSCRIPT),
        "What the agent wrote: its text, without its reasoning and its tools.",
        "",
        "{contains: Sharpe, notMatches: '(?i)runtime error'}",
    ),
    free("toolCalled", Texts, "Tools that are each called at least once.", "", "create_backtest"),
    free("toolNotCalled", Texts, "Tools that are never called.", "", "[delete_project]"),
    free("noToolFailure", Flag, "Whether no tool may fail.", "`false`", "true"),
    free(
        "number",
        Mapping(NUMBER),
        "A number in the last text of the agent.",
        "",
        "{pattern: 'Sharpe Ratio of (-?[0-9.]+)', min: 0.5}",
    ),
    free("maxTokens", Number, "The most tokens, input and output together.", "", "200000"),
    free("maxTurns", Number, "The most turns of the agent.", "", "20"),
];

/// The fields of `expect.transcript`.
pub(super) const TRANSCRIPT: &[Spec] = &[
    free("contains", Texts, "Texts that the agent writes.", "", "Sharpe"),
    free("notContains", Texts, "Texts that the agent does not write.", "", "[I could not]"),
    free("matches", Expressions, "Expressions that match.", "", r"'Sharpe Ratio of \d'"),
    free("notMatches", Expressions, "Expressions that do not match.", "", "'(?i)runtime error'"),
];

/// The fields of `expect.number`.
pub(super) const NUMBER: &[Spec] = &[
    always(
        "pattern",
        Expression,
        "The expression whose first group is the number. Without a group, the whole match is the number.",
        "'Sharpe Ratio of (-?[0-9.]+)'",
    ),
    free("min", Bound, "The smallest number allowed.", "", "0.5"),
    free("max", Bound, "The largest number allowed.", "", "3"),
];

/// Fields of earlier versions, each with its name today.
pub(super) const RENAMED: &[(&str, &str)] = &[("released", "forget")];

/// How the names of the top level begin that qcops leaves to people, such as `x-shared`.
pub(super) const OWN_PREFIX: &str = "x-";

/// Finds a field by its name, wherever it stands.
pub(super) fn find(name: &str) -> Option<&'static Spec> {
    let tables = [MANIFEST, ENVIRONMENT, &TASK, &AGENT, DEPLOYMENT, EXPECT, TRANSCRIPT, NUMBER];
    tables.into_iter().chain([SETTINGS, LIMITS]).flatten().find(|spec| spec.name == name)
}

/// Whether any mapping has a field of this name.
pub(super) fn is_known(name: &str) -> bool {
    find(name).is_some()
}

const fn free(
    name: &'static str,
    shape: FieldShape,
    about: &'static str,
    default: &'static str,
    example: &'static str,
) -> Spec {
    Spec { name, shape, about, default, example, stands: Stands::Freely }
}

/// A field of a single task or agent.
const fn of_resource(
    name: &'static str,
    shape: FieldShape,
    about: &'static str,
    example: &'static str,
) -> Spec {
    Spec { stands: Stands::InTasks, ..free(name, shape, about, "", example) }
}

const fn always(
    name: &'static str,
    shape: FieldShape,
    about: &'static str,
    example: &'static str,
) -> Spec {
    Spec { name, shape, about, default: "", example, stands: Stands::Always }
}
