//! What the JSON Schemas of the output say beyond the types that are written.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::model::Action;
use crate::render::escape::Untrusted;

/// Returns the JSON Schema of what is written of `T`.
pub(super) fn root<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
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
