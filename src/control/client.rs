//! The client's side of the control socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::director::pair::order::Order;
use crate::director::pair::report::SyncReport;
use crate::director::pair::status::PairStatus;
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
    /// Somebody may listen, but not to this user.
    #[error(
        "{path} may not be opened by this user: run this as root, or as a member of the socket's group"
    )]
    Forbidden {
        /// The socket.
        path: PathBuf,
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
        self.get("/v1/status").await
    }

    /// The state of the pair; refused when the director is not a node of one.
    pub async fn pair(&self) -> Result<PairStatus, ClientError> {
        self.get("/v1/failover").await
    }

    /// What the kernel of the director's host synchronises.
    pub async fn sync(&self) -> Result<SyncReport, ClientError> {
        self.get("/v1/failover/sync").await
    }

    /// Gives an order to the pair; returns what was done.
    pub async fn order(&self, order: &Order) -> Result<String, ClientError> {
        let order = serde_json::to_vec(order).expect("an order is texts and numbers");
        let body = self.request(Method::POST, "/v1/failover", order).await?;
        let answer: Done = read(&body)?;
        Ok(answer.done)
    }

    /// Has the configuration read again; returns when it is in force.
    pub async fn reload(&self) -> Result<(), ClientError> {
        let body = Vec::new();
        self.request(Method::POST, "/v1/reload", body)
            .await
            .map(drop)
    }

    fn refused(&self, error: std::io::Error) -> ClientError {
        let path = self.path.clone();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => ClientError::Forbidden { path },
            _ => ClientError::NotRunning { path, error },
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        read(&self.request(Method::GET, path, Vec::new()).await?)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Bytes, ClientError> {
        let stream = UnixStream::connect(&self.path)
            .await
            .map_err(|error| self.refused(error))?;
        tokio::time::timeout(ANSWER_TIME, exchange(stream, method, path, body))
            .await
            .map_err(|_| ClientError::Protocol("none came in time".to_owned()))?
    }
}

/// Answer to an order that was carried out.
#[derive(Deserialize)]
struct Done {
    done: String,
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Protocol(error.to_string()))
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<Bytes, ClientError> {
    let protocol = |error: hyper::Error| ClientError::Protocol(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(protocol)?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, "directord")
        .body(Full::new(Bytes::from(body)))
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
