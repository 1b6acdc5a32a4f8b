//! `directord failover history` as text. Pure.

use super::super::status::duration;
use super::plain;
use crate::director::pair::status::PairStatus;

/// One line for each transition, oldest first.
pub(super) fn text(pair: &PairStatus) -> String {
    let width = pair.history.iter().map(|entry| entry.instance.len()).max();
    let width = width.unwrap_or(0);
    let lines = pair.history.iter().map(|entry| {
        let ago = duration(entry.seconds_ago);
        let line = format!(
            "{ago:>7} ago  {:<width$}  {:>7} → {:<7}  epoch {}: {}",
            entry.instance, entry.from, entry.to, entry.epoch, entry.reason
        );
        format!("{}\n", plain(&line))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn every_transition_is_a_line() {
        assert_eq!(
            super::text(&sample::active()),
            "  3m12s ago  web  standby → probe    epoch 7: peer silent on all links\n\
             \x20 3m12s ago  web    probe → acquire  epoch 7: nobody answered the probe\n\
             \x20 3m12s ago  web  acquire → active   epoch 7: takeover complete\n"
        );
    }
}
