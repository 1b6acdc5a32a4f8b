//! A small server on loopback that speaks HTTP/2 and says what it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::check;
use crate::model::{Probe, ProbeKind, Reason, Tls};

mod tls;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// The framed message of a service that serves.
const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";

/// What the server does with a call.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// This message, and the trailer of success.
    Message(&'static [u8]),
    /// This message, and the end without a status.
    Unfinished(&'static [u8]),
    /// This status instead of a message.
    Status(&'static str),
    /// This HTTP status.
    Http(u16),
    /// A message without an end.
    Endless,
    /// Nothing.
    Nothing,
}

async fn serve(says: Says) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        speak(stream, says, "http").await;
    });
    target
}

/// Answers calls over this connection, which are expected to name the scheme.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    says: Says,
    scheme: &'static str,
) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.uri().scheme_str(), Some(scheme));
            let (head, mut body) = request.into_parts();
            assert_eq!(head.headers["content-type"], "application/grpc");
            assert_eq!(head.uri.authority().unwrap(), "grpc.example.com");
            let asked = body.data().await.unwrap().unwrap();
            assert_eq!(&asked[..], b"\0\0\0\0\x05\x0a\x03web");
            let response = Response::builder();
            match says {
                Says::Message(bytes) => {
                    let mut sending = respond
                        .send_response(response.body(()).unwrap(), false)
                        .unwrap();
                    sending.send_data(Bytes::from_static(bytes), false).unwrap();
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    sending.send_trailers(trailers).unwrap();
                }
                Says::Unfinished(bytes) => {
                    let mut sending = respond
                        .send_response(response.body(()).unwrap(), false)
                        .unwrap();
                    sending.send_data(Bytes::from_static(bytes), true).unwrap();
                }
                Says::Status(code) => {
                    let response = response
                        .header("grpc-status", code)
                        .header("grpc-message", "unknown service");
                    let _ = respond.send_response(response.body(()).unwrap(), true);
                }
                Says::Http(code) => {
                    let response = response.status(code).body(()).unwrap();
                    let _ = respond.send_response(response, true);
                }
                Says::Endless => {
                    let mut sending = respond
                        .send_response(response.body(()).unwrap(), false)
                        .unwrap();
                    let piece = Bytes::from_static(&[0; 1024]);
                    while sending.send_data(piece.clone(), false).is_ok() {
                        tokio::task::yield_now().await;
                    }
                }
                Says::Nothing => std::future::pending().await,
            }
        });
    }
}

async fn ask(target: SocketAddr, timeout: Duration) -> Report {
    ask_over(target, None, timeout).await
}

async fn ask_over(target: SocketAddr, tls: Option<Tls>, timeout: Duration) -> Report {
    let probe = GrpcProbe {
        tls: tls.map(Arc::new),
        name: "web".to_owned(),
        authority: Some("grpc.example.com".to_owned()),
    };
    check::run(target, &Probe::new(ProbeKind::Grpc(probe), timeout)).await
}

fn down(text: &str) -> Outcome {
    Outcome::Down(Reason::new(text))
}

#[tokio::test]
async fn a_service_that_serves_is_up() {
    let target = serve(Says::Message(SERVING)).await;
    let report = ask(target, LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    assert_eq!(report.detail, "\"web\" is SERVING");
}

#[tokio::test]
async fn every_other_answer_has_its_reason() {
    for (says, expected) in [
        (
            Says::Message(b"\0\0\0\0\x02\x08\x02"),
            "\"web\" is NOT_SERVING",
        ),
        (
            Says::Message(b"\0\0\0\0\0"),
            "the state of \"web\" is UNKNOWN",
        ),
        (Says::Message(b"\0\0"), "the answer is malformed"),
        (
            Says::Unfinished(SERVING),
            "the call ended without a gRPC status",
        ),
        (
            Says::Status("5"),
            "gRPC status 5 NOT_FOUND: the server does not know this service (\"unknown service\")",
        ),
        (Says::Http(404), "HTTP status 404 Not Found"),
        (Says::Endless, "the answer is longer than 4096 bytes"),
    ] {
        let target = serve(says).await;
        assert_eq!(ask(target, LONG).await.outcome, down(expected), "{says:?}");
    }
    let silent = serve(Says::Nothing).await;
    let expected = "connected, but no answer within 0.3 s";
    assert_eq!(ask(silent, SHORT).await.outcome, down(expected));
}

#[tokio::test]
async fn what_is_no_http_2_is_down() {
    for text in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(text).await;
        });
        let report = ask(target, LONG).await;
        assert!(matches!(report.outcome, Outcome::Down(_)), "{report:?}");
    }
}
