//! `service=radius` against `FreeRADIUS`.

use directord::model::Side;

use super::fixture::{Server, Story, free_port, loopback, probe, program, reason};

const USERS: &str = r#"monitor Cleartext-Password := "right-password-of-three-blocks-of-16"
  Reply-Message := "welcome"

token Auth-Type := Accept, Response-Packet-Type := Access-Challenge
  Reply-Message := "the code, please"
"#;

fn start() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = directory.path().display();
    let of_family = |name: &str, word: &str, address: &str| {
        format!(
            "client {name} {{
  {word} = {address}
  secret = right-secret
  require_message_authenticator = yes
}}
"
        )
    };
    let listen = |word: &str, address: &str| {
        format!("  listen {{\n    type = auth\n    {word} = {address}\n    port = {port}\n  }}\n")
    };
    let configuration = [
        format!(
            "prefix = /usr
logdir = {path}
run_dir = {path}
libdir = /usr/lib/freeradius
max_requests = 256
security {{
  reject_delay = 0
}}
modules {{
  pap {{
  }}
  files {{
    usersfile = {path}/users
  }}
}}
"
        ),
        of_family("v4", "ipaddr", "127.0.0.1"),
        of_family("v6", "ipv6addr", "::1"),
        "server default {\n".to_owned(),
        listen("ipaddr", "127.0.0.1"),
        listen("ipv6addr", "::1"),
        "  authorize {\n    files\n    pap\n  }\n".to_owned(),
        "  authenticate {\n    Auth-Type PAP {\n      pap\n    }\n  }\n}\n".to_owned(),
    ]
    .concat();
    std::fs::write(directory.path().join("radiusd.conf"), configuration).unwrap();
    std::fs::write(directory.path().join("users"), USERS).unwrap();
    let mut command = program("/usr/sbin/freeradius", "freeradius");
    command.args([
        "-f",
        "-l",
        "stdout",
        "-n",
        "radiusd",
        "-D",
        "/usr/share/freeradius",
    ]);
    command.arg("-d").arg(directory.path());
    Server::start(command, port, directory)
}

fn lines(login: &str, password: &str, secret: &str) -> String {
    format!("service=radius\nlogin=\"{login}\"\npasswd=\"{password}\"\nsecret=\"{secret}\"")
}

// CHK-34
#[test]
fn users_are_accepted_or_refused() {
    let mut server = start();
    let good = lines(
        "monitor",
        "right-password-of-three-blocks-of-16",
        "right-secret",
    );
    let wrong = lines("monitor", "wrong-password", "right-secret");
    Story {
        good: &good,
        wrong_credentials: Some(&wrong),
        wrong_content: None,
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &good);
        assert_eq!(report.detail, "Access-Accept for \"monitor\" \"welcome\"");
        let shown = String::from_utf8(report.said_by(Side::Director)).unwrap();
        assert!(shown.contains("User-Password ***") && !shown.contains("right"));
        let report = probe(address, &wrong);
        let refused = "login refused: Access-Reject for \"monitor\"";
        assert!(reason(&report).starts_with(refused), "{report:?}");
        let report = probe(address, &lines("token", "x", "right-secret"));
        assert!(reason(&report).contains("Access-Challenge"), "{report:?}");
        // The server cannot tell a wrong secret from a forgery: it is silent.
        let other = lines(
            "monitor",
            "right-password-of-three-blocks-of-16",
            "wrong-secret",
        );
        let report = probe(address, &format!("{other}\nnegotiatetimeout=1"));
        assert_eq!(
            reason(&report),
            "no answer within 1 s; a server that knows another secret, or not this client, says nothing"
        );
    }
}
