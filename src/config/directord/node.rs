//! YAML text as a tree in which every value knows its place.
//!
//! Hostile text costs little: length, depth, number of values (those behind aliases counted
//! at each use) and length of a line are bounded, and an alias shares what it names instead
//! of copying it.

use std::collections::BTreeMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use crate::config::source::{Context, Source, Span, quoted};

/// Longest file, in bytes.
const BYTES_MAX: u32 = 16 << 20;
/// Longest line, in bytes.
const LINE_MAX: usize = 64 << 10;
/// Most values, aliases expanded.
const NODES_MAX: usize = 1_000_000;
/// Deepest nesting, aliases expanded.
const DEPTH_MAX: usize = 24;

/// A value with its place.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins; for a list or mapping the key it belongs to, if any.
    pub(super) span: Span,
    pub(super) kind: Kind,
    /// Number of values in it, itself included, aliases expanded.
    size: usize,
    /// Levels of lists and mappings in it, itself included.
    depth: usize,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text; `plain` when it stands there without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Arc<Node>>),
    /// In file order, no key twice.
    Map(Vec<(Key, Arc<Node>)>),
}

/// A key of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Node {
    /// Whether nothing is written, or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, in words.
    pub(super) fn what(&self) -> String {
        match &self.kind {
            _ if self.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } => quoted(text),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Reads a file's only document. `None` after an error; an empty file is null.
pub(super) fn read(cx: &mut Context<'_>) -> Option<Arc<Node>> {
    let text = text(cx)?;
    let mut builder = Builder::default();
    let mut columns = Columns::default();
    for event in Parser::new_from_str(&text).keep_tags(true) {
        let (event, place) = match event {
            Ok(event) => event,
            Err(error) => {
                let span = columns.span(cx.source, *error.marker(), *error.marker());
                cx.error(span, format!("not YAML: {}", error.info()))
                    .help("look at the indentation, the brackets and the quotes up to here");
                return None;
            }
        };
        let span = columns.span(cx.source, place.start, place.end);
        builder.take(cx, &event, span)?;
    }
    Some(builder.root.unwrap_or_else(|| {
        Arc::new(Node {
            span: Span::default(),
            kind: Kind::Scalar {
                text: String::new(),
                plain: true,
            },
            size: 1,
            depth: 0,
        })
    }))
}

/// The text with line feeds as the only line ends, so that the parser counts lines as
/// [`Source`] does.
fn text(cx: &mut Context<'_>) -> Option<String> {
    let source = cx.source;
    if source.too_long || source.bytes() > BYTES_MAX {
        let message = format!("the file is longer than {} MiB", BYTES_MAX >> 20);
        cx.error(Span::default(), message);
        return None;
    }
    let mut text = String::new();
    let mut sound = true;
    for number in 1..=source.len() {
        let line = source.line(number);
        let at = |start: usize, end: usize| Span {
            line: number,
            start: start as u32,
            end: end as u32,
        };
        if line.len() > LINE_MAX {
            cx.error(
                at(0, 1),
                format!("the line is longer than {LINE_MAX} bytes"),
            );
            sound = false;
        } else if source.not_utf8.binary_search(&number).is_ok() {
            cx.error(at(0, line.len()), "not UTF-8")
                .help("convert the file to UTF-8");
            sound = false;
        } else if let Some((offset, c)) = line
            .char_indices()
            .find(|(_, c)| c.is_control() && *c != '\t')
        {
            let message = format!("control character U+{:04X}", u32::from(c));
            cx.error(at(offset, offset + c.len_utf8()), message)
                .help("remove it");
            sound = false;
        }
        text.push_str(line);
        text.push('\n');
    }
    sound.then_some(text)
}

/// From lines and characters to bytes. Keeps the last place, because the next one is near.
#[derive(Default)]
struct Columns {
    line: u32,
    column: usize,
    byte: usize,
}

impl Columns {
    fn byte(&mut self, source: &Source, place: Marker) -> usize {
        let line = place.line() as u32;
        if line != self.line {
            (self.line, self.column, self.byte) = (line, 0, 0);
        }
        let text = source.line(line);
        while self.column < place.col() {
            let Some(c) = text[self.byte..].chars().next() else {
                break;
            };
            self.column += 1;
            self.byte += c.len_utf8();
        }
        while self.column > place.col() {
            let Some(c) = text[..self.byte].chars().next_back() else {
                break;
            };
            self.column -= 1;
            self.byte -= c.len_utf8();
        }
        self.byte
    }

    /// The part of a stretch that is on its first line.
    fn span(&mut self, source: &Source, start: Marker, end: Marker) -> Span {
        let line = start.line() as u32;
        let first = self.byte(source, start);
        let last = if end.line() == start.line() {
            self.byte(source, end)
        } else {
            source.line(line).trim_end().len()
        };
        Span {
            line,
            start: first as u32,
            end: last.max(first) as u32,
        }
    }
}

/// A list or mapping that has not ended.
struct Open {
    span: Span,
    anchor: usize,
    kind: OpenKind,
    size: usize,
    depth: usize,
}

enum OpenKind {
    List(Vec<Arc<Node>>),
    Map {
        entries: Vec<(Key, Arc<Node>)>,
        /// The key whose value comes next; `Err` when it is one to be left out.
        key: Option<Result<Key, Span>>,
        /// Lines of the keys.
        seen: BTreeMap<String, u32>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Arc<Node>>,
    documents: usize,
    root: Option<Arc<Node>>,
}

impl Builder {
    fn take(&mut self, cx: &mut Context<'_>, event: &Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    cx.error(span, "a second document in one file")
                        .help("remove the line \"---\" and what follows");
                    return None;
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(anchor).cloned() else {
                    cx.error(span, "the alias stands inside what it names");
                    return None;
                };
                return self.put(cx, node, span);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let text_only = tag.as_deref().is_some_and(is_text_tag);
                Self::tag(cx, tag.as_deref(), span)?;
                let kind = Kind::Scalar {
                    text: text.to_string(),
                    plain: *style == ScalarStyle::Plain && !text_only,
                };
                return self.finish(cx, kind, span, *anchor, (1, 0));
            }
            Event::SequenceStart(anchor, tag) => {
                Self::tag(cx, tag.as_deref(), span)?;
                return self.begin(cx, OpenKind::List(Vec::new()), span, *anchor);
            }
            Event::MappingStart(anchor, tag) => {
                Self::tag(cx, tag.as_deref(), span)?;
                let kind = OpenKind::Map {
                    entries: Vec::new(),
                    key: None,
                    seen: BTreeMap::new(),
                };
                return self.begin(cx, kind, span, *anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().expect("ends follow their beginnings");
                let kind = match open.kind {
                    OpenKind::List(items) => Kind::List(items),
                    OpenKind::Map { entries, .. } => Kind::Map(entries),
                };
                return self.finish(cx, kind, open.span, open.anchor, (open.size, open.depth));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Some(())
    }

    /// Tags say nothing here that the place of a value does not say already.
    fn tag(cx: &mut Context<'_>, tag: Option<&Tag>, span: Span) -> Option<()> {
        let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema() && !is_text_tag(tag)) else {
            return Some(());
        };
        cx.error(span, format!("unknown tag {}", quoted(&tag.to_string())))
            .help("remove it");
        None
    }

    fn begin(
        &mut self,
        cx: &mut Context<'_>,
        kind: OpenKind,
        span: Span,
        anchor: usize,
    ) -> Option<()> {
        if self.open.len() >= DEPTH_MAX {
            return too_deep(cx, span);
        }
        if let Some(Open {
            kind: OpenKind::Map { key: None, .. },
            ..
        }) = self.open.last()
        {
            cx.error(span, "a key must be a word")
                .help("texts with braces or brackets in them need quotes");
            return None;
        }
        // What belongs to a key is reported at the key.
        let span = match self.open.last() {
            Some(Open {
                kind: OpenKind::Map { key: Some(key), .. },
                ..
            }) => key.as_ref().map_or_else(|span| *span, |key| key.span),
            _ => Span {
                end: span.start + 1,
                ..span
            },
        };
        self.open.push(Open {
            span,
            anchor,
            kind,
            size: 1,
            depth: 1,
        });
        Some(())
    }

    fn finish(
        &mut self,
        cx: &mut Context<'_>,
        kind: Kind,
        span: Span,
        anchor: usize,
        (size, depth): (usize, usize),
    ) -> Option<()> {
        let node = Arc::new(Node {
            span,
            kind,
            size,
            depth,
        });
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        self.put(cx, node, span)
    }

    /// Adds a value to what is open; the place is that of its use.
    fn put(&mut self, cx: &mut Context<'_>, node: Arc<Node>, span: Span) -> Option<()> {
        let level = self.open.len();
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        open.size = open.size.saturating_add(node.size);
        open.depth = open.depth.max(node.depth + 1);
        if open.size > NODES_MAX {
            cx.error(span, format!("more than {NODES_MAX} values"))
                .help("aliases count as often as they are used");
            return None;
        }
        if level + node.depth > DEPTH_MAX {
            return too_deep(cx, span);
        }
        match &mut open.kind {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map { entries, key, seen } => match key.take() {
                Some(Ok(key)) => entries.push((key, node)),
                Some(Err(_)) => {}
                None => *key = Some(read_key(cx, &node, span, seen)?),
            },
        }
        Some(())
    }
}

/// `!!str` and `!`, which make a text of anything.
fn is_text_tag(tag: &Tag) -> bool {
    (tag.is_yaml_core_schema() && tag.suffix == "str")
        || (tag.handle.is_empty() && tag.suffix == "!")
}

fn too_deep(cx: &mut Context<'_>, span: Span) -> Option<()> {
    cx.error(span, format!("nested more than {DEPTH_MAX} levels deep"));
    None
}

fn read_key(
    cx: &mut Context<'_>,
    node: &Node,
    span: Span,
    seen: &mut BTreeMap<String, u32>,
) -> Option<Result<Key, Span>> {
    let Kind::Scalar { text, .. } = &node.kind else {
        cx.error(span, "a key must be a word");
        return None;
    };
    let Some(line) = seen.get(text) else {
        seen.insert(text.clone(), span.line);
        let text = text.clone();
        return Some(Ok(Key { text, span }));
    };
    cx.error(span, format!("the key {} stands here twice", quoted(text)))
        .help(format!(
            "it is already on line {line}; remove one of the two"
        ));
    Some(Err(span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Report;

    /// The tree, or the first message.
    fn tree(text: &str) -> Result<Arc<Node>, String> {
        let source = Source::new(text.as_bytes(), "x.yaml");
        let mut report = Report::default();
        let mut cx = Context {
            source: &source,
            report: &mut report,
        };
        let node = read(&mut cx);
        let has_errors = report.has_errors();
        match node {
            Some(node) if !has_errors => Ok(node),
            _ => Err(report.finish()[0].to_string()),
        }
    }

    fn first(text: &str) -> String {
        tree(text).unwrap_err()
    }

    #[test]
    fn values_know_where_they_stand_also_behind_wide_characters() {
        let root = tree("ä: {ö: 1, list: [ü, 'x y']}\n").unwrap();
        let Kind::Map(entries) = &root.kind else {
            panic!("{root:?}")
        };
        let Kind::Map(inner) = &entries[0].1.kind else {
            panic!("{root:?}")
        };
        let at = |line, start, end| Span { line, start, end };
        assert_eq!(entries[0].0.span, at(1, 0, 2));
        assert_eq!(inner[0].1.span, at(1, 9, 10));
        let Kind::List(items) = &inner[1].1.kind else {
            panic!("{root:?}")
        };
        assert_eq!(items[1].span, at(1, 23, 28));
        assert_eq!(inner[1].1.span, inner[1].0.span);
    }

    #[test]
    fn an_alias_is_what_it_names() {
        let root = tree("a: &x [1, 2]\nb: *x\n").unwrap();
        let Kind::Map(entries) = &root.kind else {
            panic!("{root:?}")
        };
        assert!(Arc::ptr_eq(&entries[0].1, &entries[1].1));
        assert_eq!(root.size, 9);
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(first(&bomb).contains("more than 1000000 values"));
        let mut ladder = String::from("a0: &a0 [x]\n");
        for level in 1..40 {
            ladder.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(first(&ladder).contains("nested"));
        assert!(first(&"[".repeat(10_000)).contains("recursion limit"));
        assert!(first(&"[".repeat(100)).contains("nested"));
        assert!(first(&"- ".repeat(10_000)).contains("nested"));
        assert!(first(&"{a: ".repeat(100)).contains("nested"));
        assert!(first("a: &a [*a]\n").contains("inside what it names"));
        assert!(first(&"a".repeat(70_000)).contains("longer than"));
    }

    #[test]
    fn what_yaml_has_beyond_values_is_refused() {
        assert_eq!(
            first("a: 1\nb: 2\na: 3\n"),
            "x.yaml:3:1: error: the key \"a\" stands here twice"
        );
        assert!(first("a: 1\n---\nb: 1\n").contains("x.yaml:2:1: error: a second document"));
        assert!(first("a: !run x\n").contains("unknown tag"));
        assert!(first("{a: 1}: 2\n").contains("must be a word"));
        assert!(first("a: [1\n").contains("not YAML"));
        assert!(first("a: \u{7}\n").contains("control character U+0007"));
        assert!(first("a: 1\rb: 2\n").contains("control character U+000D"));
        let source = Source::new(b"a: \xe9\n", "x.yaml");
        let mut report = Report::default();
        let mut cx = Context {
            source: &source,
            report: &mut report,
        };
        assert!(read(&mut cx).is_none());
        assert_eq!(report.finish()[0].message, "not UTF-8");
    }

    #[test]
    fn core_tags_and_crlf_change_nothing() {
        let root = tree("a: !!str 1\r\nb: !!int 2\r\n").unwrap();
        let Kind::Map(entries) = &root.kind else {
            panic!("{root:?}")
        };
        assert!(matches!(&entries[0].1.kind, Kind::Scalar { text, plain: false } if text == "1"));
        assert!(matches!(&entries[1].1.kind, Kind::Scalar { text, plain: true } if text == "2"));
        assert!(tree("").unwrap().is_null());
    }
}
