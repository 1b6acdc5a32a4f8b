//! The check of NNTP against Leafnode.
//!
//! Leafnode is started for each connection and reads `/etc/news/leafnode/config`, so it
//! runs behind a small accepting program and with a directory of ours mounted there, in a
//! mount namespace of its own.

use std::fs;
use std::process::Command;

use directord::model::Side;
use tempfile::TempDir;

use super::fixture::{
    Server, Story, await_port, free_port, loopback, open_to_all, probe, program, reason,
};

/// Starts the rest of its arguments for each connection to the port.
const ACCEPT: &str = r#"
import select, socket, subprocess, sys
listeners = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, int(sys.argv[1])))
    listener.listen(64)
    listeners.append(listener)
children = []
while True:
    for listener in select.select(listeners, [], [])[0]:
        connection, _ = listener.accept()
        children.append(subprocess.Popen(sys.argv[2:], stdin=connection, stdout=connection))
        connection.close()
    children = [child for child in children if child.poll() is None]
"#;

/// A server that believes to have this name; it refuses those that it knows are no names.
fn leafnode(host: &str) -> Server {
    let directory = TempDir::new().unwrap();
    let port = free_port();
    let path = directory.path().display().to_string();
    let configuration = format!("server = {host}\nexpire = 20\nhostname = {host}\n");
    fs::create_dir(directory.path().join("etc")).unwrap();
    fs::write(directory.path().join("etc/config"), configuration).unwrap();
    fs::write(directory.path().join("accept.py"), ACCEPT).unwrap();
    open_to_all(directory.path());
    let _installed = program("/usr/sbin/leafnode", "leafnode");
    let script = format!(
        "mount --bind {path}/etc /etc/news/leafnode && \
         exec python3 {path}/accept.py {port} /usr/sbin/leafnode"
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    Server::start(command, port, directory)
}

#[test]
fn story_of_leafnode() {
    let mut server = leafnode("news.home.arpa");
    Story {
        good: "service=nntp",
        wrong_credentials: None,
        wrong_content: None,
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, "service=nntp");
        assert!(
            report
                .detail
                .starts_with("greeted with \"200 Leafnode NNTP Daemon, version 1."),
            "{report:?}"
        );
        assert_eq!(report.said_by(Side::Director), b"QUIT\r\n");
        let heard = String::from_utf8(report.said_by(Side::Server)).unwrap();
        assert!(heard.ends_with("205 Always happy to serve!\r\n"), "{heard}");
    }
}

#[test]
fn leafnode_that_refuses_service() {
    let server = leafnode("news.example.net");
    await_port(server.port);
    for address in loopback(server.port) {
        let report = probe(address, "service=nntp");
        assert!(
            reason(&report).starts_with("connected, but the greeting is \"503 Leafnode must have"),
            "{report:?}"
        );
    }
}
