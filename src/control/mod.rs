//! The control socket: HTTP over a Unix socket, and its client.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`crate::director::status::Status`] as JSON |
//! | `POST /v1/reload` | 200 when the new configuration is in force, 409 with the reason when not |
//! | `GET /v1/failover` | [`crate::director::pair::status::PairStatus`] as JSON: the pair alone; 409 without one |
//! | `POST /v1/failover` | body [`crate::director::pair::order::Order`] as JSON; 200 `{"done": "…"}`, 409 with the reason when refused, 400 when it makes no sense |
//! | `GET /v1/failover/sync` | [`crate::director::pair::report::SyncReport`] as JSON: counts the kernel's connection entries, for up to a second |
//!
//! Errors have the body `{"error": "…"}`. Who may open the socket may use it: mode 0660,
//! of the group that `control:` in a `directord.yaml` names.
//! Every client is untrusted nonetheless: connections, sizes of headers and bodies, and times
//! are bounded.

mod client;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Client, ClientError};
pub use server::{Server, ServerError};

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/directord/control.sock";
