//! Variables of `--var` and `--var-file`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::flags::ManifestFiles;
use crate::diag::{Code, Diagnostic, Sources};
use crate::history::{Repository, VarFile, VarLayer};
use crate::manifest::{self, Expansion, VarValue, Vars};

/// The variables that were given, and where each comes from.
pub(super) struct GivenVars {
    pub(super) vars: Vars,
    /// The same apart, in their order.
    pub(super) layers: Vec<VarLayer>,
    /// The files of those that are not from a flag.
    files: BTreeMap<String, PathBuf>,
}

/// Reads the files of variables, then the flags, which override them.
pub(super) fn read(
    repository: &Repository,
    args: &ManifestFiles,
    sources: &mut Sources,
    findings: &mut Vec<Diagnostic>,
) -> GivenVars {
    let mut given = GivenVars { vars: Vars::new(), layers: Vec::new(), files: BTreeMap::new() };
    for file in &args.var_files {
        match repository.var_file(file) {
            Ok(VarFile { text, is_inside, tracked: path }) => {
                let (vars, found) = manifest::parse_vars(file, &text);
                let found = found.into_iter();
                if is_inside {
                    findings.extend(found);
                    sources.add(file, text.clone());
                } else {
                    findings.extend(found.map(|finding| without_words(&finding, file, &text)));
                }
                given.files.extend(vars.keys().map(|name| (name.clone(), file.clone())));
                given.vars.extend(vars.clone());
                given.layers.push(VarLayer { path, vars });
            }
            Err(unreadable) => {
                let finding = Diagnostic::error(Code::UnreadableFile, "");
                let usual = "`--var-file` takes a YAML file such as `capital: 100000`";
                findings.push(unreadable.explain(finding, usual));
            }
        }
    }
    let mut flags = VarLayer::default();
    for (name, value) in &args.vars {
        if let Some(finding) = manifest::invalid_var(name, "`--var`") {
            findings.push(finding);
            continue;
        }
        given.files.remove(name);
        flags.vars.insert(name.clone(), Some(VarValue::typed(value.clone())));
    }
    given.vars.extend(flags.vars.clone());
    given.layers.push(flags);
    given
}

impl GivenVars {
    /// Says which of them no manifest uses: a name that is misspelled would change nothing.
    pub(super) fn unused(&self, expansion: &Expansion) -> Vec<Diagnostic> {
        let unused = self.vars.keys().filter(|name| !expansion.used.contains(*name));
        let finding = |name: &String| {
            let finding = if let Some(file) = self.files.get(name) {
                let file = file.display();
                let message = format!("no manifest uses variable `{name}` of `{file}`");
                Diagnostic::warning(Code::UnusedVariable, message)
            } else {
                let message = format!("no manifest uses the variable of `--var {name}=…`");
                Diagnostic::error(Code::UnusedVariable, message)
            };
            let used = expansion.used.iter().map(String::as_str);
            match manifest::nearest_few(name, used, 1).pop() {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("write `${{{name}}}` in a field, or leave it out")),
            }
        };
        unused.map(finding).collect()
    }
}

/// A finding in a file outside of the repository: where it is, and no word of the file, which may be
/// anything that this machine holds.
fn without_words(finding: &Diagnostic, file: &Path, text: &str) -> Diagnostic {
    let place = finding.place.as_ref().and_then(|place| text.get(..place.span.start));
    let line = place.map_or(1, |before| before.matches('\n').count() + 1);
    let shown = file.display();
    let finding = if finding.is_error() {
        let message = format!("`{shown}` is no file of variables: line {line} is wrong");
        Diagnostic::error(finding.code, message)
    } else {
        let message = format!("line {line} of `{shown}` may not be what is meant");
        Diagnostic::warning(finding.code, message)
    };
    finding
        .help("`--var-file` takes a YAML file such as `capital: 100000`")
        .help("what is in a file outside of the repository is not shown")
}
