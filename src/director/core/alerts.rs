//! What of the core's doings mail may tell of.

use crate::config::Phase;
use crate::health::Transition;
use crate::model::{Availability, DestinationKey, ServiceKey};

use super::super::alert::{Kind, Occurrence};
use super::super::notice::{Change, Notice};
use super::managed::Managed;

/// A change of the kernel's table; `None` when it is no server's or nobody wants mail.
pub(super) fn applied(
    service: ServiceKey,
    change: &Change,
    fallback: bool,
    transition: Option<&Transition>,
    managed: Option<&Managed>,
    phase: Phase,
) -> Option<Occurrence> {
    let server = change.server()?;
    if managed.is_some_and(|managed| managed.virtual_service.mail.recipients.is_none()) {
        return None;
    }
    let standing = managed.and_then(|managed| {
        let position = *managed.positions(&server).last()?;
        Some(managed.reals.get(position)?.machine.availability())
    });
    let kind = match standing {
        Some(standing) if !fallback => kind(standing),
        _ => Kind::Other,
    };
    Some(Occurrence {
        service,
        server,
        kind,
        applied: true,
        message: Notice::applied(service, change, fallback, None, None).message,
        reason: transition.map(|transition| transition.reason.to_string()),
        phase: phase_of(transition, phase),
    })
}

/// A server that left with its service.
pub(super) fn purged(
    service: ServiceKey,
    server: DestinationKey,
    stopping: bool,
    phase: Phase,
) -> Occurrence {
    let when = if stopping { "stop" } else { "start" };
    let v = service.short();
    Occurrence {
        service,
        server,
        kind: Kind::Other,
        applied: true,
        message: format!("Purged real server ({when}): {server} ({v})"),
        reason: None,
        phase,
    }
}

/// A standing changed without any change to the kernel's table. `words` are the log's.
pub(super) fn standing(
    service: ServiceKey,
    server: DestinationKey,
    transition: &Transition,
    words: &str,
    phase: Phase,
) -> Occurrence {
    let kind = kind(transition.to);
    Occurrence {
        service,
        server,
        kind,
        applied: false,
        message: match kind {
            Kind::Failed => format!("Inaccessible real server: {server} ({})", service.short()),
            Kind::Recovered | Kind::Other => words.to_owned(),
        },
        reason: Some(transition.reason.to_string()),
        phase: phase_of(Some(transition), phase),
    }
}

fn kind(standing: Availability) -> Kind {
    match standing {
        Availability::Up | Availability::Unknown => Kind::Recovered,
        Availability::Down | Availability::Maintenance => Kind::Failed,
    }
}

/// A server that had a standing and changed it did so while the director was running, also
/// when it was taking a new configuration into force at that moment: nobody who asked for
/// mail about running misses it.
fn phase_of(transition: Option<&Transition>, phase: Phase) -> Phase {
    match transition {
        Some(transition) if transition.from != Availability::Unknown => Phase::Running,
        _ => phase,
    }
}
