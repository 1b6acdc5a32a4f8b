//! The word that a misspelt one is most likely meant to be.

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
        let words = [
            "checkinterval",
            "quiescent",
            "scheduler",
            "maintenancedir",
            "advert_interval",
        ];
        let near = |name| nearest(name, words.into_iter());
        assert_eq!(near("CheckInterval"), Some("checkinterval"));
        assert_eq!(near("quiecsent"), Some("quiescent"));
        assert_eq!(near("schedular"), Some("scheduler"));
        assert_eq!(near("maintainancedir"), Some("maintenancedir"));
        assert_eq!(near("advert_intervall"), Some("advert_interval"));
        assert_eq!(near("vrrp_instance"), None);
        assert_eq!(near(""), None);
    }
}
