//! The control socket: HTTP over a Unix socket, and its client.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`crate::director::status::Status`] as JSON |
//! | `POST /v1/reload` | 200 when the new configuration is in force, 409 with the reason when not |
//!
//! Errors have the body `{"error": "…"}`. Who may open the socket may use it: mode 0660,
//! of the group that `control:` in a `directord.yaml` names.
//! Every client is untrusted nonetheless: connections, header sizes and times are bounded.

mod client;
mod server;

pub use client::{Client, ClientError};
pub use server::{Server, ServerError};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/directord/control.sock";
