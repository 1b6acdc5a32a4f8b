//! The text protocols against hostile servers on sockets.

use super::*;
use crate::model::{FtpProbe, ImapProbe, Login, PopProbe, Secret, SmtpProbe};

fn login() -> Login {
    Login {
        name: "monitor".to_owned(),
        password: Secret::new("hidden"),
    }
}

fn smtp() -> ProbeKind {
    ProbeKind::Smtp(SmtpProbe { submission: false })
}

fn pop(tls: bool) -> ProbeKind {
    let login = Some(login());
    ProbeKind::Pop(PopProbe {
        tls: tls.then(Arc::default),
        login,
    })
}

fn imap(tls: bool) -> ProbeKind {
    let login = Some(login());
    ProbeKind::Imap(ImapProbe {
        tls: tls.then(Arc::default),
        login,
    })
}

fn ftp() -> ProbeKind {
    ProbeKind::Ftp(FtpProbe {
        login: Some(login()),
        path: "status.txt".to_owned(),
        receive: Some(Pattern("well".to_owned())),
    })
}

/// A server that says these lines, one for each that it hears, the first unasked.
fn scripted(lines: &'static [&'static str]) -> SocketAddr {
    serve(move |mut stream| {
        for line in lines {
            if stream.write_all(line.as_bytes()).is_err() {
                return;
            }
            read_line(&mut stream);
        }
        hold(&stream);
    })
}

fn read_line(stream: &mut TcpStream) -> Vec<u8> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        line.push(byte[0]);
    }
    line
}

#[tokio::test]
async fn silence_is_down_at_the_deadline_and_says_what_is_missing() {
    let silent = serve(|stream| hold(&stream));
    for kind in [smtp(), pop(false), imap(false), ProbeKind::Nntp, ftp()] {
        let began = Instant::now();
        let report = probe(silent, kind, SHORT).await;
        assert_eq!(down(&report), "connected, but no greeting within 0.3 s");
        assert!(began.elapsed() < SHORT * 2);
    }
    for (kind, lines, missing) in [
        (smtp(), &["220 a\r\n"][..], "no answer to EHLO within 0.3 s"),
        (
            pop(false),
            &["+OK\r\n", "+OK\r\n"],
            "no answer to PASS within 0.3 s",
        ),
        (
            imap(false),
            &["* OK\r\n", "* CAPABILITY IMAP4rev1\r\na OK\r\n"],
            "no answer to LOGIN within 0.3 s",
        ),
        (
            ftp(),
            &["220 a\r\n", "331 b\r\n"],
            "no answer to PASS within 0.3 s",
        ),
    ] {
        let report = probe(scripted(lines), kind, SHORT).await;
        assert_eq!(down(&report), missing);
        assert!(!format!("{report:?}").contains("hidden"));
    }
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    let drip = serve(|mut stream| {
        while stream.write_all(b"2").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for kind in [smtp(), pop(false), imap(false), ProbeKind::Nntp, ftp()] {
        let began = Instant::now();
        let report = probe(drip, kind, SHORT).await;
        assert_eq!(down(&report), "no greeting within 0.3 s");
        assert!(began.elapsed() < SHORT * 2);
    }
}

#[tokio::test]
async fn endless_answers_end_before_the_deadline() {
    for text in ["220-more\r\n", "* OK more\r\n", "endless line "] {
        let endless = serve(move |mut stream| {
            let block = text.repeat(1000);
            while stream.write_all(block.as_bytes()).is_ok() {}
        });
        for kind in [smtp(), pop(false), imap(false), ProbeKind::Nntp, ftp()] {
            let report = probe(endless, kind, LONG).await;
            assert!(!down(&report).contains("within"), "{}", down(&report));
        }
    }
}

#[tokio::test]
async fn tls_and_plain_text_do_not_hang_on_each_other() {
    let plain = scripted(&["* OK ready\r\n"]);
    for kind in [pop(true), imap(true)] {
        let report = probe(plain, kind, LONG).await;
        assert_eq!(
            down(&report),
            "connected, but the TLS handshake failed: the answer is not TLS"
        );
    }
    let (tls_port, _names) = serve_tls(&["mail.example.net"]);
    for kind in [pop(false), imap(false), smtp()] {
        // Both sides wait for the other to begin.
        let report = probe(tls_port, kind, SHORT).await;
        assert_eq!(down(&report), "connected, but no greeting within 0.3 s");
    }
    let alert = serve(|mut stream| {
        let _ = stream.write_all(b"\x15\x03\x01\0\x02\x02\x46");
    });
    let report = probe(alert, pop(false), LONG).await;
    assert!(
        down(&report).starts_with("connected, but the server closed in the middle of its greeting"),
        "{}",
        down(&report)
    );
}

/// An FTP server whose data connections are treated as told.
fn ftp_server(
    host: &'static str,
    port: impl Fn() -> u16 + Send + Sync + 'static,
    pasv: &'static str,
) -> SocketAddr {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let target = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let port = port();
        let [high, low] = port.to_be_bytes();
        let _ = stream.write_all(b"220 ready\r\n");
        loop {
            let line = read_line(&mut stream);
            let answer = match line.get(..4) {
                Some(b"USER") => "331 password\r\n".to_owned(),
                Some(b"PASS") => "230 in\r\n".to_owned(),
                Some(b"TYPE") => "200 binary\r\n".to_owned(),
                Some(b"EPSV") if pasv.is_empty() => format!("229 here (|||{port}|)\r\n"),
                Some(b"EPSV") => "500 what\r\n".to_owned(),
                Some(b"PASV") => format!("227 there ({pasv},{high},{low})\r\n"),
                Some(b"RETR") => "150 begin\r\n226 done\r\n".to_owned(),
                Some(b"QUIT") => "221 bye\r\n".to_owned(),
                _ => return,
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    target
}

/// A port on which this is sent to whoever connects.
fn data_port(host: &'static str, content: &'static str) -> u16 {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(content.as_bytes());
    });
    port
}

#[tokio::test]
async fn ftp_fetches_over_both_families_from_the_server_itself() {
    for (host, pasv) in [
        ("127.0.0.1", ""),
        ("::1", ""),
        // Somewhere else, which is not where the file is fetched from.
        ("127.0.0.1", "198,51,100,7"),
        ("::1", "198,51,100,7"),
    ] {
        let target = ftp_server(host, move || data_port(host, "all is well\n"), pasv);
        let report = probe(target, ftp(), LONG).await;
        assert_eq!(report.outcome, Outcome::Up, "{host} {pasv}");
        assert_eq!(report.detail, "/status.txt has 12 bytes");
        let heard = String::from_utf8(report.said_by(Side::Server)).unwrap();
        assert!(heard.contains("all is well"), "{heard}");
        assert!(heard.ends_with("221 bye\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn ftp_data_connections_may_fail_or_hang() {
    let refused = ftp_server(
        "127.0.0.1",
        || {
            TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port()
        },
        "",
    );
    let report = probe(refused, ftp(), LONG).await;
    let reason = down(&report);
    assert!(
        reason.starts_with("logged in, but no data connection to port "),
        "{reason}"
    );
    assert!(reason.ends_with(": connection refused"), "{reason}");

    let silent = ftp_server("127.0.0.1", || serve(|stream| hold(&stream)).port(), "");
    let report = probe(silent, ftp(), SHORT).await;
    assert_eq!(down(&report), "no end of the data connection within 0.3 s");

    let endless = ftp_server(
        "127.0.0.1",
        || serve(|mut stream| while stream.write_all(&[b'x'; 9999]).is_ok() {}).port(),
        "",
    );
    let report = probe(endless, ftp(), LONG).await;
    assert_eq!(
        down(&report),
        "/status.txt begins with 262144 bytes, but they do not match \"well\""
    );
}
