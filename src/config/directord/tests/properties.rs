//! Whatever the text, the reader ends, and says why when it refuses.

use proptest::prelude::*;

use super::accepted::EXAMPLE;
use super::*;

const SERVICES: &str = include_str!("../../../../directord.yaml.examples/pair-with-services.yaml");

fn holds(text: &[u8]) {
    let mut parsed = parse(text, "x.yaml", here("loadb1"));
    if let Some(services) = parsed.take_services() {
        // What comes of it is seen in the tests of services.
        let _ = services.resolve(&Names::default());
    }
    let had_errors = parsed.has_errors();
    match parsed.check(None) {
        Ok(document) => assert!(
            !had_errors
                && document
                    .warnings
                    .iter()
                    .all(|d| !d.render(false).is_empty())
        ),
        Err(rejected) => {
            assert!(rejected.first_error().is_some());
            assert!(!crate::config::render(&rejected.0, true).is_empty());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        holds(&bytes);
    }

    #[test]
    fn any_yaml_like_text(text in "([a-c&*!%\"'|>?:,\\[\\]{}#\\- \\n\\tä~0-9]|: |- ){0,120}") {
        holds(text.as_bytes());
    }

    #[test]
    fn services_with_a_part_put_in(start in 0..SERVICES.len(), put in "[ -~\n]{0,12}") {
        let text = format!("{}{put}{}", &SERVICES[..start], &SERVICES[start..]);
        holds(text.as_bytes());
    }

    #[test]
    fn the_example_with_a_part_cut_out_or_put_in(
        start in 0..EXAMPLE.len(),
        length in 0..80usize,
        put in "[ -~\\n]{0,12}",
    ) {
        let end = (start + length).min(EXAMPLE.len());
        let text = format!("{}{put}{}", &EXAMPLE[..start], &EXAMPLE[end..]);
        holds(text.as_bytes());
    }
}
