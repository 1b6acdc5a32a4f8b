//! Every word of `service=` against every kind of hostile server.
//!
//! Whatever it does, it is not in order: the verdict is down, in printable words that hold
//! no secret, within the deadline, and after no more bytes than an answer may have.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;
use crate::model::{
    Database, DialogueProbe, DialogueStep, DnsProbe, FtpProbe, GrpcProbe, ImapProbe, LdapProbe,
    Login, PopProbe, RadiusProbe, Reason, RedisProbe, Secret, SipProbe, SmtpProbe, SqlProbe,
    Transport, UdpProbe, is_printable,
};

/// Deadline where a server only has to be waited out.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the sockets of both sides hold beyond what was read, and that.
const WRITTEN_MAX: usize = 16 << 20;

/// The words of `service=`; `http_proxy` is `http` with another request.
const WORDS: [&str; 24] = [
    "dialogue",
    "dns",
    "ftp",
    "grpc",
    "grpcs",
    "http",
    "https",
    "imap",
    "imaps",
    "ldap",
    "ldaps",
    "mysql",
    "nntp",
    "oracle",
    "pgsql",
    "pop",
    "pops",
    "radius",
    "redis",
    "simpletcp",
    "sip",
    "smtp",
    "submission",
    "udp",
];

/// Probes over a connection, each with all that it can be given.
fn over_connections() -> Vec<ProbeKind> {
    let login = || Login {
        name: "monitor".to_owned(),
        password: Secret::new("hidden-word"),
    };
    let pattern = || Some(Pattern("the expected text".to_owned()));
    let mut kinds = vec![
        ProbeKind::Nntp,
        ProbeKind::SimpleTcp(SimpleTcpProbe {
            send: b"PING\n".to_vec(),
            receive: pattern(),
        }),
        ProbeKind::Ftp(FtpProbe {
            login: Some(login()),
            path: "status.txt".to_owned(),
            receive: pattern(),
        }),
        ProbeKind::Dns(DnsProbe {
            transport: Transport::Tcp,
            name: "www.example.com".to_owned(),
            kind: None,
            receive: pattern(),
        }),
        ProbeKind::Sip(SipProbe {
            transport: Transport::Tcp,
            login: Some("monitor@example.com".to_owned()),
        }),
        ProbeKind::Redis(RedisProbe {
            login: Some(login()),
            command: "INFO".to_owned(),
            receive: pattern(),
        }),
        ProbeKind::Dialogue(DialogueProbe {
            steps: vec![
                DialogueStep::Send(b"PING\n".to_vec()),
                DialogueStep::Expect(Pattern("the expected text".to_owned())),
            ],
        }),
    ];
    for tls in [false, true] {
        let mut http = request(Some("the expected text"));
        let settings = tls.then(|| Arc::new(Tls::default()));
        http.tls = settings.clone();
        let (login, bind) = (Some(login()), Some(login()));
        kinds.extend([
            ProbeKind::Http(http),
            ProbeKind::Grpc(GrpcProbe {
                tls: settings.clone(),
                name: "web.Shop".to_owned(),
                authority: None,
            }),
            ProbeKind::Smtp(SmtpProbe { submission: tls }),
            ProbeKind::Pop(PopProbe {
                tls: settings.clone(),
                login: login.clone(),
            }),
            ProbeKind::Imap(ImapProbe {
                tls: settings.clone(),
                login,
            }),
            ProbeKind::Ldap(LdapProbe {
                tls: settings.clone(),
                bind,
                base: "dc=example,dc=com".to_owned(),
                receive: pattern(),
            }),
        ]);
    }
    for database in [Database::Mysql, Database::Pgsql, Database::Oracle] {
        kinds.push(ProbeKind::Sql(SqlProbe {
            database,
            login: Some(login()),
            name: "site".to_owned(),
            query: "SELECT 1".to_owned(),
        }));
    }
    kinds
}

/// Probes over datagrams.
fn over_datagrams() -> Vec<ProbeKind> {
    vec![
        ProbeKind::Dns(DnsProbe {
            transport: Transport::Udp,
            name: "www.example.com".to_owned(),
            kind: None,
            receive: Some(Pattern("192.0.2.80".to_owned())),
        }),
        ProbeKind::Sip(SipProbe {
            transport: Transport::Udp,
            login: None,
        }),
        ProbeKind::Radius(RadiusProbe {
            login: Login {
                name: "monitor".to_owned(),
                password: Secret::new("hidden-word"),
            },
            secret: Secret::new("hidden-secret"),
        }),
        ProbeKind::Udp(UdpProbe {
            send: b"PING\n".to_vec(),
            receive: Some(Pattern("the expected text".to_owned())),
        }),
    ]
}

#[test]
fn the_table_has_every_word() {
    let kinds = over_connections().into_iter().chain(over_datagrams());
    let words: BTreeSet<&str> = kinds.map(|kind| kind.word()).collect();
    assert_eq!(words, BTreeSet::from(WORDS));
}

/// Carries out all probes beside each other; what came of each, by its word.
async fn all(
    target: SocketAddr,
    kinds: Vec<ProbeKind>,
    timeout: Duration,
) -> Vec<(&'static str, Report)> {
    let mut running = JoinSet::new();
    for kind in kinds {
        running.spawn(async move {
            let word = kind.word();
            let began = Instant::now();
            let report = probe(target, kind, timeout).await;
            // Far from exact, for a machine that does other things as well.
            assert!(began.elapsed() < timeout + LONG, "{word}");
            (word, report)
        });
    }
    running.join_all().await
}

/// The server is down, and the words for it can stand in a log.
fn hold_down(act: &str, reports: &[(&'static str, Report)]) {
    for (word, report) in reports {
        let Outcome::Down(reason) = &report.outcome else {
            panic!("{act}, {word}: {report:?}");
        };
        let text = reason.as_str();
        assert!(
            !text.is_empty() && text.len() <= Reason::MAX,
            "{act}, {word}"
        );
        assert!(text.chars().all(is_printable), "{act}, {word}: {text}");
        assert!(report.said_by(Side::Server).len() <= 4096, "{act}, {word}");
        assert!(!format!("{report:?}").contains("hidden"), "{act}, {word}");
    }
}

/// A server that opens like this and then repeats that until nobody reads it any more;
/// returns how much the worst connection took.
fn endless(opening: &'static [u8], piece: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let most = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&most);
    let target = serve(move |mut stream| {
        let mut written = opening.len();
        if stream.write_all(opening).is_err() {
            return;
        }
        let block = piece.repeat(1 + (16 << 10) / piece.len());
        while stream.write_all(&block).is_ok() {
            written += block.len();
            counter.fetch_max(written, Ordering::Relaxed);
        }
    });
    (target, most)
}

#[tokio::test]
async fn endless_answers_end_and_little_is_read() {
    let acts: [(&str, &'static [u8], Vec<u8>); 9] = [
        ("an endless line", b"", b"aaaaaaaa".to_vec()),
        ("endless lines", b"", b"what\r\n".to_vec()),
        ("endless continuations", b"", b"220-more\r\n".to_vec()),
        ("endless remarks", b"", b"* OK more\r\n".to_vec()),
        (
            "endless headers",
            b"HTTP/1.1 200 OK\r\n",
            b"X-Y: z\r\n".to_vec(),
        ),
        (
            "an endless body",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"body ".to_vec(),
        ),
        ("NUL bytes", b"", vec![0; 64]),
        ("invalid UTF-8", b"", vec![0xff, 0xfe, 0xc3]),
        ("every byte", b"", (0..=255).collect()),
    ];
    for (act, opening, piece) in acts {
        let (target, most) = endless(opening, piece);
        hold_down(act, &all(target, over_connections(), LONG).await);
        let most = most.load(Ordering::Relaxed);
        assert!(most < WRITTEN_MAX, "{act}: {most} bytes");
    }
}

#[tokio::test]
async fn a_million_headers_and_then_the_end() {
    let target = serve(|mut stream| {
        let headers = "X: y\r\n".repeat(1000);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        for _ in 0..1000 {
            if stream.write_all(headers.as_bytes()).is_err() {
                return;
            }
        }
        let _ = stream.write_all(b"\r\nthe expected text");
    });
    hold_down(
        "a million headers",
        &all(target, over_connections(), LONG).await,
    );
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    for byte in [b'2', b'*', b'+', 0, b'\n', 0xff] {
        let target = serve(move |mut stream| {
            let _ = stream.set_nodelay(true);
            while stream.write_all(&[byte]).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let act = format!("byte {byte}");
        hold_down(&act, &all(target, over_connections(), PATIENCE).await);
    }
}

#[tokio::test]
async fn a_premature_end_is_down_wherever_it_comes() {
    let at_once = serve(drop);
    hold_down(
        "closed at once",
        &all(at_once, over_connections(), LONG).await,
    );
    let reset = serve(|stream| {
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    });
    hold_down("reset", &all(reset, over_connections(), LONG).await);
    for opening in [
        &b"H"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nthe expec",
        b"220 ",
        b"+OK",
        b"* OK ready\r\n",
        b"\x15\x03\x03\0",
        b"\x00\x10\0\0\x02\0",
        b"\x4a\0\0\0\x0a5.5",
        b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01",
        b"\xff\xff\xff\xff\xff",
    ] {
        let target = serve(move |mut stream| {
            let _ = stream.write_all(opening);
            let _ = stream.shutdown(Shutdown::Write);
            hold(&stream);
        });
        let act = format!("closed after {}", opening.escape_ascii());
        hold_down(&act, &all(target, over_connections(), PATIENCE).await);
    }
}

#[tokio::test]
async fn a_tls_port_is_no_plain_one() {
    // Those that speak TLS would find what they look for.
    let plain = over_connections();
    let plain = plain.into_iter().filter(|kind| kind.tls().is_none());
    let (target, _names) = serve_tls(&["www.example.com"]);
    hold_down("TLS", &all(target, plain.collect(), PATIENCE).await);
}

#[tokio::test]
async fn datagrams_that_mean_nothing_are_no_answer() {
    let flood = std::iter::repeat_n(b"noise".to_vec(), 2000).collect();
    let acts: [(&str, Vec<Vec<u8>>); 6] = [
        ("silence", Vec::new()),
        ("an empty datagram", vec![Vec::new()]),
        ("single bytes", (0..=255).map(|byte| vec![byte]).collect()),
        ("NUL bytes", vec![vec![0; 8192]]),
        ("invalid UTF-8 as long as can be", vec![vec![0xff; 65_507]]),
        ("a flood", flood),
    ];
    for (act, datagrams) in acts {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let target = socket.local_addr().unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                for datagram in &datagrams {
                    let _ = socket.send_to(datagram, from);
                }
            }
        });
        hold_down(act, &all(target, over_datagrams(), PATIENCE).await);
    }
}
