//! Every stable code with the sentence that documents it.

use std::fmt;

/// Declares the codes once: variant, printed word, kinds of finding; what it means; help, override.
macro_rules! codes {
    ($($variant:ident $word:literal $kinds:literal $sentence:literal $help:literal $over:literal)*) => {
        /// The stable name of a finding.
        ///
        /// Codes are printed, documented and given to `--allow`; a code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $sentence] $variant,)*
        }

        impl Code {
            /// Every code, in the order of their documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the word that is printed and typed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Returns the sentence that documents the code.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// Returns the kinds of finding that have the code.
            pub fn kinds(self) -> &'static str {
                match self { $(Self::$variant => $kinds,)* }
            }

            /// Returns what a reader can do about it.
            pub fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)* }
            }

            /// Returns the flag that does it regardless, or nothing.
            pub fn override_flag(self) -> &'static str {
                match self { $(Self::$variant => $over,)* }
            }
        }
    };
}

codes! {
    // Manifest.
    UnreadableFile "unreadable-file" "error"
        "A file that the manifest needs cannot be read."
        "Write a path relative to the manifest, inside its repository, of a UTF-8 text file." ""
    InvalidYaml "invalid-yaml" "error"
        "A manifest is not valid YAML."
        "Correct the line that the message names." ""
    UnsupportedYaml "unsupported-yaml" "error"
        "A manifest holds a tag, or an anchor that nothing refers to. Words of a text would be lost."
        "Remove it, or quote the text; use `promptFile` instead of `!include`." ""
    Unmerged "unmerged" "error"
        "A manifest or a prompt file contains the markers of a merge conflict."
        "Keep one side and remove the markers." ""
    UnknownField "unknown-field" "error"
        "A manifest holds a field that does not exist."
        "Correct the name or remove the field; docs/manifest.md lists all fields." ""
    MissingField "missing-field" "error"
        "A required field is missing."
        "Add it to the task or to `defaults`." ""
    InvalidValue "invalid-value" "error"
        "A field holds a value of the wrong type."
        "Write a value as docs/manifest.md shows it." ""
    UnsupportedVersion "unsupported-version" "error"
        "A manifest has a version that this program does not know."
        "Write `version: 1`, or upgrade qcops." ""
    DuplicateKey "duplicate-key" "error, warning"
        "A key, a field or an entry of a list occurs twice, in one manifest or in several."
        "Keep one of the two." ""
    InvalidKey "invalid-key" "error"
        "The key of a task, an agent or a deployment contains characters that are not allowed."
        "Use letters, digits, `.`, `_` and `-`." ""
    MisplacedField "misplaced-field" "error"
        "`defaults` holds a field that must differ between tasks."
        "Move it into the tasks." ""
    ConflictingFields "conflicting-fields" "error"
        "Two fields exclude each other."
        "Keep one of the two." ""
    ConflictingManifests "conflicting-manifests" "error"
        "Two manifests of one command contradict each other."
        "Make them agree, or plan them separately." ""
    ForgottenTask "forgotten-task" "error, warning"
        "A key is declared and listed under `forget`, or an entry of `forget` has too few or too many values for its matrix."
        "Remove it from one of the two, or write a value for each axis." ""
    InvalidName "invalid-name" "error"
        "The name of a task or an agent is empty or contains control characters, or that of a task looks archived."
        "Choose another name." ""
    CutText "cut-text" "warning"
        "A text without quotes ends before a ` #`, because the rest of the line is a comment."
        "Quote the text." ""
    CurlyQuotes "curly-quotes" "warning"
        "A text without quotes stands between quotes of a word processor, which YAML takes for letters of the text."
        "Write straight quotes." ""
    AlteredText "altered-text" "note"
        "A text holds characters that are not sent as they are written: invisible ones are left out, and decomposed ones are composed."
        "Take out or replace the characters that the message names." ""
    SuspectText "suspect-text" "warning"
        "A prompt is a web page or a diff as a whole, or a line such as a name holds an invisible character."
        "Write what is meant; the text is sent as it is." ""
    ImpossibleExpectation "impossible-expectation" "error, warning"
        "An expectation of a deployment can never hold, or can never be checked."
        "Correct the expectation before money is spent on it." ""
    EmptyPrompt "empty-prompt" "error"
        "A task has an empty prompt, or an agent an empty system prompt."
        "Write the prompt, or check the file that holds it." ""
    InvalidFrontMatter "invalid-front-matter" "error"
        "The Markdown file of an agent does not begin with front matter, or its front matter does not end."
        "Begin the file with the fields of the agent between two lines `---`." ""
    NothingManaged "nothing-managed" "warning"
        "An agent is declared with a name and no field that is managed."
        "Declare its fields, or remove the entry and name the agent by its name." ""
    UnknownTool "unknown-tool" "warning"
        "No tool of that name is known. The service publishes no list of its tools, so the name may be right."
        "Check the name in the web interface." ""
    UnknownPreference "unknown-preference" "error"
        "The service accepts no such project preference."
        "Use `project-each-task-deployment` or `project-for-task`." ""
    UnresolvedVariable "unresolved-variable" "error"
        "A `${NAME}` has no value, or is not written as a variable is."
        "Declare it in `vars`, set the environment variable, or write a default: `${NAME:-VALUE}`." ""
    InvalidTemplate "invalid-template" "error"
        "A template cannot be rendered: its syntax is wrong, it names nothing that is known, or it includes what it may not."
        "Correct the place that the message names; docs/templates.md says what a template may hold." ""
    InvalidMatrix "invalid-matrix" "error"
        "A `matrix` or its `exclude` has no combinations, too many, or values that cannot be told apart in keys."
        "Correct the axis; docs/templates.md shows how a matrix is written." ""
    EnvironmentNotSelected "environment-not-selected" "error"
        "The manifest declares environments, and none is selected."
        "Select one with `--env NAME`, or set `QCOPS_ENV`." ""
    UnknownEnvironment "unknown-environment" "error"
        "No environment of that name is declared."
        "Correct the name; the message lists those that are." ""
    EnvironmentCollision "environment-collision" "error"
        "Two environments of one organization have tasks of equal content, equal name or the same pinned id."
        "Give each environment its organization, or let their tasks differ." ""
    UnusedVariable "unused-variable" "error, warning"
        "A variable is used by no field; that of a flag `--var` is an error."
        "Use it, or remove it." ""
    UnknownAgent "unknown-agent" "error, note"
        "No agent has that name, id or key."
        "Correct the name; the message lists similar ones." ""
    AmbiguousAgent "ambiguous-agent" "error"
        "The organization has several agents of that name."
        "Write `agentId`." ""
    EqualContent "equal-content" "error"
        "Two tasks have the same agent, prompt and project preference."
        "Remove one, or declare two deployments of one task." ""
    EqualName "equal-name" "error, warning"
        "Two tasks, or two agents, have names that the service may treat as equal; or two names, keys, environments or variables of a manifest look alike."
        "Rename one of them." ""
    EqualPin "equal-pin" "error"
        "Two tasks, or two agents, are pinned to the same id."
        "Remove one of the pins." ""
    TooMuchText "too-much-text" "error"
        "The prompts of one manifest, the values of its variables or the work of its templates are larger together than the limit."
        "Split the manifest, or shorten the prompts or values." ""
    MoreFindings "more-findings" "error, warning, note"
        "More mistakes were found than are shown."
        "Correct the mistakes that are shown first." ""
    // Plan: ownership.
    ProbeLeft "probe-left" "note"
        "A `doctor --probe` was killed and has left its task on the service."
        "`qcops doctor --clean-up` deletes it." ""
    Unproven "unproven" "blocked, note"
        "A task or an agent looks like the declared one, but nothing proves that it is owned."
        "Pin it with `id:` to adopt it, or change the declared name and prompt." ""
    Ambiguous "ambiguous" "blocked"
        "Several tasks or agents match a key equally well."
        "Pin one with `id:`, or delete the others." ""
    Contested "contested" "blocked"
        "Several keys match one task equally well."
        "Pin the task in one of them." ""
    PinMissing "pin-missing" "blocked"
        "The list does not contain the pinned id."
        "Correct or remove the `id:`." ""
    PinTaken "pin-taken" "blocked"
        "The content of a pinned task belongs to another key."
        "Remove the `id:`, or move it to the other key." ""
    UnknownOrigin "unknown-origin" "note"
        "A task has the declared content, and it is not known who created it. It is used as it is."
        "Commit the manifest: from then on the task is owned." ""
    Copy "copy" "note"
        "A task has earlier content of a declared key under a name that was never declared. It is never touched."
        "Nothing to do, or delete it in the web interface." ""
    Duplicate "duplicate" "note"
        "A second task has the declared content, or a second agent the name of a declared one."
        "Delete it in the web interface, unless somebody wants it." ""
    NameHeld "name-held" "blocked, note"
        "Another task or agent has the declared name, so the stored name stays."
        "Rename one of the two." ""
    NotificationsLost "notifications-lost" "note"
        "The new task of a replace starts without the notifications of the old one."
        "Set them again in the web interface." ""
    StoredOtherwise "stored-otherwise" "note"
        "The service stores a field of an agent otherwise than it was sent. It is not sent again until another value is declared or stored."
        "Declare what the service stores." ""
    NotShown "not-shown" "note"
        "The service does not show a declared field of an agent, so it is neither compared nor sent."
        "Set it in the web interface, and remove it from the manifest." ""
    TradingTools "trading-tools" "note"
        "An agent gets tools that place or end live trades."
        "Remove them from `tools` unless the agent is to trade." ""
    NameNumbered "name-numbered" "note"
        "The stored name ends with a new number, as the name of a duplicate would."
        "Look for a second task of that name." ""
    ProtectChanged "protect-changed" "note"
        "A task is protected, or no longer is, since the version of the manifest before. No step shows it."
        "Nothing to do." ""
    SettingUsed "setting-used" "note"
        "A setting of the manifest decided about steps: a limit that counts, or that pruning is on."
        "Nothing to do." ""
    SettingRaised "setting-raised" "note"
        "A setting that decided about steps allows more than in the version of the manifest before."
        "Check that the change is meant: it takes effect with this plan." ""
    // Plan: observed state.
    IncompleteRead "incomplete-read" "blocked, note"
        "A list, a task or an agent could not be read completely, or a list leaves out one that can be read by its id. Nothing is created, replaced, removed or deployed."
        "Run the command again." ""
    HistoryGap "history-gap" "note"
        "A part of the Git history could not be read."
        "Follow the help of the message, such as `git fetch --unshallow`." ""
    LostEvidence "lost-evidence" "blocked"
        "A part of the evidence of ownership cannot be read while tasks exist that match no key. Nothing is created, replaced or removed."
        "Follow the help of the message, such as `git fetch --unshallow`." "`--allow lost-evidence`"
    NotObserved "not-observed" "note"
        "The snapshot does not contain everything that this plan needs."
        "Save a new one with `--save-snapshot`." ""
    // Plan: guards.
    PruneOff "prune-off" "deferred"
        "An owned task is no longer declared, and `--prune` is off."
        "Archive or delete the task with `--prune`, or list its key under `forget`." "`--prune`"
    Protected "protected" "blocked, deferred"
        "A task with `protect: true` would be replaced or removed. The last version of a removed entry counts too."
        "Commit `protect: false` first." ""
    Scheduled "scheduled" "blocked"
        "A task with a schedule would be replaced or removed. The schedule would continue with the old prompt."
        "Edit the task in the web interface, or take its text into the manifest." ""
    AgentInUse "agent-in-use" "blocked, deferred"
        "An agent that is no longer declared is used by a task or by another agent."
        "Remove what uses it first; the message names it." ""
    NotInHistory "not-in-history" "blocked, deferred"
        "An agent that is no longer declared has fields that no version of the manifest holds. They would be lost."
        "Save them with `qcops pull` and commit that." ""
    StaleCheckout "stale-checkout" "blocked"
        "The checkout lacks commits of its upstream. Every step is blocked."
        "Run `git pull`, then plan again." "`--allow stale-checkout`"
    EmptyManifest "empty-manifest" "blocked"
        "The manifest declares no task, and pruning would remove everything."
        "Check that the right manifest was read." "`--allow empty-manifest`"
    UnreadableNeighbor "unreadable-neighbor" "blocked"
        "Another manifest of the repository cannot be read, so what it declares is unknown. Nothing is removed."
        "Correct the other manifest." "`--allow unreadable-neighbor`"
    MassMissing "mass-missing" "blocked"
        "The list of the service lacks more than 30 % of the tasks that were declared before, at least 1 and at most 10. No task is created."
        "Check the organization and the web interface; the override creates the tasks again." "`--allow mass-missing`"
    TooManyDeletes "too-many-deletes" "blocked"
        "More tasks would be removed than one apply may remove: 30 % of the owned tasks, at least 3 and at most 10."
        "Check the list of removed tasks, then raise the limit." "`--max-deletes N`"
    TooManyReplaces "too-many-replaces" "blocked"
        "More tasks would be replaced than one apply may replace: 30 % of the owned tasks, at least 5 and at most 20."
        "Check the list of replaced tasks, then raise the limit." "`--max-replaces N`"
    TooManyCreates "too-many-creates" "blocked"
        "More tasks would be created than one apply may create: 50."
        "Check the list of new tasks, then raise the limit." "`--max-creates N`"
    TooManyDeployments "too-many-deployments" "blocked"
        "More deployments would be started than one apply may start: 5."
        "Check the cost in the plan, then raise the limit." "`--max-deployments N`"
    TooManyDeploymentsOfATask "too-many-deployments-of-a-task" "blocked"
        "More than three deployments of one task would be started within a day."
        "Check the cost in the plan, then raise the limit." "`--max-deployments N`"
    DeploymentsUnlisted "deployments-unlisted" "blocked"
        "A task counts more deployments than its list shows, so the missing one may exist."
        "Look in the web interface; the override starts another deployment." "`--allow deployments-unlisted`"
    WaitsForBlocked "waits-for-blocked" "blocked"
        "A step depends on a step that is blocked or deferred."
        "Resolve the other step." ""
    // Plan: deployments.
    DeploymentUnlikeTask "deployment-unlike-task" "blocked"
        "A task has deployments, but none with its prompt and agent."
        "Check how the service stores prompts." ""
    ZoneUnknown "zone-unknown" "blocked"
        "A deployment may be before or after `since`, depending on the time zone of the service."
        "Set `serviceUtcOffset`." ""
    NotDue "not-due" "deferred"
        "The `since` of a declared deployment is in the future."
        "Wait, or move `since`." ""
    Diverged "diverged" "blocked"
        "A deployment received other prompts than its declared follow-ups."
        "Declare what was sent, or declare another deployment." ""
    ConversationUnknown "conversation-unknown" "blocked"
        "The conversation of a deployment cannot be read, so nothing is sent."
        "Run the command again." ""
    DeploymentBusy "deployment-busy" "deferred"
        "A follow-up waits until its deployment is idle."
        "`apply --wait` sends it." ""
    DeploymentEnded "deployment-ended" "blocked"
        "A deployment that failed or was stopped has follow-ups that were not sent."
        "Declare another deployment, or move `since`." ""
    DeploymentFailed "deployment-failed" "note"
        "A declared deployment failed. It is not repeated by itself."
        "Read its transcript; move `since` to start another." ""
    FailedRepeatedly "failed-repeatedly" "blocked"
        "The same content failed three times since `since`."
        "Read the transcripts, then change the prompt or the agent, or move `since`." "`--allow failed-repeatedly`"
    TooManyFollowUps "too-many-follow-ups" "blocked"
        "A deployment declares more than ten follow-ups."
        "Declare another deployment for the rest." "`--allow too-many-follow-ups`"
    // Destroy.
    StillDeclared "still-declared" "deferred, note"
        "A task that would be destroyed is declared or pinned by a manifest."
        "Remove it from the manifest first." ""
    ActiveDeployments "active-deployments" "blocked"
        "A task that would be deleted has active deployments."
        "Wait, or stop them." ""
    LosesDeployments "loses-deployments" "note"
        "Deleting archived tasks deletes their deployments and conversations."
        "`--artifacts DIR` saves them first." ""
    TooYoung "too-young" "note"
        "Archived tasks changed more recently than `--older-than` allows."
        "Wait, or give a shorter time." ""
    TranscriptUnsaved "transcript-unsaved" "error, blocked"
        "A conversation could not be saved, so its task is kept."
        "Check the folder of `--artifacts`." ""
    // Apply.
    Refused "refused" "error"
        "The service refused a request and changed nothing."
        "Read its answer." ""
    NotProcessed "not-processed" "error"
        "The service did not process a request within `--retry-time`."
        "Run `apply` again later." ""
    OutcomeUnknown "outcome-unknown" "error"
        "An answer was lost, and reading did not settle whether the request took effect."
        "Look at the ids in the message, then run `apply` again." ""
    Settled "settled" "note"
        "An answer was lost, and reading settled that the request took effect."
        "Nothing to do." ""
    ReadBackDiffers "read-back-differs" "error"
        "The service stored something else than was sent. After the first new one of a kind, nothing further of that kind is created."
        "Compare the task or the agent with the manifest." ""
    NoEffect "no-effect" "error"
        "The service answered that a change was made, and reading shows that it was not."
        "Apply again for a task. A field of an agent is not sent again: set it in the web interface, or declare what is stored." ""
    ChangedSincePlan "changed-since-plan" "error, blocked, note"
        "Something changed on the service after the plan was made."
        "Plan again." ""
    NameRewritten "name-rewritten" "note"
        "The service stored another name than the declared one. It is accepted."
        "Nothing to do." ""
    DeploymentBeforeSince "deployment-before-since" "error"
        "A deployment that was just started shows a time before its `since`."
        "Set `serviceUtcOffset`." ""
    NotRecorded "not-recorded" "error, note"
        "The ledger could not be written, so nothing was sent."
        "Make `.qcops/` writable." ""
}

impl Code {
    /// The guards that `--allow` switches off; the others have another override, or none.
    pub const GUARDS: &[Self] = &[
        Self::StaleCheckout,
        Self::EmptyManifest,
        Self::UnreadableNeighbor,
        Self::MassMissing,
        Self::LostEvidence,
        Self::DeploymentsUnlisted,
        Self::FailedRepeatedly,
        Self::TooManyFollowUps,
    ];
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_words_with_a_sentence_and_help() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code}");
            for text in [code.sentence(), code.help()] {
                assert!(text.starts_with(char::is_uppercase) || text.starts_with('`'), "{code}");
                assert!(text.ends_with('.'), "{code}");
            }
        }
    }
}
