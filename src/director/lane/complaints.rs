//! What keeps checks from being carried out, said once for all of them. Pure.

use std::collections::BTreeMap;

/// Faults of this host, with how many checks have each at the moment.
#[derive(Debug, Default)]
pub(super) struct Complaints(BTreeMap<String, u32>);

/// What is worth a line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// Nobody had this fault before.
    Begun,
    /// Nobody has this fault any more.
    Over(String),
}

impl Complaints {
    /// A check that had the fault `before` now has the fault `now`.
    pub(super) fn change(&mut self, before: Option<&str>, now: Option<&str>) -> Vec<News> {
        let mut news = Vec::new();
        if before == now {
            return news;
        }
        if let Some(before) = before
            && let Some(count) = self.0.get_mut(before)
        {
            *count -= 1;
            if *count == 0 {
                self.0.remove(before);
                news.push(News::Over(before.to_owned()));
            }
        }
        if let Some(now) = now {
            let count = self.0.entry(now.to_owned()).or_default();
            *count += 1;
            if *count == 1 {
                news.push(News::Begun);
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_many_checks_is_said_once_and_its_end_once() {
        let mut complaints = Complaints::default();
        let over = |text: &str| vec![News::Over(text.to_owned())];
        assert_eq!(complaints.change(None, Some("a")), vec![News::Begun]);
        assert_eq!(complaints.change(None, Some("a")), vec![]);
        assert_eq!(complaints.change(Some("a"), Some("a")), vec![]);
        assert_eq!(complaints.change(Some("a"), Some("b")), vec![News::Begun]);
        assert_eq!(complaints.change(Some("b"), None), over("b"));
        assert_eq!(complaints.change(Some("a"), None), over("a"));
        assert_eq!(complaints.change(None, Some("a")), vec![News::Begun]);
        assert_eq!(
            complaints.change(Some("a"), Some("c")),
            [over("a"), vec![News::Begun]].concat()
        );
    }
}
