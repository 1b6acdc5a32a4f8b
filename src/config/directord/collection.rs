//! Lists and mappings from names, with bounds on their length.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::node::{Kind, Node};
use super::read::{Marked, Read, Slot};
use super::value::{Name, wrong};
use crate::config::source::Context;

/// A list with bounds on its length.
#[derive(Debug, Clone)]
pub(super) struct List<T, const MIN: usize, const MAX: usize>(pub(super) Vec<Slot<T>>);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    /// The items that could be read.
    pub(super) fn given(&self) -> impl Iterator<Item = &Marked<T>> {
        self.0.iter().filter_map(Slot::given)
    }
}

impl<T: Read, const MIN: usize, const MAX: usize> Read for List<T, MIN, MAX> {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            wrong(
                cx,
                node,
                "a list",
                "write [ … ], or each item on a line of its own behind \"- \"",
            );
            return None;
        };
        if !(MIN..=MAX).contains(&items.len()) {
            let message = format!("{} items; there can be {MIN} to {MAX}", items.len());
            cx.error(node.span, message);
        }
        let items = items.iter().take(MAX);
        Some(Self(items.map(|item| Slot::read(cx, item)).collect()))
    }
}

impl<T: JsonSchema, const MIN: usize, const MAX: usize> JsonSchema for List<T, MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::from(format!("List{MIN}to{MAX}of{}", T::schema_name()))
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": items, "minItems": MIN, "maxItems": MAX })
    }
}

/// One item, or a list of them.
#[derive(Debug, Clone)]
pub(super) struct OneOrMore<T, const MAX: usize>(pub(super) List<T, 0, MAX>);

impl<T: Read, const MAX: usize> Read for OneOrMore<T, MAX> {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { .. } => Some(Self(List(vec![Slot::read(cx, node)]))),
            Kind::List(_) | Kind::Map(_) => List::read(cx, node).map(Self),
        }
    }
}

impl<T: JsonSchema, const MAX: usize> JsonSchema for OneOrMore<T, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::from(format!("OneOrMore{}", T::schema_name()))
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        let list = generator.subschema_for::<List<T, 0, MAX>>();
        json_schema!({ "anyOf": [one, list] })
    }
}

/// A mapping from names to values of one type, in file order.
#[derive(Debug, Clone)]
pub(super) struct Named<T, const NAME: usize, const MIN: usize, const MAX: usize>(
    pub(super) Vec<(Marked<String>, Slot<T>)>,
);

impl<T, const NAME: usize, const MIN: usize, const MAX: usize> Named<T, NAME, MIN, MAX> {
    /// Names and values that could be read.
    pub(super) fn given(&self) -> impl Iterator<Item = (&Marked<String>, &Marked<T>)> {
        let entries = self.0.iter();
        entries.filter_map(|(name, slot)| Some((name, slot.given()?)))
    }
}

impl<T: Read, const NAME: usize, const MIN: usize, const MAX: usize> Read
    for Named<T, NAME, MIN, MAX>
{
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            wrong(cx, node, "a mapping from names", "write NAME: … for each");
            return None;
        };
        if !(MIN..=MAX).contains(&entries.len()) {
            let count = if MIN == MAX {
                format!("there must be exactly {MIN}")
            } else {
                format!("there can be {MIN} to {MAX}")
            };
            let message = format!("{} entries; {count}", entries.len());
            cx.error(node.span, message);
        }
        let mut named = Vec::new();
        for (key, value) in entries.iter().take(MAX) {
            if !Name::<NAME>::check(cx, key) {
                continue;
            }
            let name = Marked {
                value: key.text.clone(),
                span: key.span,
            };
            named.push((name, Slot::read(cx, value)));
        }
        Some(Self(named))
    }
}

impl<T: JsonSchema, const NAME: usize, const MIN: usize, const MAX: usize> JsonSchema
    for Named<T, NAME, MIN, MAX>
{
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::from(format!("Named{MIN}to{MAX}of{}", T::schema_name()))
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let values = generator.subschema_for::<T>();
        let names = generator.subschema_for::<Name<NAME>>();
        json_schema!({
            "type": "object",
            "propertyNames": names,
            "additionalProperties": values,
            "minProperties": MIN,
            "maxProperties": MAX
        })
    }
}
