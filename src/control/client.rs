//! The client's side of the control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::director::status::Status;

/// Longest answer accepted: the status of tens of thousands of servers.
const ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// Longest wait for an answer; a reload waits for name resolution.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no director answers on {path}: {error}")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why it could not be opened.
        error: std::io::Error,
    },
    /// The daemon did not answer as expected.
    #[error("the director's answer could not be used: {0}")]
    Protocol(String),
    /// The daemon refused.
    #[error("{0}")]
    Refused(String),
}

/// Asks a running director.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// A client for a socket.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The director's state.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let body = self.request(Method::GET, "/v1/status").await?;
        serde_json::from_slice(&body).map_err(|error| ClientError::Protocol(error.to_string()))
    }

    /// Has the configuration read again; returns when it is in force.
    pub async fn reload(&self) -> Result<(), ClientError> {
        self.request(Method::POST, "/v1/reload").await.map(drop)
    }

    async fn request(&self, method: Method, path: &str) -> Result<Bytes, ClientError> {
        let stream =
            UnixStream::connect(&self.path)
                .await
                .map_err(|error| ClientError::NotRunning {
                    path: self.path.clone(),
                    error,
                })?;
        tokio::time::timeout(ANSWER_TIME, exchange(stream, method, path))
            .await
            .map_err(|_| ClientError::Protocol("none came in time".to_owned()))?
    }
}

async fn exchange(stream: UnixStream, method: Method, path: &str) -> Result<Bytes, ClientError> {
    let protocol = |error: hyper::Error| ClientError::Protocol(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(protocol)?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, "directord")
        .body(Empty::<Bytes>::new())
        .expect("method, path and host are well formed");
    let response = sender.send_request(request).await.map_err(protocol)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES)
        .collect()
        .await
        .map_err(|error| ClientError::Protocol(error.to_string()))?
        .to_bytes();
    driver.abort();
    if status == StatusCode::OK {
        return Ok(body);
    }
    let error = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|value| value.get("error")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| status.to_string());
    Err(ClientError::Refused(error))
}
