//! What the kernel said no to, and why.

use std::borrow::Cow;
use std::fmt;

use nix::errno::Errno;

use crate::model::{Operation, ServiceKey, SyncRole};

/// What was asked of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Open the socket and look for IPVS.
    Open,
    /// Read version and sizes.
    Info,
    /// Read all services.
    Services,
    /// Read one service.
    Service(ServiceKey),
    /// Read the destinations of a service.
    Destinations(ServiceKey),
    /// Change the table.
    Operation(Box<Operation>),
    /// Carry out this many changes.
    Batch(usize),
    /// Zero statistics, of all services when `None`.
    Zero(Option<ServiceKey>),
    /// Remove all services.
    Flush,
    /// Read the time-outs.
    Timeouts,
    /// Change the time-outs.
    SetTimeouts,
    /// List the sync daemons.
    Daemons,
    /// Start a sync daemon.
    StartDaemon(SyncRole),
    /// Stop a sync daemon.
    StopDaemon(SyncRole),
    /// Read `/proc/net/ip_vs`.
    Proc,
}

impl Request {
    /// The request that one operation of a batch is.
    pub fn of(operation: &Operation) -> Self {
        Self::Operation(Box::new(operation.clone()))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open the connection to IPVS"),
            Self::Info => f.write_str("read the IPVS version"),
            Self::Services => f.write_str("list services"),
            Self::Service(key) => write!(f, "read service {key}"),
            Self::Destinations(key) => write!(f, "list destinations of {key}"),
            Self::Operation(operation) => operation.fmt(f),
            Self::Batch(operations) => write!(f, "apply {operations} changes"),
            Self::Zero(None) => f.write_str("zero all statistics"),
            Self::Zero(Some(key)) => write!(f, "zero statistics of {key}"),
            Self::Flush => f.write_str("remove all services"),
            Self::Timeouts => f.write_str("read time-outs"),
            Self::SetTimeouts => f.write_str("change time-outs"),
            Self::Daemons => f.write_str("list sync daemons"),
            Self::StartDaemon(role) => write!(f, "start the {} sync daemon", role.name()),
            Self::StopDaemon(role) => write!(f, "stop the {} sync daemon", role.name()),
            Self::Proc => f.write_str("read /proc/net/ip_vs"),
        }
    }
}

/// Why a request was not carried out, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel refused.
    #[error("{request}: {}", explain(request, *errno))]
    Refused {
        /// What was refused.
        request: Request,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The kernel has no IPVS and could not load it.
    #[error("{request}: the kernel has no IPVS: its module ip_vs is not loaded")]
    NoModule {
        /// What was asked.
        request: Request,
    },
    /// The kernel gave no answer in time; whether it did what was asked is unknown.
    #[error("{request}: no answer from the kernel")]
    Timeout {
        /// What was asked.
        request: Request,
    },
    /// Answers were lost, or the table changed while it was read: read it again.
    #[error("{request}: answers were lost or out of date, the table has to be read again")]
    Lost {
        /// What was asked.
        request: Request,
    },
    /// The answer makes no sense.
    #[error("{request}: unintelligible answer: {reason}")]
    Malformed {
        /// What was asked.
        request: Request,
        /// What is wrong with the answer.
        reason: &'static str,
    },
    /// The socket or file failed on this side.
    #[error("{request}: {}", errno.desc())]
    Io {
        /// What was asked.
        request: Request,
        /// The system's answer.
        errno: Errno,
    },
    /// The thread that speaks with the kernel has ended.
    #[error("the thread that speaks with the kernel has ended")]
    Stopped,
}

/// What kind of failure it was, for those who decide what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// There is no such service.
    AbsentService,
    /// The service has no such destination.
    AbsentDestination,
    /// No sync daemon of that role is running.
    AbsentDaemon,
    /// The scheduler or persistence engine is unknown and no module for it can be loaded.
    AbsentScheduler,
    /// The service, destination or daemon is there already.
    Exists,
    /// The process lacks `CAP_NET_ADMIN` (kernel note 0019).
    Denied,
    /// The kernel has no IPVS.
    NoModule,
    /// The kernel takes the request for nonsense.
    Invalid,
    /// This kernel cannot do that.
    Unsupported,
    /// No answer.
    Timeout,
    /// Answers were lost: read the table again.
    Lost,
    /// Anything else.
    Other,
}

impl Error {
    /// The kernel's refusal of a request.
    pub(super) fn refused(request: Request, errno: Errno) -> Self {
        match errno {
            // The module is about to go, or was never there.
            Errno::ENOPROTOOPT => Self::NoModule { request },
            errno => Self::Refused { request, errno },
        }
    }

    /// What kind of failure this is.
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { request, errno } => classify(request, *errno),
            Self::NoModule { .. } => Class::NoModule,
            Self::Timeout { .. } => Class::Timeout,
            Self::Lost { .. } => Class::Lost,
            Self::Malformed { .. } | Self::Io { .. } | Self::Stopped => Class::Other,
        }
    }

    /// The system's error number, when there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } | Self::Io { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// What the operator can do about it, as one line.
    pub fn help(&self) -> Option<Cow<'static, str>> {
        match self.class() {
            Class::NoModule => Some("load the module: modprobe ip_vs".into()),
            Class::Denied => Some(
                "run as root, or give the process CAP_NET_ADMIN in the initial user namespace \
                 (systemd: AmbientCapabilities=CAP_NET_ADMIN)"
                    .into(),
            ),
            Class::AbsentScheduler => self.modules(),
            _ => None,
        }
    }

    fn modules(&self) -> Option<Cow<'static, str>> {
        let Self::Refused {
            request: Request::Operation(operation),
            ..
        } = self
        else {
            return None;
        };
        let (Operation::AddService(_, service) | Operation::SetService(_, service)) = &**operation
        else {
            return None;
        };
        let scheduler = service.scheduler.iter().map(|name| format!("ip_vs_{name}"));
        let engine = service.engine.iter().map(|name| format!("ip_vs_pe_{name}"));
        let modules = scheduler.chain(engine).collect::<Vec<_>>().join(" ");
        Some(format!("load what it needs: modprobe -a {modules}").into())
    }
}

/// What an operation concerns decides what an error number means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The attributes of a service.
    Service,
    /// A destination.
    Destination,
    /// A sync daemon.
    Daemon,
    /// The time-outs.
    Timeouts,
    /// Anything else.
    Other,
}

impl Subject {
    fn of(request: &Request) -> Self {
        match request {
            Request::Operation(operation) => match **operation {
                Operation::AddService(..)
                | Operation::SetService(..)
                | Operation::DeleteService(_) => Self::Service,
                Operation::AddDestination(..)
                | Operation::SetDestination(..)
                | Operation::DeleteDestination(..) => Self::Destination,
            },
            Request::StartDaemon(_) | Request::StopDaemon(_) => Self::Daemon,
            Request::SetTimeouts => Self::Timeouts,
            _ => Self::Other,
        }
    }
}

fn classify(request: &Request, errno: Errno) -> Class {
    match (Subject::of(request), errno) {
        (_, Errno::EPERM) => Class::Denied,
        (_, Errno::EEXIST) => Class::Exists,
        (_, Errno::EINVAL | Errno::ERANGE | Errno::EMSGSIZE) => Class::Invalid,
        (_, Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP) => Class::Unsupported,
        (Subject::Daemon, Errno::ESRCH) => Class::AbsentDaemon,
        (_, Errno::ESRCH) => Class::AbsentService,
        (Subject::Service, Errno::ENOENT) => Class::AbsentScheduler,
        (Subject::Destination, Errno::ENOENT) => Class::AbsentDestination,
        _ => Class::Other,
    }
}

/// An error number in words, given what was asked (kernel note 0007).
fn explain(request: &Request, errno: Errno) -> &'static str {
    match (classify(request, errno), Subject::of(request)) {
        (Class::Denied, _) => "permission denied, CAP_NET_ADMIN is needed",
        (Class::AbsentService, _) => "there is no such service",
        (Class::AbsentDestination, _) => "the service has no such destination",
        (Class::AbsentDaemon, _) => "it is not running",
        (Class::AbsentScheduler, _) => {
            "the scheduler or persistence engine is unknown and its module could not be loaded"
        }
        (Class::Exists, Subject::Service) => "the service exists already",
        (Class::Exists, Subject::Destination) => "the destination exists already",
        (Class::Exists, _) => "it is running already",
        (Class::Unsupported, _) => "this kernel does not support that",
        (Class::Invalid, subject) => invalid(subject, errno),
        _ if errno == Errno::ENODEV => "there is no such network interface",
        _ => errno.desc(),
    }
}

fn invalid(subject: Subject, errno: Errno) -> &'static str {
    match (subject, errno) {
        (Subject::Destination, Errno::ERANGE) => {
            "the weight is above 2147483647 or the lower threshold above the upper one"
        }
        (Subject::Destination, _) => {
            "the address is not unicast or is link-local, or its family differs from the \
             service's without a tunnel or beside a sync daemon, or a gue tunnel has port 0"
        }
        (Subject::Service, _) => {
            "the firewall mark is 0, the netmask or persistence time-out is out of range, or \
             a name is too long"
        }
        (Subject::Daemon, _) => {
            "the group is not multicast, the interface name is too long, or a destination's \
             family differs from its service's, which cannot be synchronised"
        }
        (Subject::Timeouts, _) => "a time-out is too large",
        (Subject::Other, errno) => errno.desc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DestinationKey, Protocol, Scheduler, Service};

    fn key() -> ServiceKey {
        ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: "192.0.2.1".parse().unwrap(),
            port: 80,
        }
    }

    fn add_service(errno: Errno) -> Error {
        let mut service = Service::new("wlx".parse::<Scheduler>().unwrap());
        service.engine = Some("sip".to_owned());
        Error::refused(Request::of(&Operation::AddService(key(), service)), errno)
    }

    fn delete_destination(errno: Errno) -> Error {
        let destination = DestinationKey {
            address: "198.51.100.1".parse().unwrap(),
            port: 8080,
        };
        Error::refused(
            Request::of(&Operation::DeleteDestination(key(), destination)),
            errno,
        )
    }

    #[test]
    fn a_message_names_what_was_tried_on_which_object_and_why_it_failed() {
        assert_eq!(
            delete_destination(Errno::ENOENT).to_string(),
            "delete destination 198.51.100.1:8080 of tcp:192.0.2.1:80: \
             the service has no such destination"
        );
        assert_eq!(
            add_service(Errno::EEXIST).to_string(),
            "add service tcp:192.0.2.1:80: the service exists already"
        );
        assert_eq!(
            Error::refused(Request::StopDaemon(SyncRole::Backup), Errno::ESRCH).to_string(),
            "stop the backup sync daemon: it is not running"
        );
        assert_eq!(
            Error::refused(Request::Flush, Errno::ENOMEM).to_string(),
            "remove all services: Out of memory"
        );
    }

    #[test]
    fn the_same_number_means_different_things_for_different_objects() {
        assert_eq!(add_service(Errno::ENOENT).class(), Class::AbsentScheduler);
        assert_eq!(
            delete_destination(Errno::ENOENT).class(),
            Class::AbsentDestination
        );
        assert_eq!(
            delete_destination(Errno::ESRCH).class(),
            Class::AbsentService
        );
        assert_eq!(
            Error::refused(Request::StopDaemon(SyncRole::Master), Errno::ESRCH).class(),
            Class::AbsentDaemon
        );
    }

    #[test]
    fn the_errors_every_newcomer_meets_come_with_the_command_that_mends_them() {
        let help = |error: Error| error.help().unwrap().into_owned();
        assert!(help(add_service(Errno::EPERM)).contains("CAP_NET_ADMIN"));
        assert!(help(add_service(Errno::ENOPROTOOPT)).ends_with("modprobe ip_vs"));
        assert!(help(add_service(Errno::ENOENT)).ends_with("ip_vs_wlx ip_vs_pe_sip"));
        assert_eq!(add_service(Errno::EINVAL).help(), None);
    }
}
