//! What is said of a variable without a value.

use std::ops::Range;

use crate::diag::{Code, Diagnostic, floor_boundary};
use crate::manifest::expand::reference::{VarFlaw, VarReference};
use crate::manifest::expand::{Expander, placed};
use crate::manifest::owner::Owner;
use crate::manifest::suggest::{did_you_mean, nearest_few};

/// Why a variable has no value.
#[derive(Clone, Copy)]
pub(super) enum VarCause {
    /// Nothing sets it.
    Unset,
    /// It is a credential.
    Credential,
    /// It is a variable of the process whose name says that it is a secret.
    Secret,
    /// Its value holds a credential.
    HoldsCredential,
    /// It is of the process, in `settings`.
    OfProcess,
    /// It is another one of `vars`, in one of them.
    OfVars,
    /// Its own value holds a variable without one.
    Reported,
}

impl Expander<'_> {
    pub(super) fn unresolved(
        &mut self,
        reference: &VarReference<'_>,
        cause: VarCause,
        span: &Range<usize>,
        (field, owner): (&str, Owner<'_>),
    ) {
        let VarReference { written, name, .. } = reference;
        let is_of_task = field != "organizationId";
        if is_of_task {
            self.expansion.unset.insert((*name).to_owned());
        }
        let finding = match cause {
            VarCause::Reported => return,
            VarCause::Credential => Diagnostic::error(
                Code::UnresolvedVariable,
                format!("`{written}` in `{field}` of {owner} is a credential, which no manifest may read"),
            )
            .help("write what is meant; credentials never come by way of a manifest"),
            VarCause::Secret => Diagnostic::error(
                Code::UnresolvedVariable,
                format!("`{written}` in `{field}` of {owner} has the name of a secret, which no manifest may read from the environment"),
            )
            .help(format!("give a value that is no secret with `--var {name}=VALUE`")),
            VarCause::HoldsCredential => Diagnostic::error(
                Code::UnresolvedVariable,
                format!("the value of `{written}` in `{field}` of {owner} holds a credential"),
            )
            .help(format!("give a value that is no secret with `--var {name}=VALUE`")),
            VarCause::OfProcess => Diagnostic::error(
                Code::UnresolvedVariable,
                format!("`{written}` in `{field}` of {owner} is a variable of the environment, and none decides what a guard allows"),
            )
            .help(format!("write the value, declare `{name}` in `vars`, or pass `--var {name}=VALUE`")),
            VarCause::OfVars => Diagnostic::error(
                Code::UnresolvedVariable,
                format!("`{written}` in `{field}` of {owner} is one of `vars`, too, and none of them holds another"),
            )
            .help("write the value itself, or put the two together where they are used"),
            VarCause::Unset => {
                let message = format!("`{written}` in `{field}` of {owner} has no value");
                let finding = Diagnostic::error(Code::UnresolvedVariable, message);
                // Each is compared with all of them.
                let known = self.vars.keys().filter(|_| !self.findings.is_full());
                let near = nearest_few(name, known.map(String::as_str), 2);
                let finding = self.set_elsewhere(finding, name);
                let finding = if near.is_empty() { finding } else { finding.help(did_you_mean(name, &near)) };
                finding
                    .help(format!("declare `{name}` in `vars`, set the environment variable, or pass `--var {name}=VALUE`"))
                    .help(format!("or write a default: `${{{name}:-VALUE}}`"))
            }
        };
        self.report_in(finding, written, span);
    }

    /// Says which environments set a variable that the selected one does not set.
    fn set_elsewhere(&self, finding: Diagnostic, name: &str) -> Diagnostic {
        let setting: Vec<String> = self
            .of_environments
            .iter()
            .filter(|(_, names)| names.contains(name))
            .map(|(environment, _)| format!("`{environment}`"))
            .collect();
        if setting.is_empty() {
            return finding;
        }
        finding.help(format!("it is set only in {}", setting.join(", ")))
    }

    pub(super) fn flawed(
        &mut self,
        (written, flaw): (&str, VarFlaw),
        span: &Range<usize>,
        (field, owner): (&str, Owner<'_>),
    ) {
        let usual =
            "a variable is written `${NAME}` or `${NAME:-default}`, with letters, digits and `_`";
        let (what, help) = match flaw {
            VarFlaw::Open => ("is not closed", "write `}` at its end"),
            VarFlaw::Name => ("does not begin a variable", usual),
            VarFlaw::Operator => ("has something other than `:-` behind its name", usual),
            VarFlaw::Nested => (
                "has another variable in its default",
                "a default is a plain text; declare a variable in `vars` for it",
            ),
        };
        let message = format!("`${{` in `{field}` of {owner} {what}");
        let finding = Diagnostic::error(Code::UnresolvedVariable, message).help(help);
        self.report_in(finding, written, span);
    }

    /// Reports what is wrong with words of a value.
    fn report_in(&mut self, finding: Diagnostic, words: &str, span: &Range<usize>) {
        let start = floor_boundary(self.text, span.start);
        let end = floor_boundary(self.text, span.end).max(start);
        // Escapes and aliases hide the words; the whole value is then the place.
        let inner = match self.text[start..end].find(words) {
            Some(at) => start + at..start + at + words.len(),
            None => start..end,
        };
        let finding = finding.help("for a literal `${` write `$${`");
        self.findings.push(placed(finding, (&self.file, self.text), &inner, None));
    }

    pub(super) fn too_much(&mut self, most: usize, span: &Range<usize>) {
        let message = format!("the values of variables have more than {} MiB together", most >> 20);
        let finding = Diagnostic::error(Code::TooMuchText, message);
        let finding = finding.help("divide the manifest, or shorten the values");
        self.findings.push(placed(finding, (&self.file, self.text), span, None));
    }

    pub(super) fn unused(&mut self, name: &str, key: &Range<usize>) {
        let message = format!("variable `{name}` is declared and never used");
        let finding = Diagnostic::warning(Code::UnusedVariable, message);
        let finding = finding.help(format!("write `${{{name}}}` where it belongs, or take it out"));
        self.findings.push(placed(finding, (&self.file, self.text), key, None));
    }
}
