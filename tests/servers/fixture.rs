//! A real server program on loopback, and what happens to it.

use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use directord::check;
use directord::check::tls::files::{Use, read};
use directord::config::ldirectord::parse;
use directord::config::{Names, RealCheck};
use directord::model::{Outcome, Report};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User, chown};
use tempfile::TempDir;

/// How long a program may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that is free for TCP and UDP, in both families, at this moment.
pub fn free_port() -> u16 {
    // Below the ports that the kernel gives to clients, and each only once.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(41);
    for _ in 0..1000 {
        let port = 20_000 + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = u16::try_from(port).unwrap();
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
        let udp6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, port));
        if v4.is_ok() && v6.is_ok() && udp.is_ok() && udp6.is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// The program of a Debian package.
pub fn program(path: &str, package: &str) -> Command {
    assert!(
        Path::new(path).exists(),
        "{path} is missing: install the Debian package {package} (scripts/lab --install installs all)"
    );
    Command::new(path)
}

/// Lets programs that are not root into a scratch directory.
pub fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
}

/// Gives a file or directory to a user that its package created.
pub fn own_by(path: &Path, user: &str) {
    let known = User::from_name(user).unwrap();
    let uid = known.unwrap_or_else(|| panic!("no user {user}")).uid;
    chown(path, Some(uid), None).unwrap();
}

/// A self-signed certificate as `certificate.pem` and its key as `key.pem`.
pub fn self_signed(directory: &Path) {
    let signed = rcgen::generate_simple_self_signed(["server.example.com".to_owned()]).unwrap();
    let files = [
        ("certificate.pem", signed.cert.pem()),
        ("key.pem", signed.signing_key.serialize_pem()),
    ];
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// A server in the foreground, with all its processes in one group, killed at the end.
pub struct Server {
    command: Command,
    child: Option<Child>,
    /// Where it listens, on `127.0.0.1` and `::1`.
    pub port: u16,
    /// Its configuration and data.
    pub directory: TempDir,
}

impl Server {
    /// Starts a command that listens on `port` and has its files in `directory`, where its
    /// output goes to `output`.
    pub fn start(mut command: Command, port: u16, directory: TempDir) -> Self {
        let output = fs::File::create(directory.path().join("output")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0);
        let mut server = Self {
            command,
            child: None,
            port,
            directory,
        };
        server.start_again();
        server
    }

    /// Starts it, which must not be running.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none());
        self.child = Some(self.command.spawn().unwrap());
    }

    /// What it printed.
    pub fn output(&self) -> String {
        let bytes = fs::read(self.directory.path().join("output")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends a signal to all its processes.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        let _ = killpg(Pid::from_raw(child.id().cast_signed()), signal);
    }

    /// Stops all its processes and waits until they stand still.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        self.await_states("TZX");
    }

    /// Waits until each of its processes is in one of these states of `proc_pid_stat(5)`.
    fn await_states(&self, states: &str) {
        let group = self.child.as_ref().unwrap().id().to_string();
        let until = Instant::now() + PATIENCE;
        let in_state = || {
            let lines = fs::read_dir("/proc").unwrap().flatten();
            let lines =
                lines.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
            lines.into_iter().all(|stat| {
                // Behind the name: state, parent, group.
                let behind = stat.rsplit(')').next().unwrap_or_default();
                let mut words = behind.split_whitespace();
                let state = words.next().unwrap_or_default();
                words.nth(1) != Some(group.as_str()) || states.contains(state)
            })
        };
        while !in_state() {
            assert!(Instant::now() < until, "processes do not reach {states}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills all its processes and waits until none of them has the port any more.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.await_states("ZX");
        self.child.take().unwrap().wait().unwrap();
        let until = Instant::now() + PATIENCE;
        for address in loopback(self.port) {
            while TcpStream::connect(address).is_ok() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "what a failed test wants to say")]
impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("── the server printed\n{}", self.output());
        }
    }
}

/// What the lines of a virtual service say of the server at `address`.
pub fn probe(address: SocketAddr, lines: &str) -> Report {
    let (word, service) = match address.ip() {
        IpAddr::V4(_) => ("virtual", "192.0.2.1"),
        IpAddr::V6(_) => ("virtual6", "[2001:db8::1]"),
    };
    let real = word.replace("virtual", "real");
    let mut text = format!("{word}={service}:9\n    {real}={address} gate\n");
    for line in lines.lines() {
        text += &format!("    {}\n", line.trim());
    }
    let parsed = parse(text.as_bytes(), "servers.cf");
    let mut names = Names::ask(parsed.names(), &mut |_| None);
    for file in parsed.files() {
        let purpose = if file.is_key {
            Use::Key
        } else {
            Use::Certificates
        };
        let content = read(Path::new(&file.path), purpose);
        names.insert_file(file.path, content);
    }
    let accepted = parsed
        .resolve(&names)
        .unwrap_or_else(|rejected| panic!("{rejected:?}"));
    let RealCheck::Probe(check) = &accepted.config.services[0].reals[0].check else {
        panic!("nothing is checked: {text}");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(check::run(check.target, check.method.thorough()))
}

/// The loopback addresses with this port.
pub fn loopback(port: u16) -> [SocketAddr; 2] {
    [
        (Ipv4Addr::LOCALHOST, port).into(),
        (Ipv6Addr::LOCALHOST, port).into(),
    ]
}

/// Waits until something accepts connections there.
pub fn await_port(port: u16) {
    let until = Instant::now() + PATIENCE;
    for address in loopback(port) {
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "nothing listens on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Checks of one server, as lines of a virtual service.
pub struct Story<'a> {
    /// Passes when the server is in order.
    pub good: &'a str,
    /// Fails for its credentials; `None` for protocols without.
    pub wrong_credentials: Option<&'a str>,
    /// Fails for what the server has; `None` for protocols that do not look.
    pub wrong_content: Option<&'a str>,
}

impl Story<'_> {
    /// Tells it, in both families.
    pub fn tell(&self, server: &mut Server) {
        let addresses = loopback(server.port);
        self.comes_up(server);
        for address in addresses {
            for lines in [self.wrong_credentials, self.wrong_content]
                .into_iter()
                .flatten()
            {
                let report = probe(address, lines);
                assert!(is_down(&report), "{address}, {lines}: {report:?}");
            }
        }
        server.stop();
        for address in addresses {
            let started = Instant::now();
            let report = probe(address, &format!("{}\nnegotiatetimeout=1", self.good));
            assert!(is_down(&report), "stopped, {address}: {report:?}");
            assert!(reason(&report).contains("within 1 s"), "{report:?}");
            assert!(started.elapsed() < Duration::from_secs(3));
        }
        server.signal(Signal::SIGCONT);
        self.comes_up(server);
        server.kill();
        for address in addresses {
            self.goes_down(address);
        }
        server.start_again();
        self.comes_up(server);
    }

    /// All processes were killed; the last one to go closes the port.
    fn goes_down(&self, address: SocketAddr) {
        let until = Instant::now() + PATIENCE;
        loop {
            let report = probe(address, self.good);
            assert!(is_down(&report), "killed, {address}: {report:?}");
            if reason(&report).contains("refused") {
                return;
            }
            assert!(Instant::now() < until, "{report:?}");
        }
    }

    fn comes_up(&self, server: &Server) {
        let until = Instant::now() + PATIENCE;
        for address in loopback(server.port) {
            loop {
                let report = probe(address, self.good);
                if report.outcome == Outcome::Up {
                    break;
                }
                assert!(
                    Instant::now() < until,
                    "{address} does not come up: {report:?}\n{}",
                    server.output()
                );
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Whether the server was found to be at fault.
pub fn is_down(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Down(_))
}

/// Why the server is not in order; empty when it is.
pub fn reason(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Down(reason) => reason.as_str(),
        _ => "",
    }
}
