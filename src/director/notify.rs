//! The service manager's notification socket (`sd_notify(3)`).

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends states such as `READY=1` to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    address: Option<SocketAddr>,
}

impl Notifier {
    /// Takes the value of `NOTIFY_SOCKET`: a path, or an abstract name after `@`.
    pub fn new(socket: Option<&str>) -> Self {
        let address = socket.and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        Self { address }
    }

    /// Sends a state. A service manager that does not listen is no reason to fail.
    pub fn send(&self, state: &str) {
        let Some(address) = &self.address else {
            return;
        };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to_addr(state.as_bytes(), address)
        });
        if let Err(error) = sent {
            tracing::debug!(%error, "the service manager could not be notified");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_reach_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        Notifier::new(path.to_str()).send("READY=1");
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        Notifier::new(None).send("READY=1");
    }
}
