//! The words of the manual pages that no table has.

/// What stands before the directives.
pub(super) const BEFORE: &[(&str, &[&str])] = &[
    (
        "DESCRIPTION",
        &[
            "A text file: global directives first, then a section for each virtual service. A section \
             begins with \\fBvirtual=\\fR or \\fBvirtual6=\\fR at the beginning of a line and holds the \
             indented lines that follow. Lines that are empty or begin with \\fB#\\fR are passed over.",
            "\\fBdirectord config check FILE\\fR reports every mistake at once with its line and what to \
             write instead, \\fBdirectord config show FILE\\fR prints the configuration with every default \
             filled in, \\fBdirectord plan FILE\\fR what would change in the kernel.",
        ],
    ),
    (
        "EXAMPLE",
        &["One web service with two real servers, direct routing:"],
    ),
];

/// A whole file.
pub(super) const EXAMPLE: &str = "\
checkinterval = 5
quiescent = yes
virtual = 192.0.2.100:80
    real = 192.0.2.21:80 gate 10
    real = 192.0.2.22:80 gate 10
    fallback = 127.0.0.1:80
    service = http
    request = \"health.html\"
    receive = \"OK\"
    scheduler = wrr
    persistent = 300";

/// Name, value, meaning; in the order of the table of directives.
pub(super) const DIRECTIVES: &[(&str, &str, &str)] = &[
    (
        "checktimeout",
        "SECONDS",
        "Deadline of connect, ping and external checks. Default 5.",
    ),
    (
        "negotiatetimeout",
        "SECONDS",
        "Deadline of the whole exchange of a negotiate check. Default 30.",
    ),
    (
        "checkinterval",
        "SECONDS",
        "Time between two rounds of a check. Default 10.",
    ),
    (
        "checkcount",
        "NUMBER",
        "Echo requests of a ping check before it has failed. Default 1. Deprecated.",
    ),
    (
        "failurecount",
        "NUMBER",
        "Failed checks in a row that take a server out. Default 1.",
    ),
    (
        "fall",
        "N",
        "The same as failurecount under its usual name; not both.",
    ),
    (
        "rise",
        "N",
        "So many passed checks in a row bring a failed server back; 1 when missing.",
    ),
    (
        "fastinterval",
        "SECONDS",
        "Interval of checks while results in a row are counted; 0 when missing: off.",
    ),
    (
        "slowstart",
        "SECONDS",
        "Over this time the weight of a recovered server climbs to its full value; 0 when missing: off.",
    ),
    (
        "flapdamping",
        "yes | no | PENALTY,HALFLIFE,SUPPRESS,REUSE",
        "Keeps a server out that fails again and again, until its penalty has decayed; no when missing.",
    ),
    (
        "floor",
        "PERCENT",
        "Failed checks alone never leave fewer servers in service; 0 when missing: off.",
    ),
    (
        "responseweight",
        "yes | no",
        "The weight falls with the response time of the check; no when missing.",
    ),
    (
        "externalweight",
        "yes | no",
        "The output of an external check may name a weight; no when missing.",
    ),
    (
        "autoreload",
        "yes|no",
        "Read the file again when it has changed. Default no.",
    ),
    (
        "callback",
        "\"PROGRAM\"",
        "Run with the file's path after the file has changed.",
    ),
    (
        "fallback",
        "ADDRESS[:PORT] [gate|masq|ipip]",
        "Serves while no real server does. IPv4.",
    ),
    (
        "fallback6",
        "[ADDRESS]:PORT [gate|masq|ipip]",
        "The same for IPv6 services.",
    ),
    (
        "fallbackcommand",
        "COMMAND",
        "Run with start or stop, the service's address and port, when the fallback begins or ends to serve. No shell is involved.",
    ),
    (
        "logfile",
        "PATH|FACILITY",
        "An absolute path is a log file; anything else a facility of syslog.",
    ),
    (
        "emailalert",
        "ADDRESS[, ADDRESS]…",
        "Who is told by mail when a server goes or comes.",
    ),
    ("emailalertfrom", "ADDRESS", "Sender of mail."),
    (
        "emailalertfreq",
        "SECONDS",
        "Time between reminders of a server that stays down; 0 sends none. Default 0.",
    ),
    (
        "emailalertstatus",
        "all|none|starting|running|stopping|reloading, …",
        "Phases in which mail is sent. Default all.",
    ),
    (
        "smtp",
        "HOST",
        "Mail server; without it the local mail command is used.",
    ),
    (
        "execute",
        "FILE",
        "Another configuration, run by a process of its own.",
    ),
    (
        "supervised",
        "yes|no",
        "ldirectord start stays in the foreground and logs to standard output; directord run always stays. Default no.",
    ),
    (
        "fork",
        "yes|no",
        "Accepted, without effect: checks never wait for each other.",
    ),
    (
        "quiescent",
        "yes|no",
        "A failed server stays in the kernel with weight 0 and keeps its connections; otherwise it is removed. Default no.",
    ),
    (
        "readdquiescent",
        "yes|no",
        "A failed server that is not in the kernel is entered with weight 0. Default no.",
    ),
    (
        "enforceweights",
        "yes|no",
        "Weights set by hand are put right within two seconds. Default no. ldirectord does not know this word.",
    ),
    (
        "uplink",
        "ADDRESS[,ADDRESS…]",
        "Hosts beyond this one's own uplink, 8 at most. A check that fails counts only when one of them answers a ping; while none does, nothing is taken out. Default none. ldirectord does not know this word.",
    ),
    (
        "cleanstop",
        "yes|no",
        "Remove the service at the end. Default yes.",
    ),
    (
        "maintenancedir",
        "DIRECTORY",
        "A file in it that is named like a server (its address or name, with or without :PORT) takes that server out.",
    ),
    (
        "virtual",
        "ADDRESS:PORT|MARK",
        "Begins the section of a virtual service: an address or host name with its port, or a firewall mark. IPv4.",
    ),
    ("virtual6", "[ADDRESS]:PORT|MARK", "The same for IPv6."),
    (
        "real",
        "ADDRESS[->ADDRESS][:PORT] gate|masq|ipip [WEIGHT] [\"REQUEST\", \"RECEIVE\"] [l:LOWER] [u:UPPER]",
        "A real server or a range of them: how packets reach it, its weight (default 1), a request and expected answer of its own, and limits of its connections.",
    ),
    (
        "real6",
        "[ADDRESS]:PORT gate|masq|ipip [WEIGHT] …",
        "The same for IPv6.",
    ),
    (
        "checktype",
        "connect|negotiate|ping|external|external-perl|on|off|NUMBER",
        "What is checked: a connection, the protocol's own exchange, an echo, a script's exit code, nothing; a number makes so many connect checks between two negotiate checks. Default negotiate.",
    ),
    (
        "service",
        "http|https|http_proxy|ftp|smtp|submission|pop|pops|imap|imaps|nntp|ldap|ldaps|dns|mysql|pgsql|oracle|radius|sip|redis|grpc|grpcs|dialogue|udp|simpletcp|none",
        "The protocol of negotiate checks; by default that of the port.",
    ),
    ("checkcommand", "PATH", "The script of external checks."),
    (
        "checkport",
        "PORT",
        "The port that is checked, when it is not the server's.",
    ),
    (
        "agentcheck",
        "PORT",
        "An agent on each real server advises about its weight (HAProxy's agent protocol).",
    ),
    (
        "agentinterval",
        "SECONDS",
        "How often the agent is asked; checkinterval when missing.",
    ),
    (
        "checkpath",
        "yes|no",
        "Each real server must also take a TCP connection to the virtual address itself, delivered as the kernel does it (gate and ipip). Default no.",
    ),
    (
        "request",
        "\"TEXT\"",
        "What is asked for: a path or URL, a name, a query, bytes.",
    ),
    (
        "receive",
        "\"REGULAR EXPRESSION\"",
        "What must be found in the answer (Perl syntax).",
    ),
    (
        "httpmethod",
        "GET|HEAD|POST|PUT|OPTIONS",
        "Method of http and https checks. Default GET.",
    ),
    (
        "virtualhost",
        "NAME",
        "Host header of http checks, and the name asked for in TLS.",
    ),
    ("login", "\"NAME\"", "User name of checks that log in."),
    ("passwd", "\"PASSWORD\"", "Password of checks that log in."),
    ("database", "\"NAME\"", "Database of checks that speak SQL."),
    ("secret", "\"SECRET\"", "Shared secret of RADIUS checks."),
    ("load", "\"TEXT\"", "Accepted, and never used."),
    (
        "scheduler",
        "NAME",
        "Scheduling algorithm of the kernel. Default wrr.",
    ),
    (
        "schedflags",
        "FLAG[,FLAG]…",
        "Flags of the scheduler, as ipvsadm -b takes them.",
    ),
    (
        "persistent",
        "SECONDS",
        "A client keeps its server for so long after its last new connection.",
    ),
    (
        "netmask",
        "MASK|LENGTH",
        "Which clients count as one for persistence.",
    ),
    (
        "protocol",
        "tcp|udp|sctp|fwm",
        "Transport protocol; by default that of the port, or fwm for a mark.",
    ),
    (
        "ops",
        "yes|no",
        "Every datagram is scheduled by itself; udp only. Default no.",
    ),
    ("monitorfile", "PATH", "Gets a line for each check result."),
    (
        "servicename",
        "TEXT",
        "Name of the service in mail and in directord list.",
    ),
    (
        "comment",
        "TEXT",
        "Remark in mail; the name in directord list when there is no servicename.",
    ),
    (
        "status",
        "CODE[-CODE][,...]",
        "Status codes that are in order, 200 to 599; 200-299 when missing.",
    ),
    (
        "redirects",
        "same-host | yes | no",
        "Which redirects are followed, always at the server that is checked; same-host when missing.",
    ),
    (
        "requestheader",
        "\"NAME: VALUE\"",
        "A line of the request's head; up to 16.",
    ),
    (
        "requestbody",
        "\"TEXT\"",
        "Sent with POST, PUT and OPTIONS.",
    ),
    (
        "expectheader",
        "\"NAME: REGEX\"",
        "A line of that name in the answer must match; up to 16.",
    ),
    (
        "json",
        "\"/POINTER = VALUE\"",
        "The body is JSON with this value at this pointer (RFC 6901); up to 16.",
    ),
    (
        "invert",
        "yes | no",
        "The body must not match receive; no when missing.",
    ),
    (
        "httpauth",
        "basic",
        "login and passwd are sent as basic authentication (RFC 7617).",
    ),
    (
        "httpversion",
        "1.1 | 2",
        "Version of HTTP that is spoken; 1.1 when missing.",
    ),
    (
        "tlsverify",
        "yes | no",
        "The server's certificate is verified; no when missing.",
    ),
    (
        "tlsca",
        "FILE",
        "Authorities that are trusted, in PEM; those of this host when missing.",
    ),
    (
        "tlsname",
        "NAME | none",
        "Name that is sent and verified; virtualhost when it is a name.",
    ),
    (
        "tlscert",
        "FILE",
        "Certificate shown to servers that ask for one, in PEM.",
    ),
    ("tlskey", "FILE", "Its key, in PEM, not readable by others."),
    (
        "tlsmin",
        "1.2 | 1.3",
        "Oldest version of TLS that is spoken; 1.2 when missing.",
    ),
    (
        "tlsexpiry",
        "DAYS",
        "From so many days before the certificate expires there is a warning; 14 with tlsverify, otherwise off.",
    ),
    (
        "checksource",
        "ADDRESS",
        "Address of this host that checks come from.",
    ),
    ("checkinterface", "NAME", "Interface that checks leave by."),
    (
        "checkmark",
        "NUMBER",
        "Mark of the packets of checks, for ip rule and the packet filter.",
    ),
    (
        "proxyprotocol",
        "1|2",
        "The header of the PROXY protocol goes first on each TCP connection of a check.",
    ),
    (
        "dnstype",
        "TYPE",
        "Records that dns checks ask for: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT.",
    ),
    (
        "dnstransport",
        "udp|tcp",
        "How dns checks ask. Default as the virtual service.",
    ),
    (
        "send",
        "\"TEXT\"",
        "Step of a dialogue check: what is sent; may be repeated.",
    ),
    (
        "expect",
        "\"REGULAR EXPRESSION\"",
        "Step of a dialogue check: what is waited for; may be repeated.",
    ),
    (
        "timeout",
        "SECONDS",
        "Withdrawn: write checktimeout or negotiatetimeout.",
    ),
    (
        "connecttimeout",
        "SECONDS",
        "Withdrawn: write checktimeout.",
    ),
];

/// The page for those who come from ipvsadm.
pub(super) const IPVSADM: &[(&str, &[&str])] = &[
    (
        "SYNOPSIS",
        &[
            "\\fBipvsadm\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]…",
            "\\fBdirectord list \\-\\-classic\\fR [\\fIOPTION\\fR]…",
        ],
    ),
    (
        "DESCRIPTION",
        &[
            "Started through a link named \\fBipvsadm\\fR, directord takes the command line of ipvsadm 1.31 \
             and prints what that program prints. See \\fBipvsadm\\fR(8) for its commands and \
             \\fIdocs/ipvsadm.md\\fR for the few points where it does what was meant instead.",
            "\\fBdirectord list \\-\\-classic\\fR prints the table of \\fBipvsadm \\-Ln\\fR byte for byte under \
             directord's own name; \\fB\\-\\-stats\\fR, \\fB\\-\\-rate\\fR, \\fB\\-\\-exact\\fR, \
             \\fB\\-\\-thresholds\\fR, \\fB\\-\\-persistent\\-conn\\fR and \\fB\\-\\-tun\\-info\\fR mean what they \
             mean there.",
        ],
    ),
    (
        "WHERE TO FIND IT",
        &[
            "\\fBipvsadm \\-Ln\\fR: \\fBdirectord list\\fR, with health, names and totals.",
            "\\fBipvsadm \\-Ln \\-\\-stats\\fR, \\fB\\-\\-rate\\fR, …: \\fBdirectord list\\fR with the same option.",
            "\\fBwatch ipvsadm \\-Ln \\-\\-rate\\fR: \\fBdirectord list \\-\\-watch\\fR.",
            "\\fBipvsadm \\-Lnc\\fR: \\fBdirectord list connections\\fR, with filters and counts.",
            "\\fBipvsadm \\-L \\-\\-daemon\\fR: \\fBdirectord list \\-\\-sync\\fR.",
            "\\fBipvsadm \\-L \\-\\-timeout\\fR: \\fBdirectord list \\-\\-timeouts\\fR.",
        ],
    ),
    (
        "EXIT STATUS",
        &[
            "Under the name ipvsadm as the original's; under directord's name see \\fBdirectord\\fR(8).",
        ],
    ),
];
