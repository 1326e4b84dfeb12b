//! The fields of a manifest as JSON Schema, for editors, and as a reference, for people.
//!
//! The schema refuses no manifest that the reader takes as it is meant to be written, and takes some
//! that the reader refuses: what hangs on several tasks, on files or on variables only `validate` can
//! tell. It is of draft 7, the newest that editors know well.

use serde_json::{Map, Value, json};

use crate::manifest::fields::{
    AGENT, DEPLOYMENT, ENVIRONMENT, EXPECT, FieldShape, LIMITS, MANIFEST, NUMBER, SETTINGS, Spec,
    Stands, TASK, TRANSCRIPT, needed,
};
use crate::manifest::yaml::yaml_to_json;

/// What a key looks like; the rule itself is `model::Key`'s.
const KEY: &str = r"^[\p{Alphabetic}\p{N}][\p{Alphabetic}\p{N}._-]{0,99}$";

/// What a key looks like that may be of a matrix.
const ANY_KEY: &str =
    r"^[\p{Alphabetic}\p{N}][\p{Alphabetic}\p{N}._-]{0,99}(\[[\p{Alphabetic}\p{N} ,._+^=:%-]+\])?$";

/// What the name of a variable or an axis looks like.
const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// A text with a variable in it, which may stand for anything.
const VARIABLE: &str = r"\$\{";

/// A part of the reference: the fields of one mapping.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Its heading.
    pub title: &'static str,
    /// Its fields.
    pub rows: Vec<Row>,
}

/// A field in the reference.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it holds, in words.
    pub holds: String,
    /// What counts where it is left out, in words.
    pub default: &'static str,
    /// What it means.
    pub about: &'static str,
    /// A value, as YAML.
    pub example: &'static str,
    /// The field further up that it excludes.
    pub instead_of: Option<&'static str>,
}

/// Returns every field of a manifest, mapping by mapping.
pub fn reference() -> Vec<Chapter> {
    let chapters: [(_, &[Spec]); 10] = [
        ("The manifest", MANIFEST),
        ("An environment", ENVIRONMENT),
        ("`settings`", SETTINGS),
        ("`limits` of `settings`", LIMITS),
        ("A task, and `defaults`", &TASK),
        ("An agent", &AGENT),
        ("A deployment", DEPLOYMENT),
        ("`expect` of a deployment", EXPECT),
        ("`transcript` of `expect`", TRANSCRIPT),
        ("`number` of `expect`", NUMBER),
    ];
    let row = |spec: &Spec| Row {
        name: spec.name,
        holds: in_words(spec),
        default: if spec.stands == Stands::Always { "required" } else { spec.default },
        about: spec.about,
        example: spec.example,
        instead_of: match spec.stands {
            Stands::Without(other) if spec.name > other => Some(other),
            _ => None,
        },
    };
    let chapter = |(title, fields): (&'static str, &[Spec])| Chapter {
        title,
        rows: fields.iter().map(row).collect(),
    };
    chapters.into_iter().map(chapter).collect()
}

fn in_words(spec: &Spec) -> String {
    let words = match spec.shape {
        FieldShape::Version => "the number 1",
        FieldShape::Text | FieldShape::OpenText | FieldShape::Prompt => "text",
        FieldShape::Word(words) | FieldShape::OpenWord(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            return words.join(" or ");
        }
        FieldShape::Number => "positive whole number",
        FieldShape::Range(least, most) => return format!("whole number, {least} to {most}"),
        FieldShape::Natural => "whole number",
        FieldShape::Set => "list of words",
        FieldShape::References => "mapping of keys to numbers",
        FieldShape::Sequence => "list of keys, or mapping of keys to numbers",
        FieldShape::Agents => "mapping of keys to agents, or to files",
        FieldShape::Bound => "number",
        FieldShape::Flag => "`true` or `false`",
        FieldShape::Texts => "text, or list of texts",
        FieldShape::Expression => "regular expression",
        FieldShape::Expressions => "regular expression, or list of them",
        FieldShape::Prompts => "list of texts",
        FieldShape::Keys => "list of keys",
        FieldShape::Moment => "date, or instant with its offset",
        FieldShape::Duration => "length of time",
        FieldShape::Offset => "`+hh:mm` or `-hh:mm`",
        FieldShape::Mapping(_) | FieldShape::Defaults => "mapping",
        FieldShape::Vars => "mapping of names to texts, numbers or flags",
        FieldShape::Environments => "mapping of names to environments",
        FieldShape::EnvironmentNames => "list of names",
        FieldShape::Matrix => "mapping of names to lists of texts, numbers or flags",
        FieldShape::Exclude => "list of mappings of names to values",
        FieldShape::Tasks => "mapping of keys to tasks",
        FieldShape::Deployments => "mapping of keys to deployments",
    };
    words.to_owned()
}

/// Returns the JSON Schema of a manifest.
pub fn schema() -> Value {
    let mut schema = mapping(MANIFEST, &|_| true);
    // Left to people: what several tasks share, under an anchor.
    schema["patternProperties"] = json!({"^x-": true});
    let mut task = mapping(&TASK, &|_| true);
    let mut agent = mapping(&AGENT, &|_| true);
    for (resource, fields) in [(&mut task, &TASK), (&mut agent, &AGENT)] {
        resource["if"] = json!({"required": ["id"]});
        resource["else"] = unpinned(fields);
        resource["dependencies"] = json!({"exclude": ["matrix"]});
        // One id cannot be of several.
        add(resource, json!({"not": {"type": "object", "required": ["id", "matrix"]}}));
    }
    let mut defaults = mapping(&TASK, &|spec| spec.stands != Stands::InTasks);
    add(&mut defaults, unpinned(&TASK));
    add(&mut schema, any_of(&["tasks", "agents"].map(|field| json!({"required": [field]}))));
    needed().for_each(|fields| add(&mut schema, one_of(&fields)));
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    whole.insert("title".to_owned(), json!("A manifest of qcops"));
    if let Value::Object(top) = &mut schema {
        whole.append(top);
    }
    let definitions = json!({
        "agent": agent,
        "environment": mapping(ENVIRONMENT, &|_| true),
        "task": task,
        "defaults": defaults,
        "deployment": mapping(DEPLOYMENT, &|_| true),
    });
    whole.insert("definitions".to_owned(), definitions);
    Value::Object(whole)
}

/// What holds for resources without a pin: a pinned one may hold whatever the service holds.
fn unpinned(fields: &[Spec]) -> Value {
    let strict = |spec: &&Spec| {
        matches!(
            spec.shape,
            FieldShape::Prompt
                | FieldShape::OpenWord(_)
                | FieldShape::References
                | FieldShape::Sequence
        )
    };
    let properties: Map<String, Value> = fields
        .iter()
        .filter(strict)
        .map(|spec| {
            let value = match spec.shape {
                FieldShape::OpenWord(words) => any_of(&[json!({"enum": words}), variable()]),
                FieldShape::References => numbers(&[natural(), variable()]),
                FieldShape::Sequence => any_of(&[keys(), numbers(&[natural(), variable()])]),
                _ => text(),
            };
            (spec.name.to_owned(), value)
        })
        .collect();
    json!({"properties": properties})
}

/// One of `fields` is needed in each task, or in `defaults`.
fn one_of(fields: &[&str]) -> Value {
    let one: Vec<Value> = fields.iter().map(|field| json!({"required": [field]})).collect();
    let given = json!({"type": "object", "anyOf": one});
    json!({
        "if": {"not": {"required": ["defaults"], "properties": {"defaults": given}}},
        "then": {"properties": {"tasks": {"additionalProperties": given}}},
    })
}

/// Adds a rule that must hold, too.
fn add(schema: &mut Value, rule: Value) {
    match &mut schema["allOf"] {
        Value::Array(rules) => rules.push(rule),
        none => *none = json!([rule]),
    }
}

/// A mapping of those fields that `may_stand` there; an empty value is an empty mapping.
fn mapping(fields: &[Spec], may_stand: &dyn Fn(&Spec) -> bool) -> Value {
    let standing = || fields.iter().filter(|spec| may_stand(spec));
    let properties: Map<String, Value> =
        standing().map(|spec| (spec.name.to_owned(), property(spec))).collect();
    let is_required = |spec: &&Spec| spec.stands == Stands::Always;
    let required: Vec<&str> = standing().filter(is_required).map(|spec| spec.name).collect();
    let types = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let mut schema = json!({
        "type": types,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    for spec in standing() {
        // Each pair once.
        if let Stands::Without(other) = spec.stands
            && spec.name < other
        {
            add(&mut schema, json!({"not": {"type": "object", "required": [spec.name, other]}}));
        }
    }
    schema
}

fn property(spec: &Spec) -> Value {
    let mut property = match spec.shape {
        FieldShape::Version => json!({"const": 1}),
        FieldShape::Text | FieldShape::Duration | FieldShape::Expression => text(),
        FieldShape::OpenText => pattern(r"^$|\S"),
        FieldShape::Prompt => json!({"type": ["string", "null"]}),
        FieldShape::OpenWord(words) => any_of(&[json!({"enum": words}), text()]),
        FieldShape::Word(words) => any_of(&[json!({"enum": words}), variable()]),
        FieldShape::Number => any_of(&[json!({"type": "integer", "minimum": 1}), variable()]),
        FieldShape::Bound => any_of(&[json!({"type": "number"}), variable()]),
        FieldShape::Flag => any_of(&[json!({"type": "boolean"}), variable()]),
        FieldShape::Texts | FieldShape::Expressions => {
            any_of(&[text(), json!({"type": "array", "items": text()})])
        }
        FieldShape::Prompts => json!({"type": ["array", "null"], "items": text()}),
        FieldShape::Natural => any_of(&[natural(), variable()]),
        FieldShape::Range(least, most) => {
            let number = json!({"type": "integer", "minimum": least, "maximum": most});
            any_of(&[number, variable()])
        }
        FieldShape::Keys => json!({"type": ["array", "null"], "items": any_key()}),
        FieldShape::Set => json!({"type": "array", "items": text()}),
        FieldShape::References => references(),
        FieldShape::Sequence => any_of(&[keys(), references()]),
        FieldShape::Agents => agents(),
        FieldShape::Moment => pattern(&format!(r"^\s*\d{{4}}-\d\d-\d\d|{VARIABLE}")),
        FieldShape::Offset => pattern(&format!(r"^[+-]\d\d:\d\d$|{VARIABLE}")),
        FieldShape::Mapping(fields) => mapping(fields, &|_| true),
        FieldShape::Defaults => json!({"$ref": "#/definitions/defaults"}),
        FieldShape::Vars => json!({
            "type": ["object", "null"],
            "propertyNames": {"pattern": NAME},
            "additionalProperties": scalar(),
        }),
        FieldShape::Environments => keyed(&json!(["object", "null"]), "#/definitions/environment"),
        FieldShape::EnvironmentNames => {
            let name = json!({"type": ["string", "integer"]});
            json!({"type": "array", "minItems": 1, "items": name})
        }
        FieldShape::Matrix => axes(),
        FieldShape::Exclude => {
            json!({"type": "array", "items": {
                "type": "object", "minProperties": 1, "additionalProperties": scalar(),
            }})
        }
        FieldShape::Tasks => keyed(&json!("object"), "#/definitions/task"),
        FieldShape::Deployments => keyed(&json!(["object", "null"]), "#/definitions/deployment"),
    };
    // In draft 7 nothing may stand beside a reference.
    if property.get("$ref").is_some() {
        property = json!({"allOf": [property]});
    }
    property["description"] = json!(spec.about);
    if let Ok(example) = yaml_to_json(spec.example) {
        property["examples"] = json!([example]);
    }
    property
}

fn references() -> Value {
    numbers(&[natural(), variable(), json!({"type": "null"})])
}

/// A key, or one of a matrix.
fn any_key() -> Value {
    any_of(&[
        json!({"type": "string", "pattern": ANY_KEY}),
        json!({"type": ["integer", "boolean"]}),
    ])
}

/// Keys, each once.
fn keys() -> Value {
    json!({"type": "array", "items": any_key(), "uniqueItems": true})
}

/// Keys, each with a number that is one of `numbers`.
fn numbers(numbers: &[Value]) -> Value {
    json!({
        "type": "object",
        "propertyNames": {"pattern": ANY_KEY},
        "additionalProperties": any_of(numbers),
    })
}

fn natural() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn keyed(types: &Value, reference: &str) -> Value {
    json!({
        "type": types,
        "propertyNames": {"pattern": KEY},
        "additionalProperties": {"$ref": reference},
    })
}

fn any_of(schemas: &[Value]) -> Value {
    json!({"anyOf": schemas})
}

/// Agents by their keys, or the files that hold them.
fn agents() -> Value {
    let agent = any_of(&[text(), json!({"$ref": "#/definitions/agent"})]);
    json!({
        "type": "object",
        "propertyNames": {"pattern": KEY},
        "additionalProperties": agent,
    })
}

/// Axes with their values.
fn axes() -> Value {
    let values = json!({"type": "array", "minItems": 1, "uniqueItems": true, "items": scalar()});
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": NAME},
        "additionalProperties": values,
    })
}

/// A value of a variable or an axis.
fn scalar() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

/// A text that is not blank.
fn text() -> Value {
    pattern(r"\S")
}

fn variable() -> Value {
    pattern(VARIABLE)
}

fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use boon::{Compiler, SchemaIndex, Schemas};

    use super::*;
    use crate::diag::{Code, Severity};
    use crate::manifest::{ExpandInputs, Source, Unreadable, parse};

    /// Every file holds the same prompt.
    struct Prompts;

    impl Source for Prompts {
        fn read(&self, _path: &str) -> Result<String, Unreadable> {
            Ok("---\n---\nBuy SPY".to_owned())
        }
    }

    struct Checker(Schemas, SchemaIndex);

    impl Checker {
        fn new() -> Self {
            let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
            compiler.add_resource("manifest.json", schema()).unwrap();
            let index = compiler.compile("manifest.json", &mut schemas).unwrap();
            Self(schemas, index)
        }

        /// Whether the schema takes it, and whether the reader does.
        fn judge(&self, manifest: &Value) -> (bool, bool) {
            let text = manifest.to_string();
            let (_, findings) = parse(
                Path::new("tasks.yaml"),
                &text,
                &Prompts,
                ExpandInputs::of(&|name| (name == "X").then(|| "7".to_owned())),
            );
            // Which environments there are is said elsewhere in the manifest.
            let elsewhere = [Code::UnknownEnvironment, Code::EnvironmentNotSelected];
            let is_error = |finding: &crate::diag::Diagnostic| {
                finding.severity == Severity::Error && !elsewhere.contains(&finding.code)
            };
            (self.0.validate(manifest, self.1).is_ok(), !findings.iter().any(is_error))
        }
    }

    /// A mapping of a manifest: where it stands, and its fields.
    fn mappings() -> Vec<(&'static str, &'static [Spec])> {
        vec![
            ("", MANIFEST),
            ("/defaults", &TASK),
            ("/tasks/spy", &TASK),
            ("/agents/researcher", &AGENT),
            ("/tasks/spy/deployments/d", DEPLOYMENT),
            ("/defaults/deployments/d", DEPLOYMENT),
            ("/tasks/spy/deployments/d/expect", EXPECT),
            ("/tasks/spy/deployments/d/expect/transcript", TRANSCRIPT),
            ("/tasks/spy/deployments/d/expect/number", NUMBER),
            ("/environments/e", ENVIRONMENT),
        ]
    }

    /// A sound manifest in which every mapping stands.
    fn base() -> Value {
        json!({
            "version": 1,
            "environments": {"e": {}},
            "defaults": {"deployments": {"d": {}}},
            "agents": {"researcher": {}},
            "tasks": {"spy": {
                "agent": "Researcher",
                "prompt": "Buy SPY",
                "projectPreference": "project-for-task",
                "deployments": {"d": {"expect": {"transcript": {}, "number": {"pattern": "(-?[0-9.]+)"}}}},
            }},
        })
    }

    fn with(pointer: &str, fields: &[(&str, &Value)]) -> Value {
        let mut manifest = base();
        let place = manifest.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        for (name, value) in fields {
            // Its other half would stand beside it.
            if let [_] = fields {
                for other in needed().filter(|pair| pair.contains(name)).flatten() {
                    place.remove(other);
                }
            }
            if *name == "exclude" && pointer != "/defaults" {
                let axes = json!({"symbol": ["SPY", "QQQ"], "window": [6, 12]});
                place.entry("matrix").or_insert(axes);
            }
            place.insert((*name).to_owned(), (*value).clone());
        }
        manifest
    }

    fn example(spec: &Spec) -> Value {
        yaml_to_json(spec.example).unwrap_or_else(|why| panic!("{}: {why}", spec.name))
    }

    /// Values of every kind, each with what fields of that kind are likely to get wrong.
    fn values() -> Vec<Value> {
        let mut values = vec![
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(-1),
            json!(7),
            json!(1.5),
            json!(""),
            json!(" \t"),
            json!("7"),
            json!("true"),
            json!("some words"),
            json!("${X}"),
            json!("a ${X} b"),
            json!([]),
            json!(["a"]),
            json!(["a", "b.c-d_e"]),
            json!(["a b"]),
            json!([""]),
            json!([7, true]),
            json!([1.5]),
            json!([null]),
            json!([["a"]]),
            json!({}),
            json!({"a": null}),
            json!({"a": {}}),
            json!({"a b": {}}),
            json!({"ä1": {"agent": "A", "prompt": "p", "projectPreference": "project-for-task"}}),
            json!({"a": []}),
            json!({"a": {"b": 1}}),
            json!({"prompt": "p"}),
            json!({"name": "p"}),
            json!({"id": 7}),
            json!({"contains": "x", "matches": ["y"]}),
            json!({"pattern": "(-?[0-9.]+)", "min": 1, "max": 1.5}),
            json!({"min": 1}),
            json!("2026-11-01"),
            json!("2026-11-01T09:30:00Z"),
            json!("+00:00"),
            json!("-05:30"),
            json!("30m"),
        ];
        let known = mappings().into_iter().skip(2).flat_map(|(_, fields)| fields);
        for spec in known {
            values.push(example(spec));
            if let FieldShape::Word(words) | FieldShape::OpenWord(words) = spec.shape {
                values.extend(words.iter().map(|word| json!(word)));
                values.push(json!(format!("{}x", words[0])));
            }
        }
        let mut seen = BTreeSet::new();
        values.retain(|value| seen.insert(value.to_string()));
        values
    }

    #[test]
    fn every_field_takes_its_example_and_no_other_field_is_known() {
        let checker = Checker::new();
        assert_eq!(checker.judge(&base()), (true, true));
        for (pointer, fields) in mappings() {
            for spec in fields {
                let is_misplaced = pointer == "/defaults" && spec.stands == Stands::InTasks;
                // The one example that holds a variable is resolved to a number here.
                let value = json!(spec.example.replace("${QC_ORGANIZATION_ID}", "${X}"));
                let value = if spec.example.contains("${") { value } else { example(spec) };
                let judged = checker.judge(&with(pointer, &[(spec.name, &value)]));
                assert_eq!(judged, (!is_misplaced, !is_misplaced), "{pointer}/{}", spec.name);
            }
            let unknown = with(pointer, &[("surprise", &json!(1))]);
            assert_eq!(checker.judge(&unknown), (false, false), "{pointer}");
        }
    }

    #[test]
    fn schema_and_reader_agree_on_every_kind_of_value_in_every_field() {
        let (checker, mut refused, mut taken) = (Checker::new(), 0, 0);
        let mut disagreements = Vec::new();
        let values = values();
        for (pointer, fields) in mappings() {
            for spec in fields {
                for value in &values {
                    let manifest = with(pointer, &[(spec.name, value)]);
                    let (schema, reader) = checker.judge(&manifest);
                    let is_read_closer = match spec.shape {
                        // Of these the schema knows the outline, and the reader the grammar.
                        FieldShape::Duration
                        | FieldShape::Moment
                        | FieldShape::Offset
                        | FieldShape::Expression
                        | FieldShape::Expressions => value.is_string(),
                        // A variable may stand for anything.
                        _ => value.as_str().is_some_and(|text| text.contains("${")),
                    };
                    let is_spelled_otherwise = matches!(spec.shape, FieldShape::Word(words) | FieldShape::OpenWord(words)
                    if value.as_str().is_some_and(|text| {
                        words.iter().any(|word| word.eq_ignore_ascii_case(text))
                    }));
                    let agree = schema == reader
                        || (schema && is_read_closer)
                        || (reader && is_spelled_otherwise);
                    if !agree {
                        let verdicts = format!("schema: {schema}, reader: {reader}");
                        disagreements.push(format!("{pointer}/{}: {value}: {verdicts}", spec.name));
                    }
                    if reader { taken += 1 } else { refused += 1 }
                }
            }
        }
        assert!(disagreements.is_empty(), "{disagreements:#?}");
        assert!(taken > 300 && refused > 1000, "{taken} and {refused} are too few");
    }

    #[test]
    fn schema_and_reader_agree_on_which_fields_stand_together() {
        let checker = Checker::new();
        for (pointer, fields) in mappings().into_iter().skip(1) {
            for (at, first) in fields.iter().enumerate() {
                for second in &fields[at + 1..] {
                    let pair = [(first.name, &example(first)), (second.name, &example(second))];
                    let manifest = with(pointer, &pair);
                    let (schema, reader) = checker.judge(&manifest);
                    assert_eq!(schema, reader, "{pointer}: {} and {}", first.name, second.name);
                }
            }
        }
    }

    #[test]
    fn pinned_tasks_may_hold_what_the_service_holds() {
        let checker = Checker::new();
        for (field, value) in [("prompt", ""), ("projectPreference", "project-of-tomorrow")] {
            let with_pin = with("/tasks/spy", &[(field, &json!(value)), ("id", &json!(7))]);
            assert_eq!(checker.judge(&with_pin), (true, true), "{field}");
            let without = with("/tasks/spy", &[(field, &json!(value))]);
            assert_eq!(checker.judge(&without), (false, false), "{field}");
        }
    }

    #[test]
    fn required_fields_are_required_by_both() {
        let checker = Checker::new();
        for (pointer, fields) in mappings() {
            for spec in fields.iter().filter(|spec| spec.stands == Stands::Always) {
                let mut manifest = base();
                let place = manifest.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
                place.remove(spec.name).unwrap();
                assert_eq!(checker.judge(&manifest), (false, false), "{}", spec.name);
            }
        }
    }
}
