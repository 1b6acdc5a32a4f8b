//! The server's side of the control socket.

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::director::Command;
use crate::director::pair::order::Order;

/// Connections served at a time; further ones wait.
const CONNECTIONS: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES: usize = 8 * 1024;
/// Bytes of a request's body.
const BODY_BYTES: usize = 4 * 1024;
/// Header lines of a request.
const HEADERS: usize = 64;
/// Time for a request's head, and for the whole connection.
const HEAD_TIME: Duration = Duration::from_secs(5);
const CONNECTION_TIME: Duration = Duration::from_secs(60);

/// Why the control socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A living daemon answers there.
    #[error("another director already answers on {0}; choose another --socket or stop it")]
    InUse(PathBuf),
    /// The group is not there.
    #[error("there is no group {0} for the control socket; create it or name another")]
    NoGroup(String),
    /// The group could not be looked up.
    #[error("the group {0} of the control socket cannot be looked up: {1}")]
    Group(String, std::io::Error),
    /// The file system refused.
    #[error("control socket {0}: {1}")]
    Io(PathBuf, std::io::Error),
}

/// A listening control socket. Dropping it removes the socket file.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens on `path` and hands requests to the director. A socket file that nobody
    /// answers on is replaced. It belongs to `group`, or else to the group of this process.
    pub async fn start(
        path: &Path,
        group: Option<&str>,
        director: mpsc::Sender<Command>,
    ) -> Result<Self, ServerError> {
        let group = match group {
            Some(name) => Some(group_id(name)?),
            None => None,
        };
        let listener = bind(path, group).await?;
        let task = tokio::spawn(accept(listener, director));
        Ok(Self {
            path: path.to_owned(),
            task,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // Already gone is as good as removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The number of a group.
fn group_id(name: &str) -> Result<u32, ServerError> {
    let group = nix::unistd::Group::from_name(name);
    match group {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(ServerError::NoGroup(name.to_owned())),
        Err(error) => Err(ServerError::Group(name.to_owned(), error.into())),
    }
}

async fn bind(path: &Path, group: Option<u32>) -> Result<UnixListener, ServerError> {
    let failed = |error| ServerError::Io(path.to_owned(), error);
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    if std::fs::symlink_metadata(path).is_ok() {
        if UnixStream::connect(path).await.is_ok() {
            return Err(ServerError::InUse(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    if group.is_some() {
        std::os::unix::fs::chown(path, None, group).map_err(failed)?;
    }
    let mode = std::fs::Permissions::from_mode(0o660);
    std::fs::set_permissions(path, mode).map_err(failed)?;
    Ok(listener)
}

async fn accept(listener: UnixListener, director: mpsc::Sender<Command>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let director = director.clone();
                tokio::spawn(async move {
                    serve(stream, director).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a control connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, director: mpsc::Sender<Command>) {
    let service = service_fn(move |request| {
        let director = director.clone();
        async move { Ok::<_, Infallible>(answer(request, &director).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "control connection ended"),
        Err(_) => tracing::debug!("control connection took too long"),
    }
}

async fn answer(
    request: Request<Incoming>,
    director: &mpsc::Sender<Command>,
) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/status") => match ask(director, Command::Status).await {
            Some(status) => document(&status),
            None => gone(),
        },
        (&Method::GET, "/v1/failover") => match ask(director, Command::PairStatus).await {
            Some(Some(status)) => document(&status),
            Some(None) => refusal(StatusCode::CONFLICT, NO_PAIR),
            None => gone(),
        },
        (&Method::POST, "/v1/failover") => order(request, director).await,
        (&Method::GET, "/v1/failover/sync") => match ask(director, Command::Sync).await {
            Some(report) => document(&report),
            None => gone(),
        },
        (&Method::POST, "/v1/reload") => match ask(director, Command::Reload).await {
            Some(Ok(())) => json(StatusCode::OK, b"{}".to_vec()),
            Some(Err(reason)) => refusal(StatusCode::CONFLICT, &reason),
            None => gone(),
        },
        (_, "/v1/status" | "/v1/reload" | "/v1/failover" | "/v1/failover/sync") => refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path does not know that method",
        ),
        _ => refusal(StatusCode::NOT_FOUND, "no such path"),
    }
}

/// What the pair's commands and status say where there is none.
const NO_PAIR: &str = "this director is not a node of a pair";

/// Carries an operator's order out.
async fn order(
    request: Request<Incoming>,
    director: &mpsc::Sender<Command>,
) -> Response<Full<Bytes>> {
    let body = match Limited::new(request.into_body(), BODY_BYTES)
        .collect()
        .await
    {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            return refusal(
                StatusCode::BAD_REQUEST,
                &format!("the order could not be read (at most {BODY_BYTES} bytes): {error}"),
            );
        }
    };
    let command = match Order::parse(&body).and_then(|order| order.command()) {
        Ok(command) => command,
        Err(reason) => return refusal(StatusCode::BAD_REQUEST, &reason),
    };
    match ask(director, |reply| Command::Pair(command, reply)).await {
        Some(Ok(done)) => document(&serde_json::json!({ "done": done })),
        Some(Err(reason)) => refusal(StatusCode::CONFLICT, &reason),
        None => gone(),
    }
}

fn document(content: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(content) {
        Ok(body) => json(StatusCode::OK, body),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn ask<T>(
    director: &mpsc::Sender<Command>,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    director.send(command(reply)).await.ok()?;
    answer.await.ok()
}

fn gone() -> Response<Full<Bytes>> {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "the director is stopping")
}

fn refusal(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": text });
    json(status, body.to_string().into_bytes())
}

fn json(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let value = hyper::header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, value);
    response
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[tokio::test]
    async fn the_socket_belongs_to_the_group_that_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let (sender, _commands) = mpsc::channel(1);
        // Another group than the own one when that may be given, else the own one.
        let other = nix::unistd::Group::from_name("adm").ok().flatten();
        let own = nix::unistd::Group::from_gid(nix::unistd::getgid()).unwrap();
        let is_root = nix::unistd::geteuid().is_root();
        let group = other.filter(|_| is_root).or(own).unwrap();
        let server = Server::start(&path, Some(&group.name), sender.clone())
            .await
            .unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.gid(), group.gid.as_raw());
        assert_eq!(metadata.mode() & 0o777, 0o660);
        drop(server);
        let missing = Server::start(&path, Some("no-such-group"), sender).await;
        assert!(matches!(missing, Err(ServerError::NoGroup(_))));
        assert!(!path.exists());
    }
}
