//! Variables of `--var` and `--var-file`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::flags::ManifestFiles;
use crate::diag::{Code, Diagnostic, Sources};
use crate::files;
use crate::manifest::{self, Expansion, Unreadable, VarValue, Vars};

/// The largest file of variables, in bytes.
const LARGEST: u64 = 1 << 20;

/// The variables that were given, and where each comes from.
pub(super) struct GivenVars {
    pub(super) vars: Vars,
    /// The files of those that are not from a flag.
    files: BTreeMap<String, PathBuf>,
}

/// Reads the files of variables, then the flags, which override them.
pub(super) fn read(
    args: &ManifestFiles,
    sources: &mut Sources,
    findings: &mut Vec<Diagnostic>,
) -> GivenVars {
    let mut given = GivenVars { vars: Vars::new(), files: BTreeMap::new() };
    for file in &args.var_files {
        match text(file) {
            Ok(text) => {
                let (vars, found) = manifest::parse_vars(file, &text);
                findings.extend(found);
                given.files.extend(vars.keys().map(|name| (name.clone(), file.clone())));
                given.vars.extend(vars);
                sources.add(file, text);
            }
            Err(unreadable) => {
                let finding = Diagnostic::error(Code::UnreadableFile, "");
                let usual = "`--var-file` takes a YAML file such as `capital: 100000`";
                findings.push(unreadable.explain(finding, usual));
            }
        }
    }
    for (name, value) in &args.vars {
        given.files.remove(name);
        given.vars.insert(name.clone(), VarValue::typed(value.clone()));
    }
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

fn text(file: &Path) -> Result<String, Unreadable> {
    let name = file.display().to_string();
    let bytes = files::read_input(file, LARGEST).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("there is no file `{name}`"))?;
    manifest::decode(&name, bytes)
}
