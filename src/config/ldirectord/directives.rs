//! The names of all directives, and the nearest one to a misspelt name.

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Global,
    Section,
    Both,
}

use Place::{Both, Global, Section};

/// Every directive, in the order of ldirectord's manual.
pub(super) const DIRECTIVES: [(&str, Place); 52] = [
    ("checktimeout", Both),
    ("negotiatetimeout", Both),
    ("checkinterval", Both),
    ("checkcount", Both),
    ("failurecount", Both),
    ("autoreload", Global),
    ("callback", Global),
    ("fallback", Both),
    ("fallback6", Both),
    ("fallbackcommand", Both),
    ("logfile", Global),
    ("emailalert", Both),
    ("emailalertfrom", Global),
    ("emailalertfreq", Both),
    ("emailalertstatus", Both),
    ("smtp", Both),
    ("execute", Global),
    ("supervised", Global),
    ("fork", Global),
    ("quiescent", Both),
    ("readdquiescent", Global),
    ("enforceweights", Global),
    ("cleanstop", Both),
    ("maintenancedir", Global),
    ("virtual", Global),
    ("virtual6", Global),
    ("real", Section),
    ("real6", Section),
    ("checktype", Section),
    ("service", Section),
    ("checkcommand", Section),
    ("checkport", Section),
    ("request", Section),
    ("receive", Section),
    ("httpmethod", Section),
    ("virtualhost", Section),
    ("login", Section),
    ("passwd", Section),
    ("database", Section),
    ("secret", Section),
    ("load", Section),
    ("scheduler", Section),
    ("schedflags", Section),
    ("persistent", Section),
    ("netmask", Section),
    ("protocol", Section),
    ("ops", Section),
    ("monitorfile", Section),
    ("servicename", Section),
    ("comment", Section),
    // withdrawn, with errors of their own
    ("timeout", Global),
    ("connecttimeout", Both),
];

/// Directives whose value is free text: anything may stand in it.
const FREE_TEXT: [&str; 3] = ["comment", "servicename", "fallbackcommand"];

/// Where a directive may stand; `None` for an unknown name.
pub(super) fn place(name: &str) -> Option<Place> {
    DIRECTIVES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, place)| *place)
}

/// Whether anything may stand in a directive's value.
pub(super) fn is_free_text(name: &str) -> bool {
    FREE_TEXT.contains(&name)
}

/// The candidate that a misspelt name is most likely meant to be.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    const LONGEST: usize = 32;
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let name = name.to_ascii_lowercase();
    candidates
        .map(|candidate| (distance(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and exchanges of neighbours that turn one word
/// into the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_find_their_neighbour() {
        let near = |name| nearest(name, DIRECTIVES.iter().map(|(name, _)| *name));
        assert_eq!(near("CheckInterval"), Some("checkinterval"));
        assert_eq!(near("quiecsent"), Some("quiescent"));
        assert_eq!(near("schedular"), Some("scheduler"));
        assert_eq!(near("maintainancedir"), Some("maintenancedir"));
        assert_eq!(near("vrrp_instance"), None);
        assert_eq!(near(""), None);
    }
}
