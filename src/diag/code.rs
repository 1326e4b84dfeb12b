//! Every stable code with the sentence that documents it.

use std::fmt;

/// Declares the codes once: variant, printed word, sentence.
macro_rules! codes {
    ($($variant:ident $word:literal $sentence:literal)*) => {
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
        }
    };
}

codes! {
    // Manifest.
    UnreadableFile "unreadable-file" "A file of the manifest cannot be read."
    InvalidYaml "invalid-yaml" "A manifest is not YAML."
    UnsupportedYaml "unsupported-yaml" "A manifest holds a tag, or an anchor that nothing refers to: words of a text would be lost."
    Unmerged "unmerged" "A manifest or a prompt file holds both sides of a merge conflict."
    UnknownField "unknown-field" "A manifest holds a field that no version of it has."
    MissingField "missing-field" "A required field is absent."
    InvalidValue "invalid-value" "A field holds a value of the wrong kind."
    UnsupportedVersion "unsupported-version" "A manifest is of a version that this program does not know."
    DuplicateKey "duplicate-key" "A key or a field is given twice, in one manifest or in several."
    InvalidKey "invalid-key" "A key of a task or of a deployment is not a plain word."
    MisplacedField "misplaced-field" "The defaults hold a field that can only be a single task's."
    ConflictingFields "conflicting-fields" "Two fields are given of which only one may be."
    ConflictingManifests "conflicting-manifests" "Two manifests of one invocation disagree."
    ForgottenTask "forgotten-task" "A key is declared and in `forget` at once."
    InvalidName "invalid-name" "A task's name is empty, holds control characters or looks archived."
    CutText "cut-text" "A text without quotes ends before a ` #`, because the rest of the line is a comment."
    ImpossibleExpectation "impossible-expectation" "What is expected of a deployment can never hold, or never be checked."
    EmptyPrompt "empty-prompt" "A task has nothing to say to its agent."
    UnknownPreference "unknown-preference" "A project preference is none that the service accepts."
    UnresolvedVariable "unresolved-variable" "A `${VAR}` has no value."
    UnknownAgent "unknown-agent" "The organization has no agent of that name or number."
    AmbiguousAgent "ambiguous-agent" "The organization has several agents of that name."
    EqualContent "equal-content" "Two tasks have the same agent, prompt and project preference."
    EqualName "equal-name" "Two tasks have names that the service may not tell apart."
    TooMuchText "too-much-text" "The prompts of a manifest's tasks are together larger than any could be."
    MoreFindings "more-findings" "More was found than is shown."
    // Plan: identity.
    Unproven "unproven" "A task looks like the declared one, and nothing proves that it is ours."
    Ambiguous "ambiguous" "Several tasks fit a key equally well; none is chosen."
    Contested "contested" "Several keys have an equal right to one task."
    PinMissing "pin-missing" "A pinned id is not on the service's list; nothing is created in its place."
    PinTaken "pin-taken" "A pinned task belongs to another key by its content."
    UnknownOrigin "unknown-origin" "A task with the declared content is used though nothing says who made it."
    Copy "copy" "A task has content of ours under another name; it is reported and never touched."
    Duplicate "duplicate" "A task has the declared content beside the one in use: a second create, or a copy."
    NameHeld "name-held" "Another task holds the declared name, so the stored one stays."
    NotificationsLost "notifications-lost" "A replaced task has notifications that its replacement starts without."
    NameNumbered "name-numbered" "The stored name has a new number at its end, as a twin would."
    // Plan: sight.
    IncompleteRead "incomplete-read" "A list or a task could not be read whole, so its gaps prove nothing."
    HistoryGap "history-gap" "A part of the evidence of what was declared could not be read."
    LostEvidence "lost-evidence" "Part of the evidence is out of sight while tasks exist that belong to no key."
    NotObserved "not-observed" "The observation that is planned against does not hold all that the plan would look at."
    // Plan: guards.
    PruneOff "prune-off" "A task of ours is no longer declared, and pruning is off."
    Protected "protected" "A protected task would be replaced or retired."
    Scheduled "scheduled" "A task that would go has a schedule, which only the web interface can move."
    StaleCheckout "stale-checkout" "The checkout lacks commits that its upstream has."
    EmptyManifest "empty-manifest" "The manifest declares no task at all, and pruning would retire everything."
    UnreadableNeighbor "unreadable-neighbor" "Another manifest of the repository cannot be understood, so what it declares is unknown."
    MassMissing "mass-missing" "More established tasks than the ceiling are missing from the service's list."
    TooManyDeletes "too-many-deletes" "More tasks would be retired than one apply may."
    TooManyReplaces "too-many-replaces" "More tasks would be replaced than one apply may."
    TooManyCreates "too-many-creates" "More tasks would be created than one apply may."
    TooManyDeployments "too-many-deployments" "More deployments would be started than one apply may."
    TooManyDeploymentsOfATask "too-many-deployments-of-a-task" "More deployments of one task would be started than a day may see."
    DeploymentsUnlisted "deployments-unlisted" "A task counts more runs than its list shows, so one that would be started may exist."
    WaitsForBlocked "waits-for-blocked" "A step has to wait for one that is not done."
    // Plan: runs.
    DeploymentUnlikeTask "deployment-unlike-task" "A task has runs, and none shows the task's own prompt and agent."
    ZoneUnknown "zone-unknown" "A run may lie before or after `since`, depending on the service's time zone."
    NotDue "not-due" "The `since` of a declared deployment is in the future."
    Diverged "diverged" "A run was told something else than its declared follow-ups."
    ConversationUnknown "conversation-unknown" "What was said in a run is not known, so nothing is sent."
    DeploymentBusy "deployment-busy" "A follow-up waits until its run is idle."
    DeploymentEnded "deployment-ended" "A run that failed or was stopped has follow-ups still to be sent."
    DeploymentFailed "deployment-failed" "A declared run has failed; it is not repeated by itself."
    FailedRepeatedly "failed-repeatedly" "The same content has failed three times since `since`."
    TooManyFollowUps "too-many-follow-ups" "More follow-ups are declared for a run than one may have."
    // Destroy.
    StillDeclared "still-declared" "A task that would be destroyed is declared or pinned by a manifest."
    ActiveDeployments "active-deployments" "A task that would be deleted has deployments that are active."
    LosesDeployments "loses-deployments" "Deleting archived tasks takes their deployments and conversations with them."
    TooYoung "too-young" "Archived tasks changed more recently than was asked for."
    TranscriptUnsaved "transcript-unsaved" "A conversation that would be lost was not saved, so its task is kept."
    // Apply.
    Refused "refused" "The service refused a request, and nothing was changed by it."
    NotProcessed "not-processed" "The service did not process a request within the retry time."
    OutcomeUnknown "outcome-unknown" "An answer was lost, and looking did not settle whether the request took effect."
    Settled "settled" "An answer was lost, and looking settled that the request took effect."
    ReadBackDiffers "read-back-differs" "What was read back is not what was declared; nothing further is made."
    ChangedSincePlan "changed-since-plan" "Something changed on the service after the plan was made."
    NameRewritten "name-rewritten" "The service stored another name than the one declared, and it is accepted."
    DeploymentBeforeSince "deployment-before-since" "A run just started shows a time before its `since`, so the zone is not the one that was assumed."
    NotRecorded "not-recorded" "The ledger could not be written, so nothing was sent."
}

impl Code {
    /// The guards that `--allow` switches off; the others have a flag or a way past of their own.
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
    fn codes_are_unique_words_with_a_sentence() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{code}");
            assert!(code.sentence().ends_with('.'), "{code}");
        }
    }
}
