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

/// Declares the quirks, a row each: what it decides, its field and default, its name and values.
macro_rules! quirks {
    ($(
        #[doc = $about:literal]
        $field:ident: $type:ty = $default:expr, $name:literal, $values:expr;
    )+) => {
        /// Every quirk, in the order of the fields of [`Quirks`].
        pub const QUIRKS: &[QuirkSpec] = &[
            $(QuirkSpec { name: $name, values: $values, about: $about.trim_ascii() }),+
        ];

        /// Every unknown, decided.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, rename_all = "kebab-case")]
        pub struct Quirks { $(#[doc = $about] pub $field: $type),+ }

        impl Default for Quirks {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }
    };
}

quirks! {
    /// How long a deployment waits in the queue, in milliseconds.
    queue_ms: u32 = 1_000, "queue-ms", NUMBER;
    /// How long an agent works on one prompt, in milliseconds.
    run_ms: u32 = 3_000, "run-ms", NUMBER;
    /// How long a stop takes to show, in milliseconds; 0: at once.
    stop_ms: u32 = 0, "stop-ms", NUMBER;
    /// How many deployments run at once, the rest queue; 0: no limit.
    concurrent_runs: u32 = 0, "concurrent-runs", NUMBER;
    /// How a deployment ends if no rule of the script decides.
    run_outcome: RunOutcome = RunOutcome::Completed, "run-outcome", OUTCOMES;
    /// How the name of a new task is rewritten.
    name_on_create: NameRule = NameRule::Clean, "name-on-create", NAMES;
    /// How the new name of a task is rewritten.
    name_on_update: NameRule = NameRule::Verbatim, "name-on-update", NAMES;
    /// What happens to a name that another task has.
    duplicate_name: DuplicateName = DuplicateName::Allow, "duplicate-name", DUPLICATES;
    /// The longest name of a task or agent, in characters; 0: no limit.
    name_limit: u32 = 0, "name-limit", NUMBER;
    /// What happens to a name beyond the limit.
    long_name: TooLong = TooLong::Cut, "long-name", &["cut", "refuse"];
    /// Whether blanks around the prompt of a task or deployment are dropped.
    prompt_trim: Switch = Switch::Off, "prompt-trim", ON_OFF;
    /// How the prompt of a task or deployment is changed.
    prompt_rewrite: PromptRewrite = PromptRewrite::Verbatim,
        "prompt-rewrite", &["verbatim", "crlf", "append"];
    /// The longest prompt or system prompt, in characters; 0: no limit.
    prompt_limit: u32 = 0, "prompt-limit", NUMBER;
    /// What happens to a prompt beyond the limit.
    long_prompt: TooLong = TooLong::Cut, "long-prompt", &["cut", "refuse"];
    /// How long a new task or agent is missing from lists, in milliseconds.
    list_lag_ms: u32 = 0, "list-lag-ms", NUMBER;
    /// The order of lists.
    list_order: ListOrder = ListOrder::OldestFirst, "list-order", ORDERS;
    /// What the entries of the list of tasks lack.
    list_entry: ListEntry = ListEntry::Whole, "list-entry", ENTRIES;
    /// How many entries a list shows at most, without saying so; 0: no limit.
    list_cap: u32 = 0, "list-cap", NUMBER;
    /// Whether the platform's agent 47 is listed.
    platform_agents: Visibility = Visibility::Listed,
        "platform-agents", &["listed", "hidden"];
    /// How numeric ids are written in answers.
    ids_sent: IdsSent = IdsSent::Numbers, "ids-sent", &["numbers", "strings"];
    /// Whether digits in quotes pass as a numeric id.
    ids_accepted: IdsAccepted = IdsAccepted::Numbers, "ids-accepted", &["numbers", "both"];
    /// What unknown fields of a request do.
    unknown_fields: UnknownFields = UnknownFields::Ignore, "unknown-fields", &["ignore", "refuse"];
    /// Whether answers carry undocumented fields.
    extra_fields: Switch = Switch::Off, "extra-fields", ON_OFF;
    /// The member `errors` of a success.
    errors_member: ErrorsMember = ErrorsMember::Present,
        "errors-member", &["present", "missing", "null"];
    /// Where the text of a refusal is.
    refusal_form: RefusalForm = RefusalForm::Errors, "refusal-form", REFUSALS;
    /// How a wrong or stale signature is answered.
    auth_failure: AuthFailure = AuthFailure::Unauthorized, "auth-failure", &["401", "text", "500"];
    /// What the update of a task answers.
    update_answer: UpdateAnswer = UpdateAnswer::Envelope, "update-answer", &["envelope", "task"];
    /// What deleting a task with deployments does.
    delete_task: DeleteTask = DeleteTask::RefuseActive, "delete-task", DELETES;
    /// What deleting an active deployment does.
    delete_active: DeleteActive = DeleteActive::Refuse, "delete-active", &["refuse", "cascade"];
    /// What deleting the agent of a task does.
    delete_agent_in_use: Consent = Consent::Refuse,
        "delete-agent-in-use", &["refuse", "accept"];
    /// What a second deployment beside an active one does.
    create_while_active: CreateWhileActive = CreateWhileActive::Parallel,
        "create-while-active", &["parallel", "queue", "refuse"];
    /// What a prompt to an active deployment does.
    prompt_on_running: Consent = Consent::Accept, "prompt-on-running", &["accept", "refuse"];
    /// What a prompt to a stopped or failed deployment does.
    prompt_on_ended: Consent = Consent::Refuse, "prompt-on-ended", &["refuse", "accept"];
    /// Whether a waiting prompt is in the conversation yet.
    queued_prompt: Display = Display::Shown, "queued-prompt", &["shown", "hidden"];
    /// How long a new deployment cannot be read, in milliseconds.
    deployment_lag_ms: u32 = 0, "deployment-lag-ms", NUMBER;
    /// The member `prompt` of deployments.
    deployment_prompt: DeploymentPrompt = DeploymentPrompt::Whole,
        "deployment-prompt", &["whole", "missing", "null"];
    /// Whether a task counts its deleted deployments.
    deployment_count: DeploymentCount = DeploymentCount::Existing,
        "deployment-count", &["existing", "ever"];
    /// The conversation of a queued deployment.
    conversation_in_queue: QueuedConversation = QueuedConversation::Prompt,
        "conversation-in-queue", QUEUED;
    /// The token counts of a conversation.
    token_counts: TokenCounts = TokenCounts::Present, "token-counts", &["present", "null"];
    /// How an agent's own key is shown.
    token_echo: TokenEcho = TokenEcho::Masked, "token-echo", &["masked", "clear", "missing"];
    /// How a status is spelled.
    status_case: StatusCase = StatusCase::Documented, "status-case", &["documented", "lower"];
    /// The zone of time stamps, in minutes east of UTC.
    utc_offset_minutes: i32 = 0, "utc-offset-minutes", NUMBER;
    /// How the name of a new agent is rewritten.
    agent_name_on_create: NameRule = NameRule::Verbatim, "agent-name-on-create", NAMES;
    /// How the new name of an agent is rewritten.
    agent_name_on_update: NameRule = NameRule::Verbatim, "agent-name-on-update", NAMES;
    /// What happens to a name that another agent has.
    duplicate_agent_name: DuplicateName = DuplicateName::Allow, "duplicate-agent-name", DUPLICATES;
    /// How the system prompt of an agent is changed.
    system_prompt: SystemPrompt = SystemPrompt::Verbatim,
        "system-prompt", &["verbatim", "trim", "crlf", "append"];
    /// What `useQCC` does to an agent's model; `all-ignored`: to effort, turns and tool choice, too.
    model_with_qcc: ModelWithQcc = ModelWithQcc::Kept,
        "model-with-qcc", &["kept", "ignored", "all-ignored", "rewritten"];
    /// The order of an agent's tools.
    tool_order: ToolOrder = ToolOrder::AsSent, "tool-order", &["as-sent", "sorted", "reversed"];
    /// Whether the tools of every agent get `user_input` added.
    default_tool: Switch = Switch::Off, "default-tool", ON_OFF;
    /// What a tool that no documentation names does.
    unknown_tool: UnknownTool = UnknownTool::Accept,
        "unknown-tool", &["accept", "refuse", "drop"];
    /// What a reference to an agent that does not exist does.
    unknown_agent: Consent = Consent::Refuse, "unknown-agent", &["refuse", "accept"];
    /// What an agent with neither `useQCC` nor a key of its own does: it exists or is refused.
    keyless_agent: Consent = Consent::Accept, "keyless-agent", &["accept", "refuse"];
    /// Whether conversations and the `debug` of new deployments define their agent.
    agent_definitions: Display = Display::Hidden, "agent-definitions", &["shown", "hidden"];
    /// Whether reads of an agent contain the agents that it chains.
    expand_agents: Switch = Switch::Off, "expand-agents", ON_OFF;
    /// How fields of an agent show that are empty: as they are, as null or not at all.
    agent_empty_fields: EmptyFields = EmptyFields::Shown,
        "agent-empty-fields", &["shown", "null", "missing"];
    /// What the entries of the list of agents lack.
    agent_list_entry: ListEntry = ListEntry::Whole, "agent-list-entry", ENTRIES;
    /// How long the update of an agent cannot be read, in milliseconds.
    agent_update_lag_ms: u32 = 0, "agent-update-lag-ms", NUMBER;
    /// What the update of an agent answers.
    agent_update_answer: AgentUpdateAnswer = AgentUpdateAnswer::Envelope,
        "agent-update-answer", &["envelope", "agent"];
    /// Which fields of an agent a null clears: those that reads show as null, all or none.
    explicit_null: ExplicitNull = ExplicitNull::Nullable,
        "explicit-null", &["nullable", "clear", "ignore", "refuse"];
    /// What deleting an agent does while another one refers to it.
    delete_referenced_agent: DeleteReferenced = DeleteReferenced::Refuse,
        "delete-referenced-agent", &["refuse", "accept", "unlink"];
    /// Whether the private agents of other people are listed.
    private_agents: Visibility = Visibility::Listed, "private-agents", &["listed", "hidden"];
    /// What changing or deleting an agent of the platform or of other people does.
    others_agents: Consent = Consent::Accept, "others-agents", &["accept", "refuse"];
}

/// The values of a quirk that takes a whole number.
const NUMBER: &[&str] = &[];
const ON_OFF: &[&str] = &["off", "on"];
const OUTCOMES: &[&str] = &["completed", "failed", "tool-failure", "stopped", "hangs"];
const NAMES: &[&str] = &["verbatim", "collapse", "clean", "title", "fold"];
const DUPLICATES: &[&str] = &["allow", "suffix", "refuse"];
const ORDERS: &[&str] = &["oldest-first", "newest-first", "by-name", "shuffled"];
const ENTRIES: &[&str] = &["whole", "without-prompt", "cut-prompt", "bare"];
const REFUSALS: &[&str] = &["errors", "string", "messages", "message", "silent"];
const DELETES: &[&str] = &["refuse-active", "refuse-any", "cascade", "keep"];
const QUEUED: &[&str] = &["prompt", "empty", "null", "missing"];

/// Declares the words of one quirk.
macro_rules! words {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$note:meta])? $word:ident $(= $text:literal)?),+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$note])? $(#[serde(rename = $text)])? $word),+ }
    };
}

words! { /// A switch that is on or off.
Switch { Off, On } }
words! { /// How a deployment ends.
#[derive(Default)]
RunOutcome { #[default] Completed, Failed, ToolFailure, Stopped, Hangs } }
words! { /// How a name is rewritten, from nothing to everything.
NameRule { Verbatim, Collapse, Clean, Title, Fold } }
words! { /// What a name gets that another task has.
DuplicateName { Allow, Suffix, Refuse } }
words! { /// What happens to a text beyond its limit.
TooLong { Cut, Refuse } }
words! { /// How every prompt is changed.
PromptRewrite { Verbatim, Crlf, Append } }
words! { /// The order of lists.
ListOrder { OldestFirst, NewestFirst, ByName, Shuffled } }
words! { /// What the entries of the list of tasks lack.
ListEntry { Whole, WithoutPrompt, CutPrompt, Bare } }
words! { /// Whether something is shown in lists.
Visibility { Listed, Hidden } }
words! { /// How ids are written.
IdsSent { Numbers, Strings } }
words! { /// Which spellings of an id are accepted.
IdsAccepted { Numbers, Both } }
words! { /// What unknown fields of a request lead to.
UnknownFields { Ignore, Refuse } }
words! { /// The member `errors` of a success.
ErrorsMember { Present, Missing, Null } }
words! { /// Where the text of a refusal stands (contract 6.1).
RefusalForm { Errors, String, Messages, Message, Silent } }
words! { /// How a bad signature is answered.
AuthFailure { Unauthorized = "401", Text, ServerError = "500" } }
words! { /// What the update of a task answers.
UpdateAnswer { Envelope, Task } }
words! { /// What deleting a task with deployments does.
DeleteTask { RefuseActive, RefuseAny, Cascade, Keep } }
words! { /// What deleting an active deployment does.
DeleteActive { Refuse, Cascade } }
words! { /// What a second deployment beside an active one does.
CreateWhileActive { Parallel, Queue, Refuse } }
words! { /// Whether something is done or refused.
Consent { Accept, Refuse } }
words! { /// Whether something is shown.
Display { Shown, Hidden } }
words! { /// The member `prompt` of deployments.
DeploymentPrompt { Whole, Missing, Null } }
words! { /// What the member `deployments` of a task counts.
DeploymentCount { Existing, Ever } }
words! { /// The conversation of a queued deployment.
QueuedConversation { Prompt, Empty, Null, Missing } }
words! { /// The token counts of a conversation.
TokenCounts { Present, Null } }
words! { /// How an agent's own key is shown.
TokenEcho { Masked, Clear, Missing } }
words! { /// How a system prompt is changed.
SystemPrompt { Verbatim, Trim, Crlf, Append } }
words! { /// What happens to the model of an agent that runs on the platform's own.
ModelWithQcc { Kept, Ignored, AllIgnored, Rewritten } }
words! { /// The order of an agent's tools.
ToolOrder { AsSent, Sorted, Reversed } }
words! { /// What a tool that no documentation names does.
UnknownTool { Accept, Refuse, Drop } }
words! { /// How empty fields show.
EmptyFields { Shown, Null, Missing } }
words! { /// What the update of an agent answers.
AgentUpdateAnswer { Envelope, Agent } }
words! { /// What a null in a request does.
ExplicitNull { Nullable, Clear, Ignore, Refuse } }
words! { /// What deleting an agent does while another one refers to it.
DeleteReferenced { Refuse, Accept, Unlink } }
words! { /// How a status is spelled.
StatusCase { Documented, Lower } }

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
