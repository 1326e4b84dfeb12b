//! The fields of a request: which there are, which must be there, and of what type.

use serde_json::{Map, Value};

use super::quirk::{ExplicitNull, IdsAccepted, Quirks, UnknownFields};

/// The name of the field that refers to an agent.
pub(super) const AGENT_ID: &str = "agentId";

/// What a field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// A numeric id.
    Id,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// Any text.
    Text,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of objects that each name an agent and a step.
    ChainedEntries,
    /// A list of objects that each name an agent and, where it is limited, a number of calls.
    CallableEntries,
    /// Any object.
    Object,
}

/// One row of an endpoint's request.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldRule {
    /// The member's name.
    pub(super) name: &'static str,
    /// What it may hold.
    pub(super) kind: ValueKind,
    /// Whether it may be left out.
    pub(super) is_required: bool,
    /// What a null does.
    pub(super) null: NullRule,
}

/// What a null in a field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NullRule {
    /// It has the wrong type.
    Refused,
    /// The quirk `explicit-null` decides; reads never show null.
    Clears,
    /// The quirk `explicit-null` decides; reads may show null (contract 2.6).
    ClearsToNull,
}

/// Returns a row for a field that must be there.
pub(super) const fn required(name: &'static str, kind: ValueKind) -> FieldRule {
    FieldRule { name, kind, is_required: true, null: NullRule::Refused }
}

/// Returns a row for a field that may be left out.
pub(super) const fn optional(name: &'static str, kind: ValueKind) -> FieldRule {
    FieldRule { name, kind, is_required: false, null: NullRule::Refused }
}

/// Returns a row for a field that may be left out, and perhaps be cleared.
pub(super) const fn clearable(name: &'static str, kind: ValueKind, null: NullRule) -> FieldRule {
    FieldRule { name, kind, is_required: false, null }
}

/// The fields of a request that passed its endpoint's rules.
#[derive(Debug)]
pub(super) struct RequestFields(Map<String, Value>);

impl RequestFields {
    /// Checks a body against the rules; the error is the text of the refusal.
    pub(super) fn check(body: &[u8], rules: &[FieldRule], quirks: &Quirks) -> Result<Self, String> {
        // The authentication check takes no body at all (contract 5).
        let body = if rules.is_empty() && body.is_empty() { b"{}" } else { body };
        let parsed = serde_json::from_slice(body);
        let Ok(Value::Object(mut fields)) = parsed else {
            return Err("The body of the request is not a JSON object.".to_owned());
        };
        for rule in rules {
            match fields.get_mut(rule.name) {
                Some(Value::Null) | None if rule.is_required => {
                    return Err(format!("The field {} is required.", rule.name));
                }
                None => {}
                Some(Value::Null) if may_be_null(rule.null, quirks) => {}
                Some(value) => check_kind(rule, value, quirks)?,
            }
        }
        let must_be_known = quirks.unknown_fields == UnknownFields::Refuse;
        if must_be_known {
            let is_known = |name: &str| rules.iter().any(|rule| rule.name == name);
            if let Some(name) = fields.keys().find(|name| !is_known(name)) {
                return Err(format!("The field {name} is unknown."));
            }
        }
        // A null that got through as far as this was let through by the quirk.
        let is_kept =
            |value: &Value| !value.is_null() || quirks.explicit_null != ExplicitNull::Ignore;
        fields.retain(|name, value| is_kept(value) && rules.iter().any(|rule| rule.name == name));
        Ok(Self(fields))
    }

    /// Returns a required numeric id.
    pub(super) fn id(&self, name: &str) -> u64 {
        // An id that is no natural number belongs to nothing, and nothing has this one.
        self.0.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX)
    }

    /// Returns a text, if it is there.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Returns a required text that is not blank.
    pub(super) fn filled(&self, name: &str) -> Result<&str, String> {
        let text = self.text(name).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| format!("The field {name} must not be empty."))
    }

    /// Returns all fields that are there.
    pub(super) fn all(&self) -> Map<String, Value> {
        self.0.clone()
    }
}

fn may_be_null(rule: NullRule, quirks: &Quirks) -> bool {
    match quirks.explicit_null {
        ExplicitNull::Nullable => rule == NullRule::ClearsToNull,
        ExplicitNull::Clear | ExplicitNull::Ignore => rule != NullRule::Refused,
        ExplicitNull::Refuse => false,
    }
}

fn check_kind(rule: &FieldRule, value: &mut Value, quirks: &Quirks) -> Result<(), String> {
    let name = rule.name;
    if rule.kind == ValueKind::Id && quirks.ids_accepted == IdsAccepted::Both {
        let number = value.as_str().and_then(|digits| digits.parse::<u64>().ok());
        if let Some(number) = number {
            *value = number.into();
        }
    }
    let names_an_agent = |entry: &Value| entry[AGENT_ID].is_i64();
    let has_step = |entry: &Value| names_an_agent(entry) && entry["step"].is_i64();
    let is_callable = |entry: &Value| {
        names_an_agent(entry) && entry.get("callableCount").is_none_or(Value::is_i64)
    };
    let all = |value: &Value, test: &dyn Fn(&Value) -> bool| {
        value.as_array().is_some_and(|entries| entries.iter().all(test))
    };
    let (is_good, wanted) = match rule.kind {
        ValueKind::Id | ValueKind::Integer => (value.is_i64() || value.is_u64(), "an integer"),
        ValueKind::Boolean => (value.is_boolean(), "a boolean"),
        ValueKind::Text => (value.is_string(), "a string"),
        ValueKind::Texts => (all(value, &Value::is_string), "a list of strings"),
        ValueKind::ChainedEntries => {
            (all(value, &has_step), "a list of objects with an agentId and a step")
        }
        ValueKind::CallableEntries => {
            (all(value, &is_callable), "a list of objects with an agentId")
        }
        ValueKind::Object => (value.is_object(), "an object"),
        ValueKind::Word(words) => {
            if value.as_str().is_some_and(|word| words.contains(&word)) {
                return Ok(());
            }
            return Err(format!("The field {name} must be one of: {}.", words.join(", ")));
        }
    };
    if is_good { Ok(()) } else { Err(format!("The field {name} must be {wanted}.")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[FieldRule] = &[
        required("taskId", ValueKind::Id),
        optional("name", ValueKind::Text),
        optional("level", ValueKind::Word(&["low", "high"])),
        clearable("model", ValueKind::Text, NullRule::ClearsToNull),
        clearable("tools", ValueKind::Texts, NullRule::Clears),
    ];

    fn refusal(body: &str, quirks: &Quirks) -> String {
        RequestFields::check(body.as_bytes(), RULES, quirks).err().unwrap_or_default()
    }

    #[test]
    fn a_request_is_refused_for_what_is_missing_mistyped_or_no_json() {
        let mut quirks = Quirks::default();
        let cases = [
            (r#"{"taskId": 1, "more": 1}"#, ""),
            (r#"{"taskId": 1, "model": null}"#, ""),
            (r#"{"taskId": 1, "name": null}"#, "The field name must be a string."),
            (r#"{"taskId": 1, "level": null}"#, "The field level must be one of: low, high."),
            (r#"{"taskId": 1, "tools": null}"#, "The field tools must be a list of strings."),
            (r#"{"taskId": -1}"#, ""),
            ("", "The body of the request is not a JSON object."),
            ("[]", "The body of the request is not a JSON object."),
            ("{", "The body of the request is not a JSON object."),
            ("taskId=1", "The body of the request is not a JSON object."),
            (r#"{"taskId": 1} x"#, "The body of the request is not a JSON object."),
            ("{}", "The field taskId is required."),
            (r#"{"taskId": null}"#, "The field taskId is required."),
            (r#"{"taskId": "1"}"#, "The field taskId must be an integer."),
            (r#"{"taskId": 1.0}"#, "The field taskId must be an integer."),
            (r#"{"taskId": 1e0}"#, "The field taskId must be an integer."),
            (r#"{"taskId": 1, "name": 2}"#, "The field name must be a string."),
            (r#"{"taskId": 1, "level": "mid"}"#, "The field level must be one of: low, high."),
        ];
        for (body, text) in cases {
            assert_eq!(refusal(body, &quirks), text, "{body}");
        }
        let null = r#"{"taskId": 1, "model": null, "tools": null}"#;
        for (form, text) in
            [("clear", ""), ("ignore", ""), ("refuse", "The field model must be a string.")]
        {
            quirks.set(&format!("explicit-null={form}")).unwrap();
            assert_eq!(refusal(null, &quirks), text, "{form}");
        }
        quirks.set("ids-accepted=both").unwrap();
        quirks.set("unknown-fields=refuse").unwrap();
        assert_eq!(refusal(r#"{"taskId": "1"}"#, &quirks), "");
        assert_eq!(refusal(r#"{"taskId": 1, "more": 1}"#, &quirks), "The field more is unknown.");
    }
}
