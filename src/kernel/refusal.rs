//! What is refused before it reaches the kernel, because the kernel would take it for
//! something else than meant or could not be told it. The client and the fake share it.

use nix::errno::Errno;

use crate::model::{Family, Netmask, Operation, Service, ServiceKey, SyncDaemon};

/// Longest name of an engine or interface, in bytes (`IP_VS_PENAME_MAXLEN`, `IFNAMSIZ`,
/// both 16 with the NUL).
const MAX_NAME: usize = 15;
/// Largest persistence time-out, in seconds: the kernel multiplies by its tick rate, at
/// most 1000, in 32 bits without a check (kernel note 0016).
const MAX_PERSISTENCE: u32 = u32::MAX / 1000;

/// Why an operation must not be sent, if so.
pub(super) fn of_operation(operation: &Operation) -> Option<Errno> {
    let valid = mark_is_valid(operation.service())
        && match operation {
            Operation::AddService(key, service) | Operation::SetService(key, service) => {
                service_is_valid(key, service)
            }
            _ => true,
        };
    (!valid).then_some(Errno::EINVAL)
}

/// A mark of 0 would be the TCP service 0.0.0.0:0 (kernel note 0013).
pub(super) fn mark_is_valid(key: &ServiceKey) -> bool {
    !matches!(key, ServiceKey::Mark { mark: 0, .. })
}

fn service_is_valid(key: &ServiceKey, service: &Service) -> bool {
    let persistence = service.persistence.is_none_or(|persistence| {
        let netmask = match (key.family(), persistence.netmask) {
            (Family::V4, Netmask::V4(_)) => true,
            (Family::V6, Netmask::V6(prefix)) => (1..=128).contains(&prefix),
            _ => false,
        };
        netmask && persistence.timeout <= MAX_PERSISTENCE
    });
    persistence && service.engine.as_deref().is_none_or(name_is_valid)
}

/// Why a daemon cannot be started, if so.
pub(super) fn of_daemon(daemon: &SyncDaemon) -> Option<Errno> {
    (!name_is_valid(&daemon.interface)).then_some(Errno::EINVAL)
}

fn name_is_valid(name: &str) -> bool {
    name.len() <= MAX_NAME && !name.contains('\0')
}
