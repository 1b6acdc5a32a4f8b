//! The names of all directives.

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Global,
    Section,
    Both,
}

use Place::{Both, Global, Section};

/// Every directive, in the order of ldirectord's manual.
pub(super) const DIRECTIVES: &[(&str, Place)] = &[
    ("checktimeout", Both),
    ("negotiatetimeout", Both),
    ("checkinterval", Both),
    ("checkcount", Both),
    ("failurecount", Both),
    ("fall", Both),
    ("rise", Both),
    ("fastinterval", Both),
    ("slowstart", Both),
    ("flapdamping", Both),
    ("floor", Both),
    ("responseweight", Both),
    ("externalweight", Both),
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
    ("uplink", Global),
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
    ("agentcheck", Section),
    ("agentinterval", Section),
    ("checkpath", Section),
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
    ("status", Section),
    ("redirects", Section),
    ("requestheader", Section),
    ("requestbody", Section),
    ("expectheader", Section),
    ("json", Section),
    ("invert", Section),
    ("httpauth", Section),
    ("httpversion", Section),
    ("tlsverify", Section),
    ("tlsca", Section),
    ("tlsname", Section),
    ("tlscert", Section),
    ("tlskey", Section),
    ("tlsmin", Section),
    ("tlsexpiry", Section),
    ("checksource", Section),
    ("checkinterface", Section),
    ("checkmark", Section),
    ("proxyprotocol", Section),
    ("dnstype", Section),
    ("dnstransport", Section),
    ("send", Section),
    ("expect", Section),
    // withdrawn, with errors of their own
    ("timeout", Global),
    ("connecttimeout", Both),
];

/// Those that ldirectord 4.12 does not know.
const BEYOND: &[&str] = &[
    "enforceweights",
    "uplink",
    "fall",
    "rise",
    "fastinterval",
    "slowstart",
    "flapdamping",
    "floor",
    "responseweight",
    "externalweight",
    "agentcheck",
    "agentinterval",
    "checkpath",
    "status",
    "redirects",
    "requestheader",
    "requestbody",
    "expectheader",
    "json",
    "invert",
    "httpauth",
    "httpversion",
    "tlsverify",
    "tlsca",
    "tlsname",
    "tlscert",
    "tlskey",
    "tlsmin",
    "tlsexpiry",
    "checksource",
    "checkinterface",
    "checkmark",
    "proxyprotocol",
    "dnstype",
    "dnstransport",
    "send",
    "expect",
];

/// Directives that add to what was set before by themselves.
const REPEATED: [&str; 5] = ["requestheader", "expectheader", "json", "send", "expect"];

/// Directives whose value is free text: anything may stand in it.
const FREE_TEXT: [&str; 3] = ["comment", "servicename", "fallbackcommand"];

/// Where a directive may stand; `None` for an unknown name.
pub(super) fn place(name: &str) -> Option<Place> {
    DIRECTIVES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, place)| *place)
}

/// Whether ldirectord does not know a directive.
pub(super) fn is_beyond(name: &str) -> bool {
    BEYOND.contains(&name)
}

/// Whether a directive may stand several times in one section.
pub(super) fn is_repeated(name: &str) -> bool {
    REPEATED.contains(&name)
}

/// Whether anything may stand in a directive's value.
pub(super) fn is_free_text(name: &str) -> bool {
    FREE_TEXT.contains(&name)
}
