//! What a variable is where it is used: a value of the manifest, of a flag or a file, or of the process.

use std::collections::BTreeSet;

use crate::manifest::expand::Expander;
use crate::manifest::expand::problem::VarCause;
use crate::manifest::expand::reference::{VarPiece, VarReference, parts};
use crate::manifest::expand::secrets::{
    holds_credential, is_credential, is_organization, is_secret, variable_of_environment,
};
use crate::manifest::expand::vars::VarValue;
use crate::manifest::node::Node;
use crate::manifest::owner::Owner;

/// Where a value stands, which decides what it may hold.
pub(super) enum ValuePlace {
    /// In a field: any variable.
    Field,
    /// In `vars`, which have these names: none of them, so that no order counts.
    Vars(BTreeSet<String>),
    /// In `settings`: none of the process, since nothing that a reviewer does not see may override a guard.
    Settings,
}

impl Expander<'_> {
    /// The value of a declared variable, which may hold variables of flags and of the process, but none
    /// of `vars`: so no cycle can be written, and none that grows with every level.
    pub(super) fn own_value(
        &mut self,
        name: &str,
        node: &Node<'_>,
        owner: Owner<'_>,
    ) -> Option<VarValue> {
        let value = VarValue::of(node, self.text);
        if !value.text.contains("${") {
            return Some(value);
        }
        let owner = Owner::Inside("vars", &owner);
        let is_of_process = |piece| {
            matches!(piece, VarPiece::VarReference(VarReference { name, .. })
            if !self.inputs.given.contains_key(name))
        };
        if parts(&value.text).into_iter().any(is_of_process) {
            self.of_process.insert(name.to_owned());
        }
        let text = self.substituted(&value.text, &node.span, (name, owner))?;
        Some(VarValue { text, ..value })
    }

    /// The value of a variable: that of a flag or the manifest, else of the process, else its default.
    pub(super) fn value(&mut self, reference: &VarReference<'_>) -> Result<String, VarCause> {
        let VarReference { name, default, .. } = *reference;
        if is_credential(name) {
            return Err(VarCause::Credential);
        }
        self.expansion.used.insert(name.to_owned());
        let is_declared = self.vars.contains_key(name) || self.inputs.given.contains_key(name);
        match &self.place {
            ValuePlace::Vars(names)
                if names.contains(name) && !self.inputs.given.contains_key(name) =>
            {
                return Err(VarCause::OfVars);
            }
            ValuePlace::Settings if !is_declared || self.of_process.contains(name) => {
                return Err(VarCause::OfProcess);
            }
            _ => {}
        }
        let declared = match self.vars.get(name).or_else(|| self.inputs.given.get(name)) {
            Some(None) => return Err(VarCause::Reported),
            Some(Some(value)) => Some(value.text.clone()),
            None if is_secret(name) => return Err(VarCause::Secret),
            None => (self.inputs.process)(name),
        };
        // As in a shell, an empty value gives way to a default.
        let usable = declared.filter(|value| default.is_none() || !value.is_empty());
        let value = usable.or_else(|| default.map(str::to_owned)).ok_or(VarCause::Unset)?;
        if holds_credential(&value, self.inputs.process, self.expansion.environments.keys()) {
            return Err(VarCause::HoldsCredential);
        }
        Ok(value)
    }

    /// The value of a variable outside of `vars`; for what is known before any is selected.
    pub(super) fn outer_value(
        &self,
        reference: &VarReference<'_>,
        environment: &str,
    ) -> Option<String> {
        let VarReference { name, default, .. } = *reference;
        let own = variable_of_environment(name, environment);
        let own = (self.inputs.process)(&own).filter(|_| is_organization(name));
        let process = || own.or_else(|| (self.inputs.process)(name)).filter(|_| !is_secret(name));
        let value = match self.inputs.given.get(name) {
            Some(given) => given.as_ref().map(|value| value.text.clone()),
            None => process().or_else(|| default.map(str::to_owned)),
        };
        let environments = || self.expansion.environments.keys();
        value.filter(|value| !holds_credential(value, self.inputs.process, environments()))
    }
}
