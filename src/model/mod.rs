//! The nouns of load balancing, as small values without behaviour of their own.
//!
//! Everything above this layer speaks in these types; nothing here knows a file
//! format, a socket or a clock.

mod address;
mod availability;
mod check;
mod destination;
mod interface;
mod operation;
pub mod pair;
mod protocol;
mod rule;
mod service;
mod sync;
mod table;

pub use address::{Family, Netmask, PortAddress};
pub use availability::Availability;
pub use check::{
    Check, Delivery, ExternalProbe, Fault, HttpMethod, HttpProbe, Interpreter, Method, Outcome,
    PathProbe, Pattern, Phases, Probe, ProbeKind, Reason, Report, Said, Side, SimpleTcpProbe,
    is_printable,
};
pub use destination::{Checksum, Destination, DestinationKey, Forwarding, Tunnel};
pub use interface::{InterfaceName, Mac, NotAnInterface};
pub use operation::{Failure, Operation};
pub use protocol::{
    Database, DnsProbe, FtpProbe, ImapProbe, LdapProbe, Login, PopProbe, RadiusProbe, Secret,
    SipProbe, SmtpProbe, SqlProbe, Transport,
};
pub use rule::Rule;
pub use service::{
    Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceKey, UnknownScheduler,
};
pub use sync::{SyncDaemon, SyncRole, Timeouts};
pub use table::{
    Counters, Entry, Info, ObservedDestination, ObservedService, ObservedTable, Table,
};
