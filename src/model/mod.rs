//! The nouns of load balancing, as small values without behaviour of their own.
//!
//! Everything above this layer speaks in these types; nothing here knows a file
//! format, a socket or a clock.

mod address;
mod availability;
mod check;
mod destination;
mod http;
mod interface;
mod operation;
pub mod pair;
mod policy;
mod protocol;
mod rule;
mod service;
mod sync;
mod table;
mod talk;
mod tls;
mod way;

pub use address::{Family, Netmask, PortAddress};
pub use availability::Availability;
pub use check::{
    Check, Delivery, ExternalProbe, Fault, Interpreter, Method, Outcome, PathProbe, Pattern,
    Phases, Probe, ProbeKind, Reason, Report, Said, Side, SimpleTcpProbe, is_printable,
};
pub use destination::{Checksum, Destination, DestinationKey, Forwarding, Tunnel};
pub use http::{
    ExpectedHeader, ExpectedJson, HttpHeader, HttpMethod, HttpProbe, HttpVersion, Redirects,
    StatusRanges,
};
pub use interface::{InterfaceName, Mac, NotAnInterface};
pub use operation::{Failure, Operation};
pub use policy::{Advice, Damping, Mode, Policy, Verdict};
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
pub use talk::{DialogueProbe, DialogueStep, DnsKind, GrpcProbe, RedisProbe, UdpProbe};
pub use tls::{CertificateState, Identity, Pem, Tls, TlsName, TlsVersion, Trust};
pub use way::{ProxyHeader, Way};
