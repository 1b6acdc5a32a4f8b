//! `service=sip` against kamailio.

use super::fixture::{Server, Story, free_port, is_down, loopback, probe, program, reason};

fn start() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let configuration = format!(
        r#"debug=0
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=udp:[::1]:{port}
listen=tcp:127.0.0.1:{port}
listen=tcp:[::1]:{port}
loadmodule "sl.so"
loadmodule "pv.so"
request_route {{
  if ($rU == "stranger") {{
    sl_send_reply("403", "Forbidden");
    exit;
  }}
  if ($rU == "slow") {{
    sl_send_reply("100", "Trying");
  }}
  sl_send_reply("200", "OK");
}}
"#
    );
    let file = directory.path().join("kamailio.cfg");
    std::fs::write(&file, configuration).unwrap();
    let mut command = program("/usr/sbin/kamailio", "kamailio");
    // In the foreground, with little memory, its run-time files in the directory.
    command.args(["-DD", "-E", "-m", "16", "-M", "4"]);
    command.arg("-f").arg(file).arg("-Y").arg(directory.path());
    Server::start(command, port, directory)
}

fn story(protocol: &str) {
    let mut server = start();
    let lines = |login: &str| format!("service=sip\nprotocol={protocol}\nlogin=\"{login}\"");
    let good = lines("monitor@example.com");
    let stranger = lines("stranger@example.com");
    Story {
        good: &good,
        wrong_credentials: Some(&stranger),
        wrong_content: None,
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &stranger);
        assert_eq!(
            reason(&report),
            "the answer to OPTIONS is \"SIP/2.0 403 Forbidden\""
        );
        // Without a login ldirectord's own name is asked for.
        let nobody = format!("service=sip\nprotocol={protocol}");
        for up in [lines("slow@example.com"), nobody] {
            let report = probe(address, &up);
            assert!(!is_down(&report), "{report:?}");
            assert_eq!(report.detail, "answered \"SIP/2.0 200 OK\"");
        }
    }
}

// CHK-35
#[test]
fn options_are_answered_over_udp() {
    story("udp");
}

// CHK-35
#[test]
fn options_are_answered_over_tcp() {
    story("tcp");
}
