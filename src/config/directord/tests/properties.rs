//! Whatever the text, the reader ends, and says why when it refuses.

use proptest::prelude::*;

use super::accepted::EXAMPLE;
use super::*;

fn holds(text: &[u8]) {
    let parsed = parse(text, "x.yaml", here("loadb1"));
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
