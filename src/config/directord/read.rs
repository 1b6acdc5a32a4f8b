//! From values with places to Rust types, every mistake reported where it stands.

use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::node::{Key, Kind, Node};
use crate::config::nearest::nearest;
use crate::config::source::{Context, Span, quoted};

/// A type that is read from a value. `None` after an error.
pub(super) trait Read: Sized {
    /// Reads it.
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self>;
}

/// Something with the place where it was written.
#[derive(Debug, Clone)]
pub(super) struct Marked<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// What a key that is there holds. As the type of a field: the key must be there; with an
/// `Option` round it, it need not.
#[derive(Debug, Clone)]
pub(super) enum Slot<T> {
    /// A value.
    Given(Marked<T>),
    /// Nothing usable, which has been reported.
    Bad,
}

impl<T> Slot<T> {
    /// The value, if it could be read.
    pub(super) fn given(&self) -> Option<&Marked<T>> {
        match self {
            Self::Given(marked) => Some(marked),
            Self::Bad => None,
        }
    }
}

impl<T: Read> Slot<T> {
    pub(super) fn read(cx: &mut Context<'_>, node: &Node) -> Self {
        let span = node.span;
        T::read(cx, node).map_or(Self::Bad, |value| Self::Given(Marked { value, span }))
    }
}

/// A key that need not be there.
pub(super) type Optional<T> = Option<Slot<T>>;

/// What can be asked of an optional key.
pub(super) trait OptionalKey<T> {
    /// The value, if it was given and could be read.
    fn given(&self) -> Option<&Marked<T>>;

    /// The same without its place.
    fn value(&self) -> Option<&T> {
        self.given().map(|marked| &marked.value)
    }

    /// Whether it was given, but could not be read: nothing may be concluded from it.
    fn is_bad(&self) -> bool;
}

impl<T> OptionalKey<T> for Optional<T> {
    fn given(&self) -> Option<&Marked<T>> {
        self.as_ref()?.given()
    }

    fn is_bad(&self) -> bool {
        matches!(self, Some(Slot::Bad))
    }
}

/// The schema is that of what it holds.
impl<T: JsonSchema> JsonSchema for Slot<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The keys of a mapping, with those taken that its type knows.
pub(super) struct Fields<'a> {
    entries: &'a [(Key, Arc<Node>)],
    span: Span,
}

impl<'a> Fields<'a> {
    /// The keys of a mapping; each one that is not known is an error.
    pub(super) fn of(cx: &mut Context<'_>, node: &'a Node, known: &[&str]) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            let message = format!("{} stands where keys with values belong", node.what());
            cx.error(node.span, message)
                .help(format!("the keys here are {}", known.join(", ")));
            return None;
        };
        for (key, _) in entries {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let help = match nearest(&key.text, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the keys here are {}", known.join(", ")),
            };
            cx.error(key.span, format!("unknown key {}", quoted(&key.text)))
                .help(help);
        }
        Some(Self {
            entries,
            span: node.span,
        })
    }

    fn find(&self, name: &str) -> Option<&'a Node> {
        let found = self.entries.iter().find(|(key, _)| key.text == name);
        found.map(|(_, node)| &**node)
    }
}

/// A field of a mapping.
pub(super) trait Field: Sized {
    /// Takes it from the mapping.
    fn field(cx: &mut Context<'_>, fields: &Fields<'_>, name: &str) -> Self;
}

impl<T: Read> Field for Slot<T> {
    fn field(cx: &mut Context<'_>, fields: &Fields<'_>, name: &str) -> Self {
        if let Some(node) = fields.find(name) {
            return Self::read(cx, node);
        }
        cx.error(fields.span, format!("the key {name} is missing"));
        Self::Bad
    }
}

/// `null` is as good as not written.
impl<T: Read> Field for Optional<T> {
    fn field(cx: &mut Context<'_>, fields: &Fields<'_>, name: &str) -> Self {
        let node = fields.find(name).filter(|node| !node.is_null())?;
        Some(Slot::read(cx, node))
    }
}

/// The key of a field: its name, without the mark of one that is a word of the language.
pub(super) const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// A mapping with fixed keys: the type, its reader and its schema from one list, in which
/// the documentation of each field is also the schema's description. A field is called as
/// its key.
macro_rules! mapping {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(in crate::config::directord) struct $name {
            $($(#[$about])* pub(in crate::config::directord) $field: $type,)*
        }

        impl $name {
            /// Its keys.
            pub(in crate::config::directord) const KEYS: &'static [&'static str] =
                &[$($crate::config::directord::read::key(stringify!($field))),*];
        }

        impl $crate::config::directord::read::Read for $name {
            fn read(
                cx: &mut $crate::config::source::Context<'_>,
                node: &$crate::config::directord::node::Node,
            ) -> Option<Self> {
                use $crate::config::directord::read::{Field, Fields};
                let fields = Fields::of(cx, node, Self::KEYS)?;
                Some(Self {
                    $($field: <$type as Field>::field(
                        cx,
                        &fields,
                        $crate::config::directord::read::key(stringify!($field)),
                    ),)*
                })
            }
        }
    };
}
pub(super) use mapping;
