//! `service=redis` against redis-server.

use super::fixture::{Server, Story, free_port, loopback, probe, program, reason};

/// A server with a user who may look and a password for everybody else.
fn start() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let configuration = format!(
        "port {port}
bind 127.0.0.1 ::1
save \"\"
requirepass hidden
user monitor on >secret +ping +info
"
    );
    std::fs::write(directory.path().join("redis.conf"), configuration).unwrap();
    let mut command = program("/usr/bin/redis-server", "redis-server");
    command.current_dir(directory.path()).arg("redis.conf");
    Server::start(command, port, directory)
}

#[test]
fn a_redis_server_is_asked() {
    let mut server = start();
    Story {
        good: "service=redis\npasswd=\"hidden\"",
        wrong_credentials: Some("service=redis\npasswd=\"wrong\""),
        wrong_content: Some(
            "service=redis\npasswd=\"hidden\"\nrequest=\"INFO replication\"\nreceive=\"role:slave\"",
        ),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let info = "request=\"INFO replication\"\nreceive=\"(?m)^role:master\"";
        let user = "service=redis\nlogin=\"monitor\"\npasswd=\"secret\"";
        let report = probe(address, &format!("{user}\n{info}"));
        assert_eq!(reason(&report), "");
        assert!(!format!("{report:?}").contains("secret"));
        for (lines, expected) in [
            (
                "service=redis".to_owned(),
                "PING is refused: \"NOAUTH Authentication required.\"",
            ),
            (
                "service=redis\npasswd=\"wrong\"".to_owned(),
                "login refused: \"WRONGPASS ",
            ),
            (
                format!("{user}\nrequest=\"GET x\""),
                "GET is refused: \"NOPERM ",
            ),
        ] {
            let report = probe(address, &lines);
            assert!(reason(&report).starts_with(expected), "{report:?}");
        }
    }
}

#[test]
fn a_dialogue_is_held_with_a_redis_server() {
    let mut server = start();
    let steps = |expected: &str| {
        format!(
            "service=dialogue\nsend=\"AUTH hidden\\r\\n\"\nexpect=\"^\\+OK\\r\\n\"\n\
             send=\"PING\\r\\n\"\nexpect=\"{expected}\"\nsend=\"QUIT\\r\\n\""
        )
    };
    Story {
        good: &steps(r"^\+PONG"),
        wrong_credentials: Some(
            "service=dialogue\nsend=\"PING\\r\\n\"\nexpect=\"PONG\"\nnegotiatetimeout=1",
        ),
        wrong_content: None,
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &format!("{}\nnegotiatetimeout=1", steps("^-")));
        assert_eq!(reason(&report), "no \"^-\" (step 4) within 1 s");
    }
}
