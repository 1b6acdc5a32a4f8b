//! Values in a body of JSON. Pure.

use serde_json::Value;

use crate::check::fault::excerpt;
use crate::model::{ExpectedJson, Fault};

/// Deepest nesting of arrays and objects that is taken.
const DEPTH_MAX: usize = 32;

/// Bytes of a value that a reason quotes.
const QUOTE_MAX: usize = 100;

/// An expected value made ready.
#[derive(Debug)]
pub(super) struct Place {
    pointer: String,
    value: Value,
}

impl Place {
    pub(super) fn new(expected: &ExpectedJson) -> Result<Self, Fault> {
        let value = serde_json::from_str(&expected.value)
            .map_err(|error| Fault::new(format!("{} is no JSON value: {error}", expected.value)))?;
        Ok(Self {
            pointer: expected.pointer.clone(),
            value,
        })
    }
}

/// Whether a body has all values; says what is wrong.
pub(super) fn judge(body: &[u8], places: &[Place]) -> Result<(), String> {
    if is_deep(body) {
        return Err(format!("the JSON is nested deeper than {DEPTH_MAX}"));
    }
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    for place in places {
        let Some(found) = body.pointer(&place.pointer) else {
            return Err(format!("the JSON has nothing at \"{}\"", place.pointer));
        };
        if !equal(found, &place.value) {
            let found = excerpt(found.to_string().as_bytes(), QUOTE_MAX);
            return Err(format!(
                "the JSON has {found} at \"{}\", not {}",
                place.pointer, place.value
            ));
        }
    }
    Ok(())
}

/// Whether two values are the same; numbers are, however they are written.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one != other => {
            let whole = one.is_f64() || other.is_f64();
            whole && one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(key, value)| other.get(key).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

/// Whether brackets outside of strings open deeper than is taken.
fn is_deep(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str, pointer: &str, value: &str) -> String {
        let expected = ExpectedJson {
            pointer: pointer.to_owned(),
            value: value.to_owned(),
        };
        judge(body.as_bytes(), &[Place::new(&expected).unwrap()])
            .err()
            .unwrap_or_default()
    }

    #[test]
    fn values_are_found_and_compared() {
        let body = r#"{"status":"ok","a/b":[1,{"~":null}],"n":1.0,"deep":{"x":[2,{"y":2.0}]}}"#;
        for (pointer, value) in [
            ("/status", "\"ok\""),
            ("/a~1b/0", "1"),
            ("/a~1b/1/~0", "null"),
            ("/n", "1"),
            ("/deep", r#"{"x":[2.0,{"y":2}]}"#),
        ] {
            assert_eq!(said(body, pointer, value), "", "{pointer}");
        }
        assert_eq!(said("7", "", "7"), "");
        assert_eq!(
            said(body, "/gone", "1"),
            "the JSON has nothing at \"/gone\""
        );
        assert_eq!(
            said(body, "/status", "\"up\""),
            "the JSON has \"ok\" at \"/status\", not \"up\""
        );
        assert!(said(body, "/n", "\"1\"").contains("has 1.0 at"));
        assert!(said("{\"a\":9007199254740993}", "/a", "9007199254740992").contains("not"));
        assert!(said("<html>", "/a", "1").starts_with("the body is not JSON"));
        assert!(said("", "/a", "1").starts_with("the body is not JSON"));
    }

    #[test]
    fn depth_is_bounded_outside_of_strings() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(said(&nested(32), &"/0".repeat(32), "1"), "");
        assert_eq!(
            said(&nested(33), &"/0".repeat(33), "1"),
            "the JSON is nested deeper than 32"
        );
        let text = format!("\"\\\"{}\"", "[".repeat(40));
        assert!(said(&text, "/a", "1").contains("nothing at"));
    }
}
