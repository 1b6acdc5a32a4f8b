//! Times and limits, and the relations that keep them safe.

use std::time::Duration;

use super::file::FailoverEntry;
use super::read::OptionalKey as _;
use super::time::Shown;
use crate::config::source::Context;
use crate::model::pair::Timing;

/// The times of a file; `None` when one of them cannot be read.
pub(super) fn lower(cx: &mut Context<'_>, entry: &FailoverEntry) -> Option<Timing> {
    let unread = entry.advert_interval.is_bad()
        || entry.dead_after.is_bad()
        || entry.probe_window.is_bad()
        || entry.address_lifetime.is_bad()
        || entry.start_wait.is_bad();
    let mut timing = match entry.advert_interval.value() {
        Some(interval) => Timing::of_interval(interval.0),
        None => Timing::default(),
    };
    if let Some(dead_after) = entry.dead_after.value() {
        timing = Timing::of(timing.advert_interval, dead_after.0);
    }
    if let Some(window) = entry.probe_window.value() {
        timing.probe_window = window.0;
    }
    if let Some(lifetime) = entry.address_lifetime.value() {
        timing.address_lifetime = lifetime.0;
    }
    if let Some(wait) = entry.start_wait.value() {
        timing.start_wait = wait.0;
    }
    if let Some(moves) = entry.max_moves.value() {
        timing.max_moves = moves.u8();
    }
    if let Some(window) = entry.moves_window.value() {
        timing.moves_window = window.0;
    }
    if unread {
        return None;
    }
    relations(cx, entry, &timing);
    Some(timing)
}

fn relations(cx: &mut Context<'_>, entry: &FailoverEntry, timing: &Timing) {
    let interval = timing.advert_interval;
    // A time that follows from another by default is never at fault.
    if let Some(dead_after) = entry.dead_after.given()
        && timing.dead_after < interval * 3
    {
        let message = format!(
            "dead_after {} is less than three times advert_interval {}",
            Shown(timing.dead_after),
            Shown(interval)
        );
        cx.error(dead_after.span, message).help(format!(
            "one lost packet must not look like a dead peer: write at least {}",
            Shown(interval * 3)
        ));
    }
    if let Some(window) = entry.probe_window.given()
        && timing.probe_window >= timing.dead_after
    {
        let message = format!(
            "probe_window {} is not less than dead_after {}",
            Shown(timing.probe_window),
            Shown(timing.dead_after)
        );
        let most = timing.dead_after / 2;
        cx.error(window.span, message)
            .help(format!("write at most {}", Shown(most)));
    }
    if let Some(wait) = entry.start_wait.given()
        && timing.start_wait < timing.dead_after
    {
        let message = format!(
            "start_wait {} is less than dead_after {}",
            Shown(timing.start_wait),
            Shown(timing.dead_after)
        );
        cx.error(wait.span, message).help(format!(
            "a node that starts must listen as long as a peer may be silent: write at least {}",
            Shown(timing.dead_after)
        ));
    }
    if let Some(lifetime) = entry.address_lifetime.given() {
        let least = Timing::REFRESH * 2 + Duration::from_secs(1);
        if timing.address_lifetime.subsec_nanos() > 0 {
            cx.error(lifetime.span, "address_lifetime is not in whole seconds")
                .help("the kernel counts it in seconds");
        } else if timing.address_lifetime < least {
            let message = format!(
                "address_lifetime {} leaves no room for a late refresh",
                Shown(timing.address_lifetime)
            );
            cx.error(lifetime.span, message).help(format!(
                "addresses are refreshed every {}: write at least {}",
                Shown(Timing::REFRESH),
                Shown(least)
            ));
        }
    }
}
