//! Delivery to a real postfix on loopback, to servers that are none, and to a program.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::*;
use crate::config::{Mail, Phase, Phases};
use crate::director::alert::{About, Line};

const MASTER: &str = "/usr/lib/postfix/sbin/master";
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A postfix of its own in a directory of its own; mailboxes are files in `mail/`.
struct Postfix {
    directory: tempfile::TempDir,
    port: u16,
    master: Option<Child>,
}

impl Postfix {
    fn new() -> Self {
        assert!(
            Path::new(MASTER).exists(),
            "{MASTER} is missing: install the Debian package postfix (scripts/lab --install installs all)"
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for sub in ["", "etc", "queue", "data", "mail"] {
            let sub = path.join(sub);
            std::fs::create_dir_all(&sub).unwrap();
            std::fs::set_permissions(&sub, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let user = |name| nix::unistd::User::from_name(name).unwrap().unwrap();
        let own = |sub: &str, name| {
            let user = user(name);
            nix::unistd::chown(&path.join(sub), Some(user.uid), Some(user.gid)).unwrap();
        };
        own("data", "postfix");
        own("mail", "nobody");
        let postfix = Self {
            port: free_port(),
            directory,
            master: None,
        };
        postfix.configure("");
        postfix.control("check");
        postfix
    }

    /// Writes its configuration; `more` are lines of `main.cf`.
    fn configure(&self, more: &str) {
        let etc = self.directory.path().join("etc");
        let base = self.directory.path().display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {base}/queue\ndata_directory = {base}/data\n\
             maillog_file = {base}/log\nmaillog_file_prefixes = {base}\nmyhostname = mx.example.com\n\
             mydestination =\nvirtual_mailbox_domains = example.com\nvirtual_mailbox_base = {base}/mail\n\
             virtual_mailbox_maps = inline:{{a@example.com=a, b@example.com=b, later@example.com=later}}\n\
             virtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\nvirtual_minimum_uid = 1\n\
             alias_maps =\nalias_database =\nsmtputf8_enable = no\n{more}\n"
        );
        std::fs::write(etc.join("main.cf"), main).unwrap();
        let port = self.port;
        let mut master = format!(
            "127.0.0.1:{port} inet n - n - - smtpd\n[::1]:{port} inet n - n - - smtpd\n\
             cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
             anvil unix - - n - 1 anvil\npostlog unix-dgram n - n - 1 postlogd\n"
        );
        for name in ["bounce", "defer", "trace"] {
            master += &format!("{name} unix - - n - 0 bounce\n");
        }
        for (name, program) in [
            ("rewrite", "trivial-rewrite"),
            ("virtual", "virtual"),
            ("error", "error"),
            ("retry", "error"),
            ("proxymap", "proxymap"),
        ] {
            master += &format!("{name} unix - n n - - {program}\n");
        }
        std::fs::write(etc.join("master.cf"), master).unwrap();
    }

    fn control(&self, action: &str) {
        let mut command = Command::new("/usr/sbin/postfix");
        command.arg("-c").arg(self.directory.path().join("etc"));
        let output = command.arg(action).output().unwrap();
        assert!(output.status.success(), "{output:?} {}", self.log());
    }

    fn start(&mut self) {
        let mut command = Command::new(MASTER);
        command.arg("-c").arg(self.directory.path().join("etc"));
        command.arg("-d").process_group(0).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.master = Some(command.spawn().unwrap());
        let target = (Ipv4Addr::LOCALHOST, self.port);
        wait(
            "postfix",
            || std::net::TcpStream::connect(target).is_ok(),
            || self.log(),
        );
    }

    fn signal(&self, signal: Signal) {
        if let Some(master) = &self.master {
            let _ = killpg(Pid::from_raw(master.id().cast_signed()), signal);
        }
    }

    fn stop(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut master) = self.master.take() {
            master.wait().unwrap();
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn mailbox(&self, name: &str) -> String {
        let path = self.directory.path().join("mail").join(name);
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Waits until a mailbox holds so many mails.
    fn expect(&self, name: &str, mails: usize) -> String {
        let count = || self.mailbox(name).matches("\nMessage-ID: ").count();
        wait(
            "mail",
            || count() >= mails,
            || format!("{} {}", self.mailbox(name), self.log()),
        );
        assert_eq!(count(), mails, "{}", self.mailbox(name));
        self.mailbox(name)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.stop();
    }
}

fn wait(what: &str, done: impl Fn() -> bool, why: impl Fn() -> String) {
    let limit = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < limit, "no {what}: {}", why());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = any.local_addr().unwrap().port();
    TcpListener::bind((Ipv6Addr::LOCALHOST, port)).unwrap();
    port
}

fn origin() -> Origin {
    Origin {
        user: "root".to_owned(),
        host: "lb1.example.com".to_owned(),
    }
}

fn letter(recipients: &str, relay: Option<&str>, messages: &[&str]) -> Letter {
    let mail = Mail {
        recipients: Some(recipients.to_owned()),
        reminder: None,
        phases: Phases::ALL,
        relay: relay.map(str::to_owned),
    };
    let lines = messages.iter().map(|message| Line {
        about: About::default(),
        message: (*message).to_owned(),
        reason: None,
        at: Instant::now(),
        phase: Phase::Running,
        skipped: 0,
        reminder: false,
    });
    Letter {
        route: Arc::new(Route::of(&mail, None, &origin()).unwrap()),
        lines: lines.collect(),
        dropped: 0,
    }
}

/// A runtime and a post on it that mails to this port.
fn post(port: u16) -> (tokio::runtime::Runtime, Post) {
    let ways = Ways {
        port,
        deadline: Duration::from_secs(2),
        ..Ways::default()
    };
    post_by(ways)
}

fn post_by(ways: Ways) -> (tokio::runtime::Runtime, Post) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let post = runtime.block_on(async { Post::start(origin(), ways) });
    (runtime, post)
}

fn trouble(post: &Post) -> Option<String> {
    let status = post.status(0, Instant::now())?;
    Some(status.troubles.first()?.error.clone())
}

/// Waits for a failure whose words contain this.
fn expect_trouble(post: &Post, words: &str) {
    let has = || trouble(post).is_some_and(|error| error.contains(words));
    wait(words, has, || format!("{:?}", trouble(post)));
}

fn expect_rest(post: &Post) {
    let status = || post.status(0, Instant::now());
    wait("rest", || status().is_none(), || format!("{:?}", status()));
}

// GLO-20, GLO-25, LOG-10, LOG-11, LOG-12
#[test]
fn mail_arrives_with_its_headers_at_every_recipient() {
    let mut postfix = Postfix::new();
    postfix.start();
    let (_runtime, post) = post(postfix.port);
    for relay in ["127.0.0.1", "::1"] {
        post.send(letter(
            "a@example.com, \"On call\" <b@example.com>",
            Some(relay),
            &["Deleted real server: 192.0.2.21:80 (192.0.2.100:80)"],
        ));
    }
    for name in ["a", "b"] {
        let mails = postfix.expect(name, 2);
        for header in [
            "From: root@lb1.example.com\n",
            "To: a@example.com, \"On call\" <b@example.com>\n",
            "Subject: Deleted real server: 192.0.2.21:80 (192.0.2.100:80)\n",
            "Daemon-Status: running\n",
        ] {
            assert_eq!(mails.matches(header).count(), 2, "{header}: {mails}");
        }
        assert_eq!(mails.matches("\nDate: ").count(), 2, "{mails}");
        assert!(mails.contains("from lb1.example.com ("), "{mails}");
    }
    expect_rest(&post);
}

#[test]
fn a_text_with_dots_arrives_whole() {
    let mut postfix = Postfix::new();
    postfix.start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut dotted = letter("a@example.com", Some("127.0.0.1"), &["x"]);
    dotted.lines[0].about.comment = Some("é".into());
    dotted.lines[0].message = ".".to_owned();
    dotted.lines[0].reason = Some(".".to_owned());
    let message = Message::of(
        &dotted,
        "lb1.example.com",
        "1",
        Now {
            steady: Instant::now(),
            wall: SystemTime::now(),
        },
        &TimeZone::UTC,
    );
    let mut message = message.unwrap();
    message
        .bytes
        .extend_from_slice(b".\r\n..\r\n.\r\nRSET\r\nlast\r\n");
    let ways = Ways {
        port: postfix.port,
        ..Ways::default()
    };
    let result = runtime.block_on(smtp::deliver(
        "127.0.0.1",
        &ways,
        "lb1.example.com",
        &message,
    ));
    assert_eq!(result, Ok(Delivered::default()));
    let mail = postfix.expect("a", 1);
    assert!(mail.contains("\n.\n..\n.\nRSET\nlast\n"), "{mail}");
}

#[test]
fn refusals_lose_nothing_and_stop_nobody_else() {
    let mut postfix = Postfix::new();
    for (reply, words) in [("450 4.3.0 come back", "450"), ("554 5.7.1 go away", "554")] {
        postfix.configure(&format!(
            "smtpd_sender_restrictions = check_sender_access static:{{{reply}}}"
        ));
        postfix.start();
        let (_runtime, post) = post(postfix.port);
        post.send(letter("a@example.com", Some("127.0.0.1"), &["one"]));
        expect_trouble(&post, words);
        post.send(letter("a@example.com", Some("127.0.0.1"), &["two"]));
        post.send(letter("a@example.com", Some("127.0.0.1"), &["three"]));
        wait(
            "queue",
            || {
                post.status(0, Instant::now())
                    .is_some_and(|s| s.waiting == 3)
            },
            String::new,
        );
        let before = postfix.mailbox("a").matches("\nMessage-ID: ").count();
        assert_eq!(before % 2, 0, "nothing has come through");
        postfix.configure("");
        postfix.control("reload");
        let mails = postfix.expect("a", before + 2);
        assert!(mails.contains("Subject: one\n"), "{mails}");
        assert!(
            mails.contains("Subject: two and 1 more\n") && mails.contains(" three\n"),
            "{mails}"
        );
        expect_rest(&post);
        postfix.stop();
    }
}

#[test]
fn one_bad_recipient_does_not_cost_the_others_their_mail() {
    let mut postfix = Postfix::new();
    postfix.configure(
        "smtpd_recipient_restrictions = check_recipient_access inline:{never@example.com={550 5.1.1 no}, later@example.com={450 4.2.0 later}}, reject_unauth_destination",
    );
    postfix.start();
    let (_runtime, post) = post(postfix.port);
    let to = "never@example.com, later@example.com, a@example.com";
    post.send(letter(to, Some("127.0.0.1"), &["one"]));
    postfix.expect("a", 1);
    // News does not wait behind the one who was put off.
    post.send(letter(to, Some("127.0.0.1"), &["two"]));
    postfix.expect("a", 2);
    postfix.configure("");
    postfix.control("reload");
    let later = postfix.expect("later", 2);
    assert!(later.contains("Subject: two\n"), "{later}");
    assert_eq!(postfix.mailbox("a").matches("\nMessage-ID: ").count(), 2);
}

#[test]
fn a_server_that_hangs_or_is_away_gets_everything_later() {
    let mut postfix = Postfix::new();
    let (_runtime, post) = post(postfix.port);
    post.send(letter("a@example.com", Some("127.0.0.1"), &["one"]));
    expect_trouble(&post, "refused");
    postfix.start();
    postfix.expect("a", 1);
    expect_rest(&post);
    postfix.signal(Signal::SIGSTOP);
    post.send(letter("a@example.com", Some("127.0.0.1"), &["two"]));
    expect_trouble(&post, "no end within 2 s");
    postfix.signal(Signal::SIGCONT);
    expect_rest(&post);
    let mails = postfix.mailbox("a");
    wait(
        "two",
        || postfix.mailbox("a").contains("Subject: two\n"),
        || mails.clone(),
    );
}

#[test]
fn a_dead_server_delays_no_other() {
    let mut postfix = Postfix::new();
    postfix.start();
    let (_runtime, post) = post(postfix.port);
    // A server that accepts and says nothing: nobody calls accept, the kernel does.
    let silent = TcpListener::bind(("127.0.0.2", postfix.port)).unwrap();
    post.send(letter(
        "a@example.com",
        Some("127.0.0.2"),
        &["lost for now"],
    ));
    post.send(letter("a@example.com", Some("127.0.0.1"), &["arrives"]));
    let mail = postfix.expect("a", 1);
    assert!(mail.contains("Subject: arrives\n"), "{mail}");
    assert!(
        post.status(0, Instant::now())
            .is_some_and(|status| status.waiting == 1)
    );
    drop(silent);
}

#[test]
fn no_more_than_the_queue_holds_is_kept_and_the_rest_is_counted() {
    let mut postfix = Postfix::new();
    let (_runtime, post) = post(postfix.port);
    post.send(letter("a@example.com", Some("127.0.0.1"), &["first"]));
    expect_trouble(&post, "refused");
    let texts: Vec<String> = (0..=QUEUE)
        .map(|number| format!("change {number};"))
        .collect();
    for text in &texts {
        post.send(letter("a@example.com", Some("127.0.0.1"), &[text]));
        while post.letters.capacity() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let status = || post.status(0, Instant::now()).unwrap_or_default();
    wait(
        "drop",
        || status().dropped == 2,
        || format!("{:?}", status()),
    );
    assert_eq!(status().waiting, QUEUE);
    postfix.start();
    let mails = postfix.expect("a", 2);
    assert!(mails.contains("2 alerts were dropped"), "{mails}");
    assert!(
        !mails.contains("change 1;") && mails.contains("change 2;"),
        "{mails}"
    );
    assert!(mails.contains(&format!("change {QUEUE};")), "{mails}");
}

#[test]
fn hostile_servers_are_cut_off() {
    for hostile in ["endless line", "endless answer", "garbage", "closes"] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let piece: &[u8] = match hostile {
                    "endless line" => &[b'2'; 4096],
                    "endless answer" => b"220-more\r\n",
                    "garbage" => b"\xff\x00\xfe 999 \r\n",
                    _ => b"",
                };
                while !piece.is_empty() && stream.write_all(piece).is_ok() {
                    if hostile == "garbage" {
                        let _ = stream.read(&mut [0; 64]);
                    }
                }
            }
        });
        let (runtime, sender) = post(port);
        sender.send(letter("a@example.com", Some("127.0.0.1"), &["x"]));
        let began = Instant::now();
        wait(hostile, || trouble(&sender).is_some(), String::new);
        assert!(began.elapsed() < Duration::from_secs(20), "{hostile}");
        assert!(trouble(&sender).unwrap().len() <= Reason::MAX);
        assert_eq!(sender.status(0, Instant::now()).unwrap().waiting, 1);
        runtime.block_on(sender.finish(Duration::from_millis(100)));
    }
}

/// A mail program that is this script.
fn script(text: &str) -> (tempfile::TempDir, Ways) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sendmail");
    let text = text.replace("DIR", &directory.path().display().to_string());
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ways = Ways {
        sendmail: path,
        deadline: Duration::from_secs(2),
        ..Ways::default()
    };
    (directory, ways)
}

#[test]
fn without_a_relay_the_local_program_gets_the_mail_until_it_takes_it() {
    let (directory, ways) = script(
        "if [ ! -e DIR/ready ]; then echo 'no queue' >&2; exit 75; fi\necho \"$@\" >DIR/words\ncat >DIR/mail",
    );
    let (_runtime, post) = post_by(ways);
    post.send(letter("a@example.com", None, &["one"]));
    expect_trouble(&post, "exit status: 75 no queue");
    std::fs::write(directory.path().join("ready"), "").unwrap();
    expect_rest(&post);
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("words"), "-i -t\n");
    assert!(
        read("mail").contains("\r\nSubject: one\r\n"),
        "{}",
        read("mail")
    );
}

#[test]
fn a_mail_program_that_hangs_is_killed() {
    let (_directory, ways) = script("exec sleep 1000");
    let (_runtime, post) = post_by(ways);
    post.send(letter("a@example.com", None, &["one"]));
    expect_trouble(&post, "did not end within 2 s and was killed");
}

#[test]
fn the_end_waits_for_what_can_go_and_no_longer() {
    let mut postfix = Postfix::new();
    postfix.start();
    let (runtime, post_there) = post(postfix.port);
    post_there.send(letter("a@example.com", Some("127.0.0.1"), &["last words"]));
    runtime.block_on(post_there.finish(Duration::from_secs(30)));
    postfix.expect("a", 1);
    let (runtime, post_nowhere) = post(free_port());
    post_nowhere.send(letter("a@example.com", Some("127.0.0.1"), &["last words"]));
    let began = Instant::now();
    runtime.block_on(post_nowhere.finish(Duration::from_secs(30)));
    assert!(began.elapsed() < Duration::from_secs(10), "one attempt");
    postfix.signal(Signal::SIGSTOP);
    let (runtime, post_hanging) = post(postfix.port);
    post_hanging.send(letter("a@example.com", Some("127.0.0.1"), &["last words"]));
    let began = Instant::now();
    runtime.block_on(post_hanging.finish(Duration::from_millis(300)));
    assert!(began.elapsed() < Duration::from_secs(2));
}
