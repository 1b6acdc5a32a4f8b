//! Enough of a JSON Schema validator for the schema that is printed.

use serde_json::{Map, Value};

/// Whether a value fits a schema. A keyword that is not known here is a panic.
pub(crate) fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let keywords = schema.as_object().unwrap().iter();
    let mut fit = true;
    for (keyword, argument) in keywords {
        fit &= match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "x-range" => true,
            "$ref" => {
                let pointer = argument.as_str().unwrap().strip_prefix('#').unwrap();
                fits(root, root.pointer(pointer).unwrap(), value)
            }
            "type" => has_type(argument, value),
            "const" => argument == value,
            "enum" => argument.as_array().unwrap().contains(value),
            "anyOf" => any(root, argument, value) > 0,
            "oneOf" => any(root, argument, value) == 1,
            _ => match value {
                Value::String(text) => text_fits(keyword, argument, text),
                Value::Number(_) => number_fits(keyword, argument, value.as_f64().unwrap()),
                Value::Array(items) => list_fits(root, keyword, argument, items),
                Value::Object(map) => map_fits(root, schema, (keyword, argument), map),
                Value::Null | Value::Bool(_) => true,
            },
        };
    }
    fit
}

fn any(root: &Value, schemas: &Value, value: &Value) -> usize {
    let schemas = schemas.as_array().unwrap().iter();
    schemas.filter(|schema| fits(root, schema, value)).count()
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    match wanted {
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        name => is(name.as_str().unwrap()),
    }
}

fn text_fits(keyword: &str, argument: &Value, text: &str) -> bool {
    match keyword {
        "pattern" => {
            let pattern = fancy_regex::Regex::new(argument.as_str().unwrap()).unwrap();
            pattern.is_match(text).unwrap()
        }
        "minLength" => text.len() as u64 >= argument.as_u64().unwrap(),
        "maxLength" => text.len() as u64 <= argument.as_u64().unwrap(),
        other => is_for_others(other),
    }
}

fn number_fits(keyword: &str, argument: &Value, number: f64) -> bool {
    match keyword {
        "minimum" => number >= argument.as_f64().unwrap(),
        "maximum" => number <= argument.as_f64().unwrap(),
        other => is_for_others(other),
    }
}

fn list_fits(root: &Value, keyword: &str, argument: &Value, items: &[Value]) -> bool {
    match keyword {
        "items" => items.iter().all(|item| fits(root, argument, item)),
        "minItems" => items.len() as u64 >= argument.as_u64().unwrap(),
        "maxItems" => items.len() as u64 <= argument.as_u64().unwrap(),
        other => is_for_others(other),
    }
}

fn map_fits(
    root: &Value,
    schema: &Value,
    (keyword, argument): (&str, &Value),
    map: &Map<String, Value>,
) -> bool {
    let has_all = |keys: &Value| {
        let mut keys = keys.as_array().unwrap().iter();
        keys.all(|key| map.contains_key(key.as_str().unwrap()))
    };
    match keyword {
        "properties" => {
            let properties = argument.as_object().unwrap().iter();
            let mut given = properties.filter_map(|(key, schema)| Some((schema, map.get(key)?)));
            given.all(|(schema, value)| fits(root, schema, value))
        }
        "additionalProperties" => {
            let others = map
                .iter()
                .filter(|(key, _)| schema["properties"].get(key.as_str()).is_none());
            let mut others = others.map(|(_, value)| value);
            match argument {
                Value::Bool(allowed) => *allowed || others.next().is_none(),
                schema => others.all(|value| fits(root, schema, value)),
            }
        }
        "propertyNames" => map
            .keys()
            .all(|key| fits(root, argument, &Value::String(key.clone()))),
        "required" => has_all(argument),
        "dependentRequired" => {
            let mut rules = argument.as_object().unwrap().iter();
            rules.all(|(key, needed)| !map.contains_key(key) || has_all(needed))
        }
        "minProperties" => map.len() as u64 >= argument.as_u64().unwrap(),
        "maxProperties" => map.len() as u64 <= argument.as_u64().unwrap(),
        other => is_for_others(other),
    }
}

/// A keyword that says nothing about a value of this type.
fn is_for_others(keyword: &str) -> bool {
    let known = [
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "additionalProperties",
        "propertyNames",
        "required",
        "dependentRequired",
        "minProperties",
        "maxProperties",
    ];
    assert!(known.contains(&keyword), "{keyword}");
    true
}
