//! `directord check` against scripted servers: what it shows of each protocol, and that
//! no secret is among it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::{directord, golden, written};

/// Stands where a secret belongs.
const SECRET: &str = "Mark3d-S3cret";

/// A server that says the first of these unasked and the others after whatever it hears;
/// where one is empty it says nothing and listens on.
fn scripted(lines: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            play(stream, lines);
        }
    });
    target
}

fn play(mut stream: TcpStream, lines: &[&[u8]]) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let mut heard = [0; 4096];
    for line in lines {
        if stream.write_all(line).is_err() || !stream.read(&mut heard).is_ok_and(|count| count > 0)
        {
            return;
        }
    }
    // Until the other side closes: nothing it says is lost to a reset.
    while stream.read(&mut heard).is_ok_and(|count| count > 0) {}
}

/// A configuration that checks one server like this.
fn configuration(server: SocketAddr, transport: &str, words: &str) -> String {
    format!(
        "checktimeout=10\nvirtual=192.0.2.1:80\n\treal={server} masq\n\tprotocol={transport}\n\
         \tchecktype=negotiate\n{words}"
    )
}

/// The output with the server's address and all times replaced.
fn timeless(text: &str, server: SocketAddr) -> String {
    let program = concat!("directord/", env!("CARGO_PKG_VERSION"));
    let text = text
        .replace(&server.to_string(), "SERVER")
        .replace(program, "directord/VERSION");
    let mut result = String::new();
    for word in text.split_inclusive([' ', '\n', ',']) {
        let number = word.trim_end_matches([' ', '\n', ',']);
        let is_time = number.contains('.') && number.parse::<f64>().is_ok();
        result += &if is_time {
            word.replacen(number, "T", 1)
        } else {
            word.to_owned()
        };
    }
    result
}

/// Runs the check; the text, after looking for the secret in it and in the JSON.
fn shown(server: SocketAddr, transport: &str, words: &str) -> String {
    let (_kept, path) = written(&configuration(server, transport, words));
    let path = path.to_str().unwrap();
    let (_, text, complaints) = directord(&["check", path]);
    assert!(!text.is_empty(), "{words}: {complaints}");
    let (_, json, more) = directord(&["check", "--json", path]);
    for output in [&text, &json, &complaints, &more] {
        assert!(!output.contains(SECRET), "{words}: {output}");
    }
    let values: serde_json::Value = serde_json::from_str(&json).unwrap();
    let dialogue = values[0]["dialogue"].as_array().unwrap();
    assert_eq!(dialogue.is_empty(), !text.contains("    > "), "{words}");
    assert!(values[0]["phases"]["total_ms"].is_number());
    timeless(&text, server)
}

#[test]
fn the_dialogue_of_each_protocol_is_shown_without_secrets() {
    let login = "\tlogin=\"monitor\"\n\tpasswd=\"Mark3d-S3cret\"\n";
    let sql = "\tdatabase=\"site\"\n\trequest=\"SELECT 1\"\n";
    let cases: [(&str, &str, &'static [&'static [u8]]); 9] = [
        (
            "http",
            "\trequest=\"status\"\n\treceive=\"Test Page\"\n",
            &[
                b"",
                b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nTest Page\n",
            ],
        ),
        (
            "simpletcp",
            "\trequest=\"PING\"\n\treceive=\"PONG\"\n",
            &[b"", b"+PONG\r\n"],
        ),
        (
            "smtp",
            "",
            &[b"220 mail.example.com\r\n", b"250 mail.example.com\r\n", b"221 bye\r\n"],
        ),
        (
            "ftp",
            login,
            &[
                b"220 ready\r\n",
                b"331 a password, please\r\n",
                b"530 the password Mark3d-S3cret is wrong\r\n",
            ],
        ),
        (
            "pop",
            login,
            &[
                b"+OK ready\r\n",
                b"+OK\r\n",
                b"-ERR Mark3d-S3cret is no password\r\n",
            ],
        ),
        (
            "imap",
            login,
            &[
                b"* OK ready\r\n",
                b"* CAPABILITY IMAP4rev1\r\na OK\r\n",
                b"b NO Mark3d-S3cret is no password\r\n",
            ],
        ),
        (
            "ldap",
            login,
            &[b"", b"\x30\x19\x02\x01\x01\x61\x14\x0a\x01\x31\x04\x00\x04\x0dMark3d-S3cret"],
        ),
        (
            "mysql",
            login,
            &[
                b"\x59\0\0\0\x0a5.5.5-10.11.6-MariaDB\0\x09\0\0\0abcdefgh\0\xff\xf7\x2d\x02\0\xff\0\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0mysql_native_password\0",
                b"\x17\0\0\x02\xff\x15\x04#28000Mark3d-S3cret ",
            ],
        ),
        (
            "pgsql",
            login,
            &[
                b"",
                b"N",
                b"R\0\0\0\x08\0\0\0\x03",
                b"E\0\0\0\x22SFATAL\0C28P01\0MMark3d-S3cret\0\0",
            ],
        ),
    ];
    for (word, words, lines) in cases {
        let more = if ["mysql", "pgsql"].contains(&word) {
            sql
        } else {
            ""
        };
        let words = format!("\tservice={word}\n{words}{more}");
        let text = shown(scripted(lines), "tcp", &words);
        golden(&format!("check/{word}.check"), &text);
    }
}

#[test]
fn radius_shows_neither_password_nor_secret() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(b"\x03Mark3d-S3cret", from);
        }
    });
    let words = "\tchecktimeout=1\n\tservice=radius\n\tlogin=\"monitor\"\n\tpasswd=\"Mark3d-S3cret\"\n\
                 \tsecret=\"Mark3d-S3cret\"\n";
    let text = shown(target, "udp", words);
    assert!(text.contains(": DOWN radius "), "{text}");
    assert!(text.contains("***"), "{text}");
}

#[test]
fn the_look_up_of_a_name_is_a_phase() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        "virtual=192.0.2.1:80\n\treal=localhost:{port} masq\n\treal=127.0.0.1:{port} masq\n\tchecktype=connect\n"
    );
    let (_kept, path) = written(&text);
    let path = path.to_str().unwrap();
    let (code, text, _) = directord(&["check", path]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(
        text.matches("name localhost looked up in ").count(),
        1,
        "{text}"
    );
    let (_, json, _) = directord(&["check", "--json", path]);
    let values: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(values[0]["name"], "localhost");
    assert!(values[0]["phases"]["name_ms"].is_number(), "{json}");
    assert!(values[1]["name"].is_null() && values[1]["phases"]["name_ms"].is_null());
}

#[test]
fn the_dialogue_of_each_check_of_a_rule_is_shown_without_secrets() {
    let mailbox = scripted(&[
        b"+OK ready\r\n",
        b"+OK\r\n",
        b"-ERR Mark3d-S3cret is no password\r\n",
    ]);
    let greeter = scripted(&[b"", b"+PONG\r\n"]);
    let (mailbox_port, port) = (mailbox.port(), greeter.port());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rules.yaml");
    let rules = format!(
        "checks:
  mail: {{ service: pop, port: {mailbox_port}, login: monitor, password: {SECRET} }}
  pong: {{ service: simpletcp, port: {port}, request: PING, receive: PONG }}
services:
- service: tcp:192.0.2.1:80
  check: {{ any: [ mail, pong ] }}
  reals: [ {{ host: 127.0.0.1, port: 80, forwarding: masq }} ]
"
    );
    std::fs::write(&path, rules).unwrap();
    let path = path.to_str().unwrap();
    let (status, text, _) = directord(&["check", path]);
    assert_eq!(status, 0, "{text}");
    let (_, json, _) = directord(&["check", "--json", path]);
    for output in [&text, &json] {
        assert!(!output.contains(SECRET), "{output}");
    }
    let (first, second) = text.split_once("  pong: UP simpletcp").unwrap();
    assert!(first.contains("  mail: DOWN pop"), "{text}");
    assert!(first.contains("    > PASS ***\n"), "{text}");
    assert!(second.contains("    < +PONG\n"), "{text}");
    let values: serde_json::Value = serde_json::from_str(&json).unwrap();
    let parts = values[0]["parts"].as_array().unwrap();
    assert_eq!(parts[0]["dialogue"][0]["by"], "server");
    assert_eq!(parts[0]["dialogue"][0]["text"], "+OK ready\\r\\n");
    assert_eq!(parts[1]["dialogue"][0]["text"], "PING");
    assert!(parts[1]["phases"]["total_ms"].is_number());
}
