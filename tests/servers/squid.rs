//! `service=http_proxy` against squid, with nginx behind it.

use std::path::PathBuf;

use nix::unistd::User;

use super::fixture::{Server, Story, await_port, free_port, loopback, probe, program, reason};
use super::nginx;

/// squid, and what it leaves in shared memory when it is killed.
struct Squid {
    server: Server,
    name: String,
}

impl Drop for Squid {
    fn drop(&mut self) {
        for part in ["metadata", "queues", "readers"] {
            let file = PathBuf::from(format!("/dev/shm/{}-cf__{part}.shm", self.name));
            let _ = std::fs::remove_file(file);
        }
    }
}

fn start() -> Squid {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let port = free_port();
    let configuration = format!(
        "http_port 127.0.0.1:{port}
http_port [::1]:{port}
acl closed url_regex /closed-to-all
http_access deny closed
http_access allow localhost
http_access deny all
cache deny all
cache_mem 0 MB
memory_cache_shared off
access_log none
cache_store_log none
cache_log {path}/cache.log
coredump_dir {path}
pid_filename none
netdb_filename none
pinger_enable off
visible_hostname proxy.example.com
cache_effective_user proxy
connect_timeout 2 seconds
forward_max_tries 1
",
        path = path.display()
    );
    std::fs::write(path.join("squid.conf"), configuration).unwrap();
    // It gives up root before it opens its log.
    let user = User::from_name("proxy").unwrap().unwrap();
    nix::unistd::chown(path, Some(user.uid), Some(user.gid)).unwrap();
    let name = format!("directord{port}");
    let mut command = program("/usr/sbin/squid", "squid");
    command.args(["-N", "-n", &name]);
    command.arg("-f").arg(path.join("squid.conf"));
    Squid {
        server: Server::start(command, port, directory),
        name,
    }
}

// CHK-18
#[test]
fn pages_are_fetched_through_the_proxy() {
    let origin = nginx::start_plain();
    await_port(origin.port);
    let mut squid = start();
    let server = &mut squid.server;
    let lines = |port: u16, path: &str, receive: &str| {
        format!(
            "service=http_proxy\nrequest=\"http://127.0.0.1:{port}/{path}\"\nreceive=\"{receive}\""
        )
    };
    Story {
        good: &lines(origin.port, "index.html", "Test Page"),
        wrong_credentials: None,
        wrong_content: Some(&lines(origin.port, "index.html", "Other Page")),
    }
    .tell(server);
    for address in loopback(server.port) {
        let why = |lines: &str| reason(&probe(address, lines)).to_owned();
        let refused = "HTTP status 403 Forbidden";
        assert_eq!(why(&lines(origin.port, "closed-to-all", ".")), refused);
        assert_eq!(
            why(&lines(free_port(), "", ".")),
            "HTTP status 503 Service Unavailable"
        );
        let v6 = format!(
            "service=http_proxy\nrequest=\"http://[::1]:{}/index.html\"\nreceive=\"Test Page\"",
            origin.port
        );
        assert_eq!(why(&v6), "");
    }
}
