//! The unknowns of the service, each one a switch with a default (contract 14).
//!
//! No source says how the service decides these. A client that converges under every value of every
//! row of [`QUIRKS`] does not depend on our guess. Quirks are kept with the world.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One row of the table of quirks, for `--quirk NAME=VALUE` and for the documents.
#[derive(Clone, Copy, Debug)]
pub struct QuirkSpec {
    /// The name before the equals sign.
    pub name: &'static str,
    /// The words it may be set to; empty where it takes a whole number.
    pub values: &'static [&'static str],
    /// One sentence on what it decides.
    pub about: &'static str,
}

/// Every quirk, in the order of the fields of [`Quirks`].
pub const QUIRKS: &[QuirkSpec] = &[
    row("queue-ms", &[], "How long a deployment waits in the queue, in milliseconds."),
    row("run-ms", &[], "How long an agent works on one prompt, in milliseconds."),
    row("stop-ms", &[], "How long a stop takes to show, in milliseconds; 0: at once."),
    row("concurrent-runs", &[], "How many deployments run at once, the rest queue; 0: no limit."),
    row("run-outcome", OUTCOMES, "How a deployment ends if no rule of the script decides."),
    row("name-on-create", NAMES, "How the name of a new task is rewritten."),
    row("name-on-update", NAMES, "How the new name of a task is rewritten."),
    row(
        "duplicate-name",
        &["allow", "suffix", "refuse"],
        "What happens to a name that another task has.",
    ),
    row("name-limit", &[], "The longest name of a task, in characters; 0: no limit."),
    row("long-name", &["cut", "refuse"], "What happens to a name beyond the limit."),
    row("prompt-trim", ON_OFF, "Whether blanks around a prompt are dropped."),
    row("prompt-rewrite", &["verbatim", "crlf", "append"], "How every prompt is changed."),
    row("prompt-limit", &[], "The longest prompt, in characters; 0: no limit."),
    row("long-prompt", &["cut", "refuse"], "What happens to a prompt beyond the limit."),
    row("list-lag-ms", &[], "How long a new task or agent is missing from lists, in milliseconds."),
    row("list-order", ORDERS, "The order of lists."),
    row("list-entry", ENTRIES, "What the entries of the list of tasks lack."),
    row("list-cap", &[], "How many entries a list shows at most, without saying so; 0: no limit."),
    row("platform-agents", &["listed", "hidden"], "Whether the platform's agent 47 is listed."),
    row("ids-sent", &["numbers", "strings"], "How numeric ids are written in answers."),
    row("ids-accepted", &["numbers", "both"], "Whether digits in quotes pass as a numeric id."),
    row("unknown-fields", &["ignore", "refuse"], "What unknown fields of a request do."),
    row("extra-fields", ON_OFF, "Whether answers carry fields that nobody documented."),
    row("errors-member", &["present", "missing", "null"], "The member `errors` of a success."),
    row("refusal-form", REFUSALS, "Where the text of a refusal is."),
    row("auth-failure", &["401", "text", "500"], "How a wrong or stale signature is answered."),
    row("update-answer", &["envelope", "task"], "What the update of a task answers."),
    row("delete-task", DELETES, "What deleting a task with deployments does."),
    row("delete-active", &["refuse", "cascade"], "What deleting an active deployment does."),
    row("delete-agent-in-use", &["refuse", "accept"], "What deleting the agent of a task does."),
    row(
        "create-while-active",
        &["parallel", "queue", "refuse"],
        "What a second deployment beside an active one does.",
    ),
    row("prompt-on-running", &["accept", "refuse"], "What a prompt to an active deployment does."),
    row(
        "prompt-on-ended",
        &["refuse", "accept"],
        "What a prompt to a stopped or failed deployment does.",
    ),
    row(
        "queued-prompt",
        &["shown", "hidden"],
        "Whether a waiting prompt is in the conversation yet.",
    ),
    row("deployment-lag-ms", &[], "How long a new deployment cannot be read, in milliseconds."),
    row("deployment-prompt", &["whole", "missing", "null"], "The member `prompt` of deployments."),
    row(
        "deployment-count",
        &["existing", "ever"],
        "Whether a task counts its deleted deployments.",
    ),
    row("conversation-in-queue", QUEUED, "The conversation of a queued deployment."),
    row("token-counts", &["present", "null"], "The token counts of a conversation."),
    row("token-echo", &["masked", "clear", "missing"], "How an agent's own key is shown."),
    row("status-case", &["documented", "lower"], "How a status is spelled."),
    row("utc-offset-minutes", &[], "The zone of time stamps, in minutes east of UTC."),
];

const ON_OFF: &[&str] = &["off", "on"];
const OUTCOMES: &[&str] = &["completed", "failed", "tool-failure", "stopped", "hangs"];
const NAMES: &[&str] = &["verbatim", "collapse", "clean", "title", "fold"];
const ORDERS: &[&str] = &["oldest-first", "newest-first", "by-name", "shuffled"];
const ENTRIES: &[&str] = &["whole", "without-prompt", "cut-prompt", "bare"];
const REFUSALS: &[&str] = &["errors", "string", "messages", "message", "silent"];
const DELETES: &[&str] = &["refuse-active", "refuse-any", "cascade", "keep"];
const QUEUED: &[&str] = &["prompt", "empty", "null", "missing"];

const fn row(
    name: &'static str,
    values: &'static [&'static str],
    about: &'static str,
) -> QuirkSpec {
    QuirkSpec { name, values, about }
}

/// Declares the words of one quirk; the first is the default where none is marked.
macro_rules! words {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$note:meta])* $word:ident $(= $text:literal)?),+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$note])* $(#[serde(rename = $text)])? $word),+ }
    };
}

words! { /// A switch that is on or off.
Switch { #[default] Off, On } }
words! { /// How a deployment ends.
RunOutcome { #[default] Completed, Failed, ToolFailure, Stopped, Hangs } }
words! { /// How a name is rewritten, from nothing to everything.
NameRule { Verbatim, Collapse, #[default] Clean, Title, Fold } }
words! { /// What a name gets that another task has.
DuplicateName { #[default] Allow, Suffix, Refuse } }
words! { /// What happens to a text beyond its limit.
TooLong { #[default] Cut, Refuse } }
words! { /// How every prompt is changed.
PromptRewrite { #[default] Verbatim, Crlf, Append } }
words! { /// The order of lists.
ListOrder { #[default] OldestFirst, NewestFirst, ByName, Shuffled } }
words! { /// What the entries of the list of tasks lack.
ListEntry { #[default] Whole, WithoutPrompt, CutPrompt, Bare } }
words! { /// Whether the platform's own agent is listed.
PlatformAgents { #[default] Listed, Hidden } }
words! { /// How ids are written.
IdsSent { #[default] Numbers, Strings } }
words! { /// Which spellings of an id are accepted.
IdsAccepted { #[default] Numbers, Both } }
words! { /// What unknown fields of a request lead to.
UnknownFields { #[default] Ignore, Refuse } }
words! { /// The member `errors` of a success.
ErrorsMember { #[default] Present, Missing, Null } }
words! { /// Where the text of a refusal stands (contract 6.1).
RefusalForm { #[default] Errors, String, Messages, Message, Silent } }
words! { /// How a bad signature is answered.
AuthFailure { #[default] Unauthorized = "401", Text, ServerError = "500" } }
words! { /// What the update of a task answers.
UpdateAnswer { #[default] Envelope, Task } }
words! { /// What deleting a task with deployments does.
DeleteTask { #[default] RefuseActive, RefuseAny, Cascade, Keep } }
words! { /// What deleting an active deployment does.
DeleteActive { #[default] Refuse, Cascade } }
words! { /// What a second deployment beside an active one does.
CreateWhileActive { #[default] Parallel, Queue, Refuse } }
words! { /// Whether something is done or refused.
Consent { #[default] Accept, Refuse } }
words! { /// Whether something is allowed, refused where nothing is said.
Reluctance { #[default] Refuse, Accept } }
words! { /// Whether a waiting prompt is shown.
QueuedPrompt { #[default] Shown, Hidden } }
words! { /// The member `prompt` of deployments.
DeploymentPrompt { #[default] Whole, Missing, Null } }
words! { /// What the member `deployments` of a task counts.
DeploymentCount { #[default] Existing, Ever } }
words! { /// The conversation of a queued deployment.
QueuedConversation { #[default] Prompt, Empty, Null, Missing } }
words! { /// The token counts of a conversation.
TokenCounts { #[default] Present, Null } }
words! { /// How an agent's own key is shown.
TokenEcho { #[default] Masked, Clear, Missing } }
words! { /// How a status is spelled.
StatusCase { #[default] Documented, Lower } }

/// Every unknown, decided; [`QUIRKS`] says what each field means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Quirks {
    pub queue_ms: u32,
    pub run_ms: u32,
    pub stop_ms: u32,
    pub concurrent_runs: u32,
    pub run_outcome: RunOutcome,
    pub name_on_create: NameRule,
    pub name_on_update: NameRule,
    pub duplicate_name: DuplicateName,
    pub name_limit: u32,
    pub long_name: TooLong,
    pub prompt_trim: Switch,
    pub prompt_rewrite: PromptRewrite,
    pub prompt_limit: u32,
    pub long_prompt: TooLong,
    pub list_lag_ms: u32,
    pub list_order: ListOrder,
    pub list_entry: ListEntry,
    pub list_cap: u32,
    pub platform_agents: PlatformAgents,
    pub ids_sent: IdsSent,
    pub ids_accepted: IdsAccepted,
    pub unknown_fields: UnknownFields,
    pub extra_fields: Switch,
    pub errors_member: ErrorsMember,
    pub refusal_form: RefusalForm,
    pub auth_failure: AuthFailure,
    pub update_answer: UpdateAnswer,
    pub delete_task: DeleteTask,
    pub delete_active: DeleteActive,
    pub delete_agent_in_use: Reluctance,
    pub create_while_active: CreateWhileActive,
    pub prompt_on_running: Consent,
    pub prompt_on_ended: Reluctance,
    pub queued_prompt: QueuedPrompt,
    pub deployment_lag_ms: u32,
    pub deployment_prompt: DeploymentPrompt,
    pub deployment_count: DeploymentCount,
    pub conversation_in_queue: QueuedConversation,
    pub token_counts: TokenCounts,
    pub token_echo: TokenEcho,
    pub status_case: StatusCase,
    pub utc_offset_minutes: i32,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            queue_ms: 1_000,
            run_ms: 3_000,
            stop_ms: 0,
            concurrent_runs: 0,
            run_outcome: RunOutcome::default(),
            // Contract 7: a name is rewritten on create and survives an update.
            name_on_create: NameRule::Clean,
            name_on_update: NameRule::Verbatim,
            duplicate_name: DuplicateName::default(),
            name_limit: 0,
            long_name: TooLong::default(),
            prompt_trim: Switch::Off,
            prompt_rewrite: PromptRewrite::default(),
            prompt_limit: 0,
            long_prompt: TooLong::default(),
            list_lag_ms: 0,
            list_order: ListOrder::default(),
            list_entry: ListEntry::default(),
            list_cap: 0,
            platform_agents: PlatformAgents::default(),
            ids_sent: IdsSent::default(),
            ids_accepted: IdsAccepted::default(),
            unknown_fields: UnknownFields::default(),
            extra_fields: Switch::Off,
            errors_member: ErrorsMember::default(),
            refusal_form: RefusalForm::default(),
            auth_failure: AuthFailure::default(),
            update_answer: UpdateAnswer::default(),
            delete_task: DeleteTask::default(),
            delete_active: DeleteActive::default(),
            delete_agent_in_use: Reluctance::default(),
            create_while_active: CreateWhileActive::default(),
            prompt_on_running: Consent::default(),
            prompt_on_ended: Reluctance::default(),
            queued_prompt: QueuedPrompt::default(),
            deployment_lag_ms: 0,
            deployment_prompt: DeploymentPrompt::default(),
            deployment_count: DeploymentCount::default(),
            conversation_in_queue: QueuedConversation::default(),
            token_counts: TokenCounts::default(),
            token_echo: TokenEcho::default(),
            status_case: StatusCase::default(),
            utc_offset_minutes: 0,
        }
    }
}

impl Quirks {
    /// Sets one quirk from the text `NAME=VALUE`; the error is a sentence with help.
    pub fn set(&mut self, setting: &str) -> Result<(), String> {
        let Some((name, value)) = setting.split_once('=') else {
            return Err(format!("`{setting}` is not of the form NAME=VALUE"));
        };
        let (name, value) = (name.trim(), value.trim());
        let Some(spec) = QUIRKS.iter().find(|spec| spec.name == name) else {
            let names: Vec<&str> = QUIRKS.iter().map(|spec| spec.name).collect();
            return Err(format!("unknown quirk `{name}`; there are: {}", names.join(", ")));
        };
        let meant = if spec.values.is_empty() {
            let number: i32 = value
                .parse()
                .map_err(|_| format!("quirk `{name}` takes a whole number, not `{value}`"))?;
            Value::from(number)
        } else if spec.values.contains(&value) {
            Value::from(value)
        } else {
            let values = spec.values.join(", ");
            return Err(format!("quirk `{name}` does not know `{value}`; it takes: {values}"));
        };
        let mut fields = serde_json::to_value(&*self).expect("quirks are words and numbers");
        fields[name] = meant;
        // A negative duration is the only thing left that does not fit.
        *self = serde_json::from_value(fields)
            .map_err(|_| format!("quirk `{name}` cannot be `{value}`"))?;
        Ok(())
    }

    /// Returns every quirk with the value it has, as it would be set.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let fields = serde_json::to_value(self).expect("quirks are words and numbers");
        let shown = |name: &str| match &fields[name] {
            Value::String(word) => word.clone(),
            number => number.to_string(),
        };
        QUIRKS.iter().map(|spec| (spec.name, shown(spec.name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_field_in_order() {
        let fields = serde_json::to_value(Quirks::default()).unwrap();
        let fields: Vec<&String> = fields.as_object().unwrap().keys().collect();
        let rows: Vec<&str> = QUIRKS.iter().map(|spec| spec.name).collect();
        assert_eq!(fields, rows);
    }

    #[test]
    fn every_value_of_the_table_can_be_set_and_is_shown_again() {
        for spec in QUIRKS {
            let values = if spec.values.is_empty() { &["0", "7"][..] } else { spec.values };
            for value in values {
                let mut quirks = Quirks::default();
                quirks.set(&format!("{}={value}", spec.name)).unwrap();
                let settings = quirks.settings();
                let shown = settings.iter().find(|setting| setting.0 == spec.name).unwrap();
                assert_eq!(shown.1, *value, "{}", spec.name);
            }
        }
    }

    #[test]
    fn a_bad_setting_says_what_would_be_good() {
        let mut quirks = Quirks::default();
        let cases = [
            ("stop-ms", "`stop-ms` is not of the form NAME=VALUE"),
            ("stop-ms=soon", "quirk `stop-ms` takes a whole number, not `soon`"),
            ("stop-ms=-1", "quirk `stop-ms` cannot be `-1`"),
            ("long-name=keep", "quirk `long-name` does not know `keep`; it takes: cut, refuse"),
        ];
        for (setting, error) in cases {
            assert_eq!(quirks.set(setting).unwrap_err(), error);
        }
        assert!(quirks.set("nmae=1").unwrap_err().starts_with("unknown quirk `nmae`; there are: "));
        assert_eq!(quirks, Quirks::default());
    }
}
