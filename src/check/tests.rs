//! Probes against real servers on loopback, most of them hostile.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::model::Side;
use crate::model::{HttpMethod, HttpProbe, Outcome, Pattern, SimpleTcpProbe, Tls, TlsName};

mod hostile;
mod text;

/// Deadline of the probes of hanging servers.
const SHORT: Duration = Duration::from_millis(300);

/// Deadline of the probes that should end by themselves.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn connections_are_accepted_or_refused() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(host).unwrap();
        let target = listener.local_addr().unwrap();
        let report = probe(target, ProbeKind::Connect, LONG).await;
        assert_eq!(report.outcome, Outcome::Up);
        assert_eq!(report.detail, "connected");
        assert!(report.phases.connected.is_some());
        drop(listener);
        let report = probe(target, ProbeKind::Connect, LONG).await;
        assert_eq!(down(&report), "connection refused");
    }
}

#[tokio::test]
async fn a_full_listen_queue_is_no_answer_to_the_connection_request() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    socket.listen(0).unwrap();
    let target = socket.local_addr().unwrap().as_socket().unwrap();
    // A backlog of 0 holds one connection; further requests are dropped.
    let held: Vec<_> = (0..3)
        .map(|_| TcpStream::connect_timeout(&target, SHORT))
        .collect();
    let report = probe(target, ProbeKind::Connect, SHORT).await;
    assert_eq!(
        down(&report),
        "no answer to the connection request within 0.3 s"
    );
    drop(held);
}

#[tokio::test]
async fn http_ends_at_the_deadline_whatever_the_server_does() {
    let page = || Some("Test Page");
    let silent = serve(|stream| hold(&stream));
    let drip = serve(|mut stream| {
        for byte in b"HTTP/1.1 200 OK\r\n\r\n".iter().cycle() {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let half = serve(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nTest");
        hold(&stream);
    });
    for (target, expected) in [
        (silent, "connected, but no answer within 0.3 s"),
        (drip, "answer incomplete after 0.3 s: "),
        (half, "answer incomplete after 0.3 s: 43 bytes"),
    ] {
        let began = Instant::now();
        let report = http(target, page(), SHORT).await;
        assert!(down(&report).starts_with(expected), "{}", down(&report));
        let took = began.elapsed();
        assert!(took >= SHORT && took < SHORT * 2, "{took:?}");
    }
}

#[tokio::test]
async fn http_answers_are_judged() {
    for (response, receive, expected) in [
        (
            &b"HTTP/1.1 200 OK\r\n\r\nTest Page"[..],
            Some("Test Page"),
            None,
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nTest Page", None, None),
        (
            b"HTTP/1.1 200 OK\r\n\r\nOther",
            Some("Test Page"),
            Some("HTTP 200, but the body does not match \"Test Page\""),
        ),
        (
            b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
            Some("x"),
            Some("HTTP status 503 Service Unavailable"),
        ),
        (
            b"\0\x01garbage\n",
            None,
            Some("not an HTTP answer: \\u{0}\\u{1}garbage"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nServ",
            None,
            Some("answer stopped after 21 bytes"),
        ),
        (
            b"",
            None,
            Some("connected, but the server closed without an answer"),
        ),
    ] {
        let target = serve(move |mut stream| answer(&mut stream, response));
        let report = http(target, receive, LONG).await;
        match expected {
            None => assert_eq!(report.outcome, Outcome::Up),
            Some(expected) => assert_eq!(down(&report), expected),
        }
    }
}

#[tokio::test]
async fn http_shows_what_was_sent_and_received() {
    let target = serve(|mut stream| {
        answer(&mut stream, b"HTTP/1.1 200 Fine\r\n\r\nTest Page");
    });
    let report = http(target, Some("Page"), LONG).await;
    let version = env!("CARGO_PKG_VERSION");
    let request = format!(
        "GET /status?x=%20y HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: directord/{version}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(
        String::from_utf8(report.said_by(Side::Director)).unwrap(),
        request
    );
    assert!(
        report
            .said_by(Side::Server)
            .starts_with(b"HTTP/1.1 200 Fine\r\n")
    );
    assert_eq!(report.detail, "HTTP status 200 Fine");
    let phases = report.phases;
    assert!(phases.connected <= phases.first_byte && phases.first_byte <= Some(phases.total));
    assert_eq!(phases.tls, None);
}

#[tokio::test]
async fn http_finds_text_in_single_byte_segments() {
    let target = serve(|mut stream| {
        stream.set_nodelay(true).unwrap();
        read_request(&mut stream);
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nTest Page" {
            stream.write_all(&[*byte]).unwrap();
        }
        hold(&stream);
    });
    let report = http(target, Some("^Test Page$"), LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
}

#[tokio::test]
async fn http_reads_no_more_than_its_bounds() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\n", "X-Endless: header\r\n"),
        ("HTTP/1.1 200 OK\r\nX: ", "one header of ten megabytes "),
        ("HTTP/1.1 200 OK\r\n\r\n", "endless body "),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\na\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
            ";endless extension",
        ),
    ] {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let target = serve(move |mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(head.as_bytes());
            let block = piece.repeat(1000);
            while stream.write_all(block.as_bytes()).is_ok() {
                counter.fetch_add(block.len(), Ordering::Relaxed);
            }
        });
        let began = Instant::now();
        let report = http(target, Some("nowhere"), LONG).await;
        assert!(matches!(report.outcome, Outcome::Down(_)), "{piece}");
        assert!(began.elapsed() < LONG / 2, "{piece}: ended by the deadline");
        // The socket buffers of both sides take some megabytes beyond what was read.
        let written = written.load(Ordering::Relaxed);
        assert!(written < 16 << 20, "{piece}: {written}");
    }
}

#[tokio::test]
async fn redirects_stay_on_the_server() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let target = serve(move |mut stream| {
        let request = read_request(&mut stream);
        let count = counter.fetch_add(1, Ordering::Relaxed);
        let response = if request.starts_with("GET /good ") {
            "HTTP/1.1 200 OK\r\n\r\nTest Page".to_owned()
        } else if count == 0 {
            "HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n".to_owned()
        } else {
            let port = stream.local_addr().unwrap().port();
            format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/good\r\n\r\n")
        };
        stream.write_all(response.as_bytes()).unwrap();
    });
    let report = http(target, Some("Test Page"), LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    assert_eq!(requests.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn redirect_loops_end() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let target = serve(move |mut stream| {
        counter.fetch_add(1, Ordering::Relaxed);
        answer(
            &mut stream,
            b"HTTP/1.1 301 Moved\r\nLocation: /again\r\n\r\n",
        );
    });
    let report = http(target, None, LONG).await;
    assert_eq!(down(&report), "redirects more than 7 times");
    assert_eq!(requests.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn redirects_to_another_server_are_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", elsewhere.local_addr().unwrap());
    let location = url.clone();
    let target = serve(move |mut stream| {
        let response = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
        answer(&mut stream, response.as_bytes());
    });
    let report = http(target, None, LONG).await;
    assert_eq!(
        down(&report),
        format!("redirects to {url}, which is another server")
    );
    let contact = elsewhere.accept().unwrap_err();
    assert_eq!(contact.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_costly_pattern_is_searched_too() {
    let target = serve(|mut stream| {
        answer(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nno error: (a)(a)");
    });
    let report = http(target, Some(r"(?<!fatal )error.*(\w)\)\(\1"), LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    let target = serve(|mut stream| {
        let body = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'a'; 3000]].concat();
        answer(&mut stream, &body);
    });
    let report = http(target, Some(r"(a*)*\1b"), LONG).await;
    assert!(down(&report).contains("backtracking"), "{}", down(&report));
}

#[tokio::test]
async fn an_unusable_pattern_is_not_the_servers_fault() {
    let target = serve(|mut stream| answer(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n"));
    let report = http(target, Some("("), LONG).await;
    assert!(matches!(report.outcome, Outcome::Inconclusive(_)));
}

#[tokio::test]
async fn https_takes_any_certificate_and_sends_the_name() {
    let (target, names) = serve_tls(&["other.example"]);
    let given = |name: &str| TlsName::Given(name.to_owned());
    for (name, expected) in [
        (given("www.example.com"), Some("www.example.com")),
        (given("192.0.2.1"), None),
        (TlsName::Address, None),
        (TlsName::None, None),
    ] {
        let mut probe_for = request(Some("Test Page"));
        probe_for.tls = Some(Arc::new(Tls {
            name,
            ..Tls::default()
        }));
        let report = probe(target, ProbeKind::Http(probe_for), LONG).await;
        assert_eq!(report.outcome, Outcome::Up, "{expected:?}");
        assert!(report.phases.tls > report.phases.connected);
        assert_eq!(names.recv().unwrap().as_deref(), expected);
    }
}

#[tokio::test]
async fn tls_and_plain_do_not_hang_on_each_other() {
    let (tls_port, _names) = serve_tls(&["other.example"]);
    let report = http(tls_port, None, LONG).await;
    assert!(
        down(&report).starts_with("not an HTTP answer"),
        "{}",
        down(&report)
    );

    let mut tls_probe = request(None);
    tls_probe.tls = Some(Arc::default());
    for (response, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "the answer is not TLS",
        ),
        (
            b"\x15\x03\x03\0\x02\x02\x28",
            "the server sent the alert HandshakeFailure",
        ),
        (b"", "the server closed the connection"),
    ] {
        let target = serve(move |mut stream| answer(&mut stream, response));
        let report = probe(target, ProbeKind::Http(tls_probe.clone()), LONG).await;
        let expected = format!("connected, but the TLS handshake failed: {expected}");
        assert_eq!(down(&report), expected);
    }

    let silent = serve(|stream| hold(&stream));
    let report = probe(silent, ProbeKind::Http(tls_probe), SHORT).await;
    assert_eq!(
        down(&report),
        "connected, but no TLS handshake within 0.3 s"
    );
}

#[tokio::test]
async fn head_requests_read_no_body() {
    let target = serve(|mut stream| {
        assert!(read_request(&mut stream).starts_with("HEAD /status"));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        hold(&stream);
    });
    let mut head = request(None);
    head.method = HttpMethod::Head;
    let report = probe(target, ProbeKind::Http(head), LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
}

#[tokio::test]
async fn simpletcp_sends_half_closes_and_matches_a_line() {
    let target = serve(|mut stream| {
        let mut request = Vec::new();
        stream.read_to_end(&mut request).unwrap();
        let _ = stream.write_all(b"you said\n");
        let _ = stream.write_all(&request);
    });
    let simple = |receive: Option<&str>| {
        ProbeKind::SimpleTcp(SimpleTcpProbe {
            send: b"PING\nagain".to_vec(),
            receive: receive.map(|text| Pattern(text.to_owned())),
        })
    };
    let report = probe(target, simple(Some("^PING$")), LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    assert_eq!(report.detail, "answered \"PING\"");
    assert_eq!(report.said_by(Side::Director), b"PING\nagain");
    let report = probe(target, simple(None), LONG).await;
    assert_eq!(report.detail, "answered \"you said\"");
    let report = probe(target, simple(Some("PONG")), LONG).await;
    assert_eq!(
        down(&report),
        "no line of the answer (19 bytes) matches \"PONG\""
    );
    let silent = serve(|_stream| std::thread::park_timeout(LONG));
    let report = probe(silent, simple(Some("PONG")), SHORT).await;
    assert_eq!(down(&report), "connected, but no answer within 0.3 s");
}

async fn probe(target: SocketAddr, kind: ProbeKind, timeout: Duration) -> Report {
    run(target, &Probe::new(kind, timeout)).await
}

async fn http(target: SocketAddr, receive: Option<&str>, timeout: Duration) -> Report {
    probe(target, ProbeKind::Http(request(receive)), timeout).await
}

fn request(receive: Option<&str>) -> HttpProbe {
    HttpProbe {
        path: "/status?x= y".to_owned(),
        host: "www.example.com".to_owned(),
        receive: receive.map(|text| Pattern(text.to_owned())),
        ..HttpProbe::default()
    }
}

fn down(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Down(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    }
}

/// A server that treats each connection as told, one thread each.
fn serve(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let treat = Arc::new(treat);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let treat = Arc::clone(&treat);
            std::thread::spawn(move || treat(stream));
        }
    });
    target
}

/// Reads the head of a request.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        request.push(byte[0]);
        if request.starts_with(b"\x16") {
            // A TLS hello: there is no more to understand.
            break;
        }
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// Reads a request, sends a response and closes without losing it to a reset.
fn answer(stream: &mut TcpStream, response: &[u8]) {
    read_request(stream);
    let _ = stream.write_all(response);
    let _ = stream.shutdown(Shutdown::Write);
    hold(stream);
}

/// Keeps a connection until the other side closes it.
fn hold(mut stream: &TcpStream) {
    let _ = stream.set_read_timeout(Some(LONG));
    let mut sink = [0; 4096];
    while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
}

/// A TLS server with a self-signed certificate that reports the names it was asked for.
fn serve_tls(names: &[&str]) -> (SocketAddr, std::sync::mpsc::Receiver<Option<String>>) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let signed = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let (sender, asked) = std::sync::mpsc::channel();
    let target = serve(move |mut stream| {
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(&mut stream).is_err() {
                // An alert says why; without reading on it would be lost to a reset.
                let _ = connection.write_tls(&mut stream);
                let _ = stream.shutdown(Shutdown::Write);
                return hold(&stream);
            }
        }
        let _ = sender.send(connection.server_name().map(str::to_owned));
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        let mut request = [0; 4096];
        let _ = tls.read(&mut request);
        // Closed without close_notify, as many servers do.
        let _ = tls.write_all(b"HTTP/1.1 200 OK\r\n\r\nThis is a Test Page");
        let _ = tls.flush();
    });
    (target, asked)
}
