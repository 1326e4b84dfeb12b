//! What the JSON Schemas of the output say beyond the types that are written.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::model::Action;
use crate::render::escape::Untrusted;

/// Returns the JSON Schema of what is written of `T`.
pub(super) fn root<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

/// Returns the JSON Schema of a transcript, whose turns hold turns of other agents.
pub fn transcript() -> Schema {
    let turns = json!({"type": "array", "items": {"$ref": "#/$defs/Turn"}});
    let parts = parts(&turns);
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A transcript of qcops",
        "description": "What was said in a deployment (see `docs/formats.md`).",
        "type": "object",
        "properties": {
            "format_version": {"type": "integer", "minimum": 1},
            "name": nullable("string"),
            "deployment_id": {"type": "string"},
            "status": nullable("string"),
            "input_tokens": nullable("integer"),
            "output_tokens": nullable("integer"),
            "turns": turns,
        },
        "required": [
            "format_version", "name", "deployment_id", "status", "input_tokens", "output_tokens",
            "turns"
        ],
        "$defs": {
            "Turn": {
                "type": "object",
                "properties": {
                    "turn": {"type": "integer", "minimum": 1},
                    "role": nullable("string"),
                    "time": {"description": "The service's time stamp; null where it was not shown."},
                    "parts": {
                        "description": "Null where they were not shown.",
                        "anyOf": [
                            {"type": "array", "items": {"anyOf": parts}},
                            {"type": "null"}
                        ]
                    }
                },
                "required": ["turn", "role", "time", "parts"]
            }
        }
    })
}

/// A value or null.
fn nullable(kind: &str) -> Value {
    json!({"type": [kind, "null"]})
}

/// The kinds of parts of a turn.
fn parts(turns: &Value) -> Vec<Value> {
    let part = |kind: &str, fields: &[(&str, Value)]| {
        let mut properties = Map::from_iter([("type".to_owned(), json!({"const": kind}))]);
        properties.extend(fields.iter().map(|(name, field)| ((*name).to_owned(), field.clone())));
        let required: Vec<&String> = properties.keys().collect();
        json!({"type": "object", "required": required, "properties": properties})
    };
    let text = [("text", json!({"type": "string"}))];
    let tool = [
        ("tool", json!({"type": "string"})),
        ("state", nullable("string")),
        ("success", nullable("boolean")),
        ("errors", json!({"type": "array", "items": {"type": "string"}})),
        ("input", json!({"description": "What the tool was given."})),
        ("output", json!({"description": "What it returned."})),
        ("turns", turns.clone()),
    ];
    let other = [
        ("kind", json!({"description": "The service's word."})),
        ("part", json!({"description": "The part as the service shows it."})),
        ("turns", turns.clone()),
    ];
    vec![
        part("text", &text),
        part("reasoning", &text),
        part("step", &[]),
        part("tool", &tool),
        part("other", &other),
    ]
}

/// An action.
pub(super) fn action(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<String> = Action::ALL.iter().map(ToString::to_string).collect();
    json_schema!({"enum": words})
}

/// An action, or null.
pub(super) fn action_or_none(_: &mut SchemaGenerator) -> Schema {
    let words = Action::ALL.iter().map(|action| Value::from(action.to_string()));
    let words: Vec<Value> = words.chain([Value::Null]).collect();
    json_schema!({"enum": words})
}

impl JsonSchema for Untrusted {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Foreign".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
