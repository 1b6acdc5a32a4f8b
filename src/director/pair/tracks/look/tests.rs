use std::collections::BTreeSet;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::director::pair::program::sample;
use crate::model::pair::{Effect, Hooks};

const SECOND: Duration = Duration::from_secs(1);

fn looker(kind: TrackKind, timeout: Duration, scanner: &Arc<Scanner>) -> Looker {
    let track = Track {
        name: "x".to_owned(),
        kind,
        interval: SECOND,
        timeout,
        fall: 1,
        rise: 1,
        effect: Effect::Fault,
    };
    let names = Names::of(&sample::pair(Vec::new(), Hooks::default()));
    Looker::new("web", &track, &names, scanner).unwrap()
}

async fn look(kind: TrackKind, timeout: Duration) -> Finding {
    looker(kind, timeout, &Arc::default()).look().await
}

fn down(finding: &Finding) -> &str {
    match &finding.0 {
        Outcome::Down(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    }
}

fn inconclusive(finding: &Finding) -> &str {
    match &finding.0 {
        Outcome::Inconclusive(fault) => fault.as_str(),
        other => panic!("{other:?}"),
    }
}

/// A server that answers one request with this head and says what it was asked.
async fn answer(host: &str, head: &'static str) -> (Finding, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let count = stream.read(&mut request).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    let kind = TrackKind::Http {
        host: host.to_owned(),
        port,
        path: "/server-status?auto".to_owned(),
    };
    let finding = look(kind, 10 * SECOND).await;
    let request = served.await.unwrap();
    let request = request.replace(&format!(":{port}"), ":PORT");
    (finding, request)
}

#[tokio::test]
async fn statuses_from_200_to_399_are_good() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        "HTTP/1.0 204 No Content\r\n\r\n",
        "HTTP/1.1 301 Moved\r\nLocation: https://192.0.2.1/\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
    ] {
        let (finding, _) = answer("127.0.0.1", head).await;
        assert_eq!(finding.0, Outcome::Up, "{head}");
    }
    for (head, reason) in [
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "HTTP status 404 Not Found",
        ),
        ("HTTP/1.1 500 Oops\r\n\r\n", "HTTP status 500 Oops"),
        ("", "connected, but the server closed without an answer"),
    ] {
        let (finding, _) = answer("127.0.0.1", head).await;
        assert_eq!(down(&finding), reason);
    }
}

#[tokio::test]
async fn an_http_track_asks_for_its_path_at_its_host_by_name_or_address() {
    for host in ["127.0.0.1", "localhost"] {
        let (finding, request) = answer(host, "HTTP/1.1 200 Fine\r\n\r\n").await;
        assert_eq!(finding.1, "HTTP status 200 Fine");
        let line = "GET /server-status?auto HTTP/1.1\r\n";
        assert!(
            request.starts_with(&format!("{line}Host: {host}:PORT\r\n")),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_no_failure() {
    let kind = TrackKind::Http {
        host: "no.such.invalid".to_owned(),
        port: 80,
        path: "/".to_owned(),
    };
    let finding = look(kind, 20 * SECOND).await;
    assert_eq!(inconclusive(&finding), "no address for no.such.invalid");
}

#[tokio::test]
async fn a_closed_port_is_down_and_an_open_one_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    assert_eq!(look(TrackKind::Tcp(target), SECOND).await.0, Outcome::Up);
    drop(listener);
    let finding = look(TrackKind::Tcp(target), SECOND).await;
    assert_eq!(down(&finding), "connection refused");
}

fn program(words: &[&str], user: Option<&str>) -> TrackKind {
    TrackKind::Script {
        command: words.iter().map(ToString::to_string).collect(),
        user: user.map(ToOwned::to_owned),
    }
}

#[tokio::test]
async fn scripts_run_as_their_user_with_no_groups_of_ours() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let script = "echo $(id -u) $(id -g) $(id -G)";
    let finding = look(
        program(&["/bin/sh", "-c", script], Some("nobody")),
        20 * SECOND,
    )
    .await;
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let (user, group) = (nobody.uid, nobody.gid);
    assert_eq!(finding.1, format!("exit status 0: {user} {group} {group}"));
}

#[tokio::test]
async fn a_script_that_cannot_be_started_is_no_failure() {
    let missing = look(program(&["/no/such/program"], None), SECOND).await;
    assert!(inconclusive(&missing).starts_with("cannot run /no/such/program: No such file"));
    let user = look(program(&["/bin/true"], Some("no-such-user")), SECOND).await;
    let words = "cannot run /bin/true: there is no user no-such-user";
    assert_eq!(inconclusive(&user), words);
}

#[tokio::test]
async fn a_script_is_told_the_names_and_nothing_else() {
    let finding = look(program(&["/usr/bin/env"], None), 20 * SECOND).await;
    assert_eq!(finding.0, Outcome::Up);
    let script = "env | cut -d= -f1 | sort | tr '\\n' ' '";
    let finding = look(program(&["/bin/sh", "-c", script], None), 20 * SECOND).await;
    let expected = "exit status 0: DIRECTORD_CLUSTER DIRECTORD_INSTANCE DIRECTORD_NODE \
                    DIRECTORD_PEER DIRECTORD_TRACK LANG PATH PWD";
    assert_eq!(finding.1, expected);
}

#[tokio::test]
async fn a_process_is_there_until_it_ends_and_its_zombie_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("trk{}", std::process::id());
    let path = directory.path().join(&name);
    std::fs::copy("/bin/sleep", &path).unwrap();
    let scanner = Arc::new(Scanner::default());
    scanner.want(BTreeSet::from([name.clone()]));
    let mut looker = looker(TrackKind::Process(name.clone()), 10 * SECOND, &scanner);
    // Nothing of an earlier reading.
    let What::Process { age, .. } = &mut looker.what else {
        panic!("another kind");
    };
    *age = Duration::ZERO;
    assert_eq!(down(&looker.look().await), format!("no process {name}"));
    let command = std::process::Command::new(&path).arg("1000").spawn();
    let mut child = Ended(command.unwrap());
    // It has its name a moment after it has been started.
    until_it_is(&mut looker, true).await;
    child.0.kill().unwrap();
    until_it_is(&mut looker, false).await;
    assert!(std::path::Path::new(&format!("/proc/{}/comm", child.0.id())).exists());
}

async fn until_it_is(looker: &mut Looker, there: bool) {
    let began = Instant::now();
    while (looker.look().await.0 == Outcome::Up) != there {
        assert!(began.elapsed() < 10 * SECOND);
    }
}

/// A process that does not outlive its test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_failure_seen_too_late_is_no_failure() {
    let down = || Outcome::Down(Reason::new("no echo reply"));
    assert_eq!(credible(down(), SECOND, SECOND), down());
    assert_eq!(credible(down(), SECOND * 5 / 4, SECOND), down());
    let late = credible(down(), 2 * SECOND, SECOND);
    let words = "this host was held up: a look took 2000 ms";
    assert_eq!(late, Outcome::Inconclusive(Fault::new(words)));
    assert_eq!(credible(Outcome::Up, 2 * SECOND, SECOND), Outcome::Up);
}
