//! Settings of a manifest: how much one apply may do, how fast, and where transcripts are kept.
//!
//! A pull request may change them, and it is a stranger's: each has its bounds, and each knows where it
//! is set, so that a plan can say so.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path};
use std::sync::Arc;

use crate::diag::{Code, Diagnostic, Place};
use crate::manifest::fields::{
    HIGHEST_LIMIT, HIGHEST_PARALLELISM, LIMITS, SETTINGS, SETTINGS_FIELD,
};
use crate::manifest::lines::SourceLine;
use crate::manifest::node::{Node, NodeValue, Origin};
use crate::manifest::owner::Owner;
use crate::manifest::reader::Reader;
use crate::manifest::shape;

/// The highest rate that may be set.
const HIGHEST_RATE: f64 = 1_000.0;

/// Something that `settings` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingName {
    /// Whether what is no longer declared is removed.
    Prune,
    /// How much is created.
    Creates,
    /// How much is removed.
    Deletes,
    /// How many deployments are started.
    Deployments,
    /// How many deployments of a task are started within a day.
    DeploymentsOfATask,
    /// How many follow-ups a deployment has.
    FollowUps,
    /// How many tasks a matrix has.
    Matrix,
    /// How much may be missing on the service.
    Missing,
    /// How much is replaced.
    Replaces,
    /// How many requests are sent at once.
    Parallelism,
    /// How many requests a second are sent.
    Rate,
    /// Where transcripts are saved.
    Artifacts,
}

impl SettingName {
    /// Every setting.
    const ALL: [Self; 12] = [
        Self::Prune,
        Self::Creates,
        Self::Deletes,
        Self::Deployments,
        Self::DeploymentsOfATask,
        Self::FollowUps,
        Self::Matrix,
        Self::Missing,
        Self::Replaces,
        Self::Parallelism,
        Self::Rate,
        Self::Artifacts,
    ];

    /// The names that lead to it from the top of a manifest.
    pub fn path(self) -> &'static str {
        match self {
            Self::Prune => "settings.prune",
            Self::Creates => "settings.limits.creates",
            Self::Deletes => "settings.limits.deletes",
            Self::Deployments => "settings.limits.deployments",
            Self::DeploymentsOfATask => "settings.limits.deploymentsOfATask",
            Self::FollowUps => "settings.limits.followUps",
            Self::Matrix => "settings.limits.matrix",
            Self::Missing => "settings.limits.missing",
            Self::Replaces => "settings.limits.replaces",
            Self::Parallelism => "settings.parallelism",
            Self::Rate => "settings.rate",
            Self::Artifacts => "settings.artifacts",
        }
    }

    /// The last of these names.
    pub fn name(self) -> &'static str {
        self.path().rsplit('.').next().unwrap_or_default()
    }

    fn is_limit(self) -> bool {
        self.path().starts_with("settings.limits.")
    }
}

/// What a setting is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// On or off.
    Flag(bool),
    /// So many.
    Count(usize),
    /// So many a second.
    Rate(f64),
    /// A folder, from that of the manifest.
    Folder(Arc<str>),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::Folder(folder) => folder.fmt(f),
        }
    }
}

/// A setting as a manifest sets it.
#[derive(Clone, Debug)]
pub struct SetValue {
    /// What it is set to.
    pub value: SettingValue,
    /// Where.
    pub place: Place,
    /// The line of that place.
    pub line: usize,
}

/// What a manifest sets.
#[derive(Clone, Debug, Default)]
pub struct ManifestSettings(BTreeMap<SettingName, SetValue>);

impl ManifestSettings {
    /// A setting, where it is set.
    pub fn get(&self, setting: SettingName) -> Option<&SetValue> {
        self.0.get(&setting)
    }

    /// A number, where it is set.
    pub fn count(&self, setting: SettingName) -> Option<usize> {
        match self.get(setting)?.value {
            SettingValue::Count(count) => Some(count),
            _ => None,
        }
    }

    /// Whether something is on.
    pub fn is_on(&self, setting: SettingName) -> bool {
        self.get(setting).is_some_and(|set| set.value == SettingValue::Flag(true))
    }

    /// Takes over what an environment sets: field by field in place of what the manifest sets for all.
    pub(super) fn take(&mut self, of_environment: Self) {
        self.0.extend(of_environment.0);
    }

    /// Takes over what another manifest of the same invocation sets; both must agree.
    pub(super) fn agree(&mut self, other: Self) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        for (setting, set) in other.0 {
            match self.0.get(&setting) {
                None => drop(self.0.insert(setting, set)),
                Some(first) if first.value != set.value => {
                    let message = format!(
                        "the manifests give `{}` as `{}` and as `{}`",
                        setting.path(),
                        first.value,
                        set.value
                    );
                    findings.push(
                        Diagnostic::error(Code::ConflictingManifests, message)
                            .at(set.place)
                            .see(first.place.clone(), "first given here")
                            .help("settings of one manifest count for all that are planned together; keep one of the two"),
                    );
                }
                Some(_) => {}
            }
        }
        findings
    }
}

/// Reads `settings`; what is wrong with a setting is told, and the setting is left out.
pub(super) fn settings(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    owner: Owner<'_>,
) -> ManifestSettings {
    let mut found = ManifestSettings::default();
    let owner = Owner::Inside(SETTINGS_FIELD, &owner);
    let Some(entries) = reader.entries(node, owner, SETTINGS) else { return found };
    let of_limits = Owner::Inside("limits", &owner);
    let limits = entries.value("limits").and_then(|node| reader.entries(node, of_limits, LIMITS));
    for setting in SettingName::ALL {
        let (entries, owner) = match &limits {
            Some(limits) if setting.is_limit() => (limits, of_limits),
            None if setting.is_limit() => continue,
            _ => (&entries, owner),
        };
        let Some(node) = entries.value(setting.name()) else { continue };
        if let Some(value) = value(reader, node, setting, owner) {
            let (place, line) =
                (reader.place(&node.span), SourceLine::number(reader.text, node.span.start));
            found.0.insert(setting, SetValue { value, place, line });
        }
    }
    found
}

fn value(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    setting: SettingName,
    owner: Owner<'_>,
) -> Option<SettingValue> {
    let name = setting.name();
    match setting {
        SettingName::Prune => reader.boolean(node, name, owner).map(SettingValue::Flag),
        SettingName::Rate => rate(reader, node, name, owner).map(SettingValue::Rate),
        SettingName::Artifacts => {
            let folder = reader.text(node, name, owner)?;
            match not_below(folder.trim()) {
                None => Some(SettingValue::Folder(folder.trim().into())),
                Some(why) => {
                    let message = format!("`{name}` of {owner} {why}");
                    let finding = reader.error(Code::InvalidValue, message, &node.span);
                    reader.report(
                        finding
                            .help("name a folder below that of the manifest, such as `artifacts`"),
                    );
                    None
                }
            }
        }
        SettingName::Parallelism => count(reader, node, (name, owner), 1, HIGHEST_PARALLELISM),
        SettingName::Matrix => count(reader, node, (name, owner), 1, HIGHEST_LIMIT),
        _ => count(reader, node, (name, owner), 0, HIGHEST_LIMIT),
    }
}

fn count(
    reader: &mut Reader<'_>,
    node: &Node<'_>,
    (name, owner): (&str, Owner<'_>),
    least: u64,
    most: u64,
) -> Option<SettingValue> {
    if node.origin == Origin::Unresolved {
        return None;
    }
    let number = if let NodeValue::Integer(number) = node.value {
        usize::try_from(number).ok()
    } else {
        None
    };
    let is_within = |number: &usize| (least..=most).contains(&(*number as u64));
    if let Some(number) = number.filter(is_within) {
        return Some(SettingValue::Count(number));
    }
    let message = format!("`{name}` of {owner} must be a whole number from {least} to {most}");
    let finding = reader.error(Code::InvalidValue, message, &node.span);
    let help = shape::of_number(node).unwrap_or_else(|| format!("write `{name}: 20`"));
    reader.report(finding.help(help));
    None
}

fn rate(reader: &mut Reader<'_>, node: &Node<'_>, name: &str, owner: Owner<'_>) -> Option<f64> {
    if node.origin == Origin::Unresolved {
        return None;
    }
    let rate = match node.value {
        NodeValue::Float(rate) => Some(rate),
        NodeValue::Integer(rate) => u32::try_from(rate).ok().map(f64::from),
        _ => None,
    };
    let rate = rate.filter(|rate| (0.0..=HIGHEST_RATE).contains(rate));
    if rate.is_none() {
        let message = format!("`{name}` of {owner} must be a number from 0 to {HIGHEST_RATE}");
        let finding = reader.error(Code::InvalidValue, message, &node.span);
        reader.report(finding.help("write the requests a second, such as `5`; `0` is no limit"));
    }
    rate
}

/// Why a path does not lead to a folder below the one where it is written; links are judged when it is
/// used.
fn not_below(path: &str) -> Option<&'static str> {
    // Of another system's paths no part may be taken for a name.
    if path.contains(['\\', ':']) || path.chars().any(char::is_control) {
        return Some("holds a character that no folder's name should hold");
    }
    let mut names = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Some("leads outside the folder of the manifest");
            }
        }
    }
    let is_hidden = |name: &&std::ffi::OsStr| name.as_encoded_bytes().first() == Some(&b'.');
    if names.iter().any(is_hidden) {
        return Some("leads into a folder whose name begins with a dot");
    }
    names.is_empty().then_some("names no folder")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ExpandInputs, Manifest, Source, Unreadable, Vars, merge, parse};

    struct NoFiles;

    impl Source for NoFiles {
        fn read(&self, _path: &str) -> Result<String, Unreadable> {
            Err("there are no files".to_owned().into())
        }
    }

    fn parsed(text: &str, environment: Option<&str>) -> (Manifest, Vec<Diagnostic>) {
        let text = format!("version: 1\ntasks: {{}}\n{text}");
        let given = Vars::new();
        let inputs = ExpandInputs { environment, given: &given, ..ExpandInputs::of(&|_| None) };
        parse(Path::new("tasks.yaml"), &text, &NoFiles, inputs)
    }

    fn shown(settings: &ManifestSettings) -> String {
        let set = settings.0.iter().map(|(setting, set)| {
            let path = setting.path().trim_start_matches("settings.");
            format!("{path}: {}", set.value)
        });
        set.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn an_environment_overrides_settings_field_by_field() {
        let text = "vars: {most: 7}
settings: {prune: true, limits: {creates: '${most}', replaces: 2}, rate: 2.5, artifacts: ./out/ }
environments:
  dev: {settings: {prune: false, limits: {replaces: 40}, parallelism: 4}}
  prod: {vars: {least: 1}, settings: {limits: {deletes: '${least}'}, artifacts: kept/prod}}
";
        let table = [
            (
                "dev",
                "prune: false, limits.creates: 7, limits.replaces: 40, parallelism: 4, rate: 2.5, artifacts: ./out/",
            ),
            (
                "prod",
                "prune: true, limits.creates: 7, limits.deletes: 1, limits.replaces: 2, rate: 2.5, artifacts: kept/prod",
            ),
        ];
        for (environment, expected) in table {
            let (manifest, findings) = parsed(text, Some(environment));
            let errors: Vec<&Diagnostic> = findings.iter().filter(|it| it.is_error()).collect();
            assert!(errors.is_empty(), "{environment}: {errors:?}");
            assert_eq!(shown(&manifest.settings), expected, "{environment}");
        }
        let set = parsed(text, Some("dev")).0.settings;
        let lines =
            [SettingName::Prune, SettingName::Creates].map(|it| set.get(it).map(|set| set.line));
        assert_eq!(lines, [Some(6), Some(4)]);
    }

    #[test]
    fn each_wrong_setting_is_a_finding_with_help() {
        let table = [
            ("settings: [x]", "`settings` of the manifest must be a mapping", "settings"),
            ("settings: {prunes: true}", "unknown field `prunes` of `settings`", "`prune`"),
            (
                "settings: {prune: yes}",
                "`prune` of `settings` of the manifest must be `true`",
                "prune: true",
            ),
            (
                "settings: {creates: 5}",
                "unknown field `creates`",
                "belongs to `limits` of `settings`",
            ),
            ("prune: true", "unknown field `prune` of the manifest", "settings: {prune: …}"),
            ("settings: {limits: {create: 5}}", "unknown field `create` of `limits`", "`creates`"),
            ("settings: {limits: {creates: -1}}", "from 0 to 100000", "creates: 20"),
            ("settings: {limits: {creates: 100001}}", "from 0 to 100000", "creates: 20"),
            ("settings: {limits: {creates: '5'}}", "from 0 to 100000", "without quotes"),
            ("settings: {limits: {replaces: 50%}}", "from 0 to 100000", "replaces: 20"),
            ("settings: {limits: {matrix: 0}}", "from 1 to 100000", "matrix: 20"),
            ("settings: {parallelism: 1025}", "from 1 to 1024", "parallelism: 20"),
            ("settings: {rate: -0.5}", "from 0 to 1000", "requests a second"),
            ("settings: {rate: .nan}", "from 0 to 1000", "requests a second"),
            ("settings: {rate: fast}", "from 0 to 1000", "requests a second"),
            ("settings: {artifacts: ../out}", "leads outside the folder", "artifacts"),
            ("settings: {artifacts: /tmp/out}", "leads outside the folder", "artifacts"),
            ("settings: {artifacts: a/../../b}", "leads outside the folder", "artifacts"),
            ("settings: {artifacts: 'C:\\out'}", "holds a character", "artifacts"),
            ("settings: {artifacts: .git/hooks}", "begins with a dot", "artifacts"),
            ("settings: {artifacts: x/.ssh}", "begins with a dot", "artifacts"),
            ("settings: {artifacts: .}", "names no folder", "artifacts"),
            ("settings: {artifacts: 5}", "must be a text", "quotes"),
            ("settings: {limits: {creates: '${MOST}'}}", "`${MOST}` in `creates`", "MOST"),
            ("settings: {allow: [mass-missing]}", "unknown field `allow`", "known fields"),
            (
                "environments: {dev: {settings: {limits: {creates: x}}}}",
                "of environment `dev`",
                "creates: 20",
            ),
            ("environments: {all: {}}", "an environment cannot be named `all`", "another name"),
        ];
        for (text, message, help) in table {
            let environment = text.contains("dev").then_some("dev");
            let (_, findings) = parsed(text, environment);
            let is_meant = |it: &Diagnostic| {
                it.is_error() && it.message.contains(message) && it.help.join("\n").contains(help)
            };
            assert_eq!(
                findings.iter().filter(|it| is_meant(it)).count(),
                1,
                "{text}: {findings:?}"
            );
        }
    }

    #[test]
    fn manifests_that_are_planned_together_share_their_settings() {
        let settings = |texts: [&str; 2]| {
            let (merged, findings) = merge(texts.map(|text| parsed(text, None).0).into());
            let messages: Vec<String> = findings.into_iter().map(|it| it.message).collect();
            (shown(&merged.settings), messages.join("\n"))
        };
        let table = [
            (["settings: {prune: true}", "settings: {rate: 5}"], "prune: true, rate: 5", ""),
            (["settings: {rate: 5}", "settings: {rate: 5}"], "rate: 5", ""),
            (
                ["settings: {rate: 5}", "settings: {rate: 6}"],
                "rate: 5",
                "the manifests give `settings.rate` as `5` and as `6`",
            ),
        ];
        for (texts, expected, messages) in table {
            assert_eq!(settings(texts), (expected.to_owned(), messages.to_owned()), "{texts:?}");
        }
    }
}
