//! Requests over a real socket to a director that only notes what it is asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::{Client, ClientError, Server};
use crate::director::Command;
use crate::director::pair::order::{Order, Verb};
use crate::director::pair::report::SyncReport;
use crate::failover;

struct Bench {
    _directory: tempfile::TempDir,
    _server: Server,
    path: PathBuf,
    heard: Arc<Mutex<Vec<failover::Command>>>,
}

/// A director that refuses takeovers and is not a node of a pair otherwise.
async fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let (sender, mut commands) = mpsc::channel(4);
    let server = Server::start(&path, None, sender).await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Pair(command, reply) => {
                    let answer = match command {
                        failover::Command::Takeover { .. } => Err("frozen".to_owned()),
                        _ => Ok("noted".to_owned()),
                    };
                    log.lock().unwrap().push(command);
                    reply.send(answer).unwrap();
                }
                Command::PairStatus(reply) => drop(reply.send(None)),
                Command::Sync(reply) => drop(reply.send(SyncReport {
                    daemons: Vec::new(),
                    connections: None,
                    newest_seconds_ago: None,
                    problem: Some("no module".to_owned()),
                })),
                // Not answered: as if it ended.
                Command::Status(_) | Command::Reload(_) => {}
            }
        }
    });
    Bench {
        _directory: directory,
        _server: server,
        path,
        heard,
    }
}

/// Status line's number and body of a raw request.
async fn ask(bench: &Bench, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(&bench.path).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let number = head.split(' ').nth(1).unwrap().parse().unwrap();
    (number, body.to_owned())
}

async fn post(bench: &Bench, body: &str) -> (u16, String) {
    let length = body.len();
    let head = "POST /v1/failover HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    ask(
        bench,
        &format!("{head}content-length: {length}\r\n\r\n{body}"),
    )
    .await
}

#[tokio::test]
async fn orders_reach_the_pair_and_its_answer_comes_back() {
    let bench = bench().await;
    let client = Client::new(&bench.path);
    let done = client.order(&Order::new(Verb::Unfreeze)).await.unwrap();
    assert_eq!(done, "noted");
    let refused = client.order(&Order::new(Verb::Takeover)).await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused(reason) if reason == "frozen"));
    let (number, body) = post(&bench, r#"{"command":"takeover"}"#).await;
    assert_eq!((number, body.as_str()), (409, r#"{"error":"frozen"}"#));
    let (number, body) = post(&bench, r#"{"command":"cleanup"}"#).await;
    assert_eq!((number, body.as_str()), (200, r#"{"done":"noted"}"#));
    assert_eq!(bench.heard.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn nonsense_does_not_reach_the_pair() {
    let bench = bench().await;
    for body in [
        "",
        "standby",
        r#"{"command":"standby","x":1}"#,
        r#"{"command":"freeze","seconds":0}"#,
    ] {
        let (number, answer) = post(&bench, body).await;
        assert_eq!(number, 400, "{body}: {answer}");
        assert!(answer.starts_with(r#"{"error":""#), "{answer}");
    }
    let spaces = format!("{{\"command\":\"unfreeze\"{}}}", " ".repeat(4096));
    let (number, answer) = post(&bench, &spaces).await;
    assert_eq!(number, 400, "{answer}");
    assert!(answer.contains("at most 4096 bytes"), "{answer}");
    assert!(bench.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn methods_and_paths_are_told_apart() {
    let bench = bench().await;
    let request = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    };
    for (method, path, wanted) in [
        ("DELETE", "/v1/failover", 405),
        ("PUT", "/v1/failover", 405),
        ("POST", "/v1/failover/sync", 405),
        ("POST", "/v1/status", 405),
        ("GET", "/v1/reload", 405),
        ("GET", "/v1/failover/", 404),
        ("GET", "/v2/failover", 404),
        ("GET", "/", 404),
        // What the director does not answer: it is ending.
        ("GET", "/v1/status", 503),
        // Not a pair.
        ("GET", "/v1/failover", 409),
        ("GET", "/v1/failover/sync", 200),
    ] {
        let (number, body) = ask(&bench, &request(method, path)).await;
        assert_eq!(number, wanted, "{method} {path}: {body}");
        assert!(body.starts_with('{'), "{body}");
    }
    let client = Client::new(&bench.path);
    let refused = client.pair().await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused(text) if text.contains("not a node")));
    assert!(client.sync().await.unwrap().problem.is_some());
}
