//! Which values are templates, and what they see.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;

use crate::kinds::AGENT_ID;
use crate::manifest::expand::Expander;
use crate::manifest::expand::lookup::{field, has_field};
use crate::manifest::expand::secrets::holds_credential;
use crate::manifest::expand::vars::{VarValue, read_plain};
use crate::manifest::node::{Node, NodeValue};
use crate::manifest::scope::{MatrixAxis, NoValue, TemplateScope, TemplateVars};

/// The field that makes a resource a template.
pub(super) const TEMPLATE: &str = "template";

/// The fields that are rendered.
const RENDERED: [&str; 7] =
    ["agent", "description", "name", "prompt", "promptFile", "systemPrompt", "systemPromptFile"];

/// Fields of `defaults` that a template takes as its own, so that they are rendered for it; those of
/// one row exclude each other.
const TAKEN: [&[&str]; 3] = [&["prompt", "promptFile"], &["agent", AGENT_ID], &["deployments"]];

/// A value as a template sees it: `5` is a number, and `true` a flag.
pub(super) fn seen(value: &VarValue) -> Value {
    if value.is_text {
        return Value::from(value.text.as_str());
    }
    match read_plain(value.text.as_str().into()) {
        NodeValue::Boolean(flag) => Value::from(flag),
        NodeValue::Integer(number) => Value::from(number),
        NodeValue::Float(number) => Value::from(number),
        _ => Value::from(value.text.as_str()),
    }
}

impl Expander<'_> {
    /// The variables as templates see them: none of the process.
    fn template_vars(&mut self) -> Arc<TemplateVars> {
        if let Some(vars) = &self.template_vars {
            return Arc::clone(vars);
        }
        let (process, environments) = (self.inputs.process, &self.expansion.environments);
        let is_credential = |text: &str| holds_credential(text, process, environments.keys());
        let of = |value: &Option<VarValue>| match value {
            None => Err(NoValue::Reported),
            Some(value) if is_credential(&value.text) => Err(NoValue::HoldsCredential),
            Some(value) => Ok((seen(value), value.text.clone())),
        };
        let vars: BTreeMap<String, _> =
            self.vars.iter().map(|(name, value)| (name.clone(), of(value))).collect();
        let vars = Arc::new(TemplateVars::new(vars));
        Arc::clone(self.template_vars.insert(vars))
    }

    /// What the templates of a resource see.
    pub(super) fn scope(
        &mut self,
        key: &str,
        axes: &Arc<Vec<MatrixAxis>>,
        values: Vec<(String, Value)>,
    ) -> Arc<TemplateScope> {
        let environment = self.inputs.environment;
        let known = environment.filter(|name| self.expansion.environments.contains_key(*name));
        Arc::new(TemplateScope {
            vars: self.template_vars(),
            environment: known.map(Arc::from),
            key: key.to_owned(),
            axes: Arc::clone(axes),
            values,
        })
    }
}

/// Whether a resource says that its texts are templates.
pub(super) fn is_template(resource: &Node<'_>) -> bool {
    field(resource, TEMPLATE).is_some_and(|node| matches!(node.value, NodeValue::Boolean(true)))
}

/// Gives a template those fields of `defaults` that it does not set.
pub(super) fn take_defaults<'t>(resource: &mut Node<'t>, defaults: Option<&Node<'t>>) {
    let Some(NodeValue::Mapping(known)) = defaults.map(|node| &node.value) else { return };
    for names in TAKEN {
        if names.iter().any(|name| has_field(resource, name)) {
            continue;
        }
        let is_one = |key: &Node<'_>| matches!(&key.value, NodeValue::Text(word) if names.contains(&&**word));
        let NodeValue::Mapping(own) = &mut resource.value else { return };
        own.extend(known.iter().filter(|(key, _)| is_one(key)).cloned());
    }
}

/// Marks the values of a resource that are rendered.
pub(super) fn mark(resource: &mut Node<'_>, scope: &Arc<TemplateScope>) {
    let NodeValue::Mapping(pairs) = &mut resource.value else { return };
    for (key, value) in pairs {
        let NodeValue::Text(word) = &key.value else { continue };
        if RENDERED.contains(&&**word) {
            value.scope = Some(Arc::clone(scope));
        } else if word == "deployments"
            && let NodeValue::Mapping(deployments) = &mut value.value
        {
            for (_, deployment) in deployments {
                mark_follow_ups(deployment, scope);
            }
        }
    }
}

fn mark_follow_ups(deployment: &mut Node<'_>, scope: &Arc<TemplateScope>) {
    let NodeValue::Mapping(pairs) = &mut deployment.value else { return };
    for (key, value) in pairs {
        if let NodeValue::Text(word) = &key.value
            && word == "followUps"
            && let NodeValue::Sequence(prompts) = &mut value.value
        {
            for prompt in prompts {
                prompt.scope = Some(Arc::clone(scope));
            }
        }
    }
}
