//! A segment of two hosts: the calling thread's namespace with `eth0`, and a neighbour with
//! the other end of the cable.

use std::fs::File;
use std::future::Future;
use std::os::fd::AsRawFd as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{MsgFlags, bind, recv};
use nix::unistd::gettid;
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::run;

/// The host at the other end.
pub(crate) struct Neighbour {
    namespace: File,
}

impl Neighbour {
    /// Connects `eth0` here with `eth0` there; both have an address of each family.
    pub(crate) fn connect() -> Self {
        let (sender, receiver) = mpsc::channel();
        let (held, holds) = mpsc::channel::<()>();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let namespace = File::open("/proc/thread-self/ns/net").unwrap();
            sender.send((gettid(), namespace)).unwrap();
            // Moving a link there goes by the number of a living thread.
            let _ = holds.recv();
        });
        let (thread, namespace) = receiver.recv().unwrap();
        let neighbour = Self { namespace };
        let there = thread.to_string();
        ip("link add eth0 type veth peer name peer0");
        ip(&format!("link set peer0 netns {there} name eth0"));
        drop(held);
        for host in [1, 2] {
            let address = format!("192.0.2.1{host}/24");
            let address6 = format!("2001:db8::1{host}/64");
            let set = move || {
                ip("link set lo up");
                ip("link set eth0 up");
                ip(&format!("address add {address} dev eth0"));
                ip(&format!("address add {address6} dev eth0 nodad"));
            };
            if host == 1 {
                set();
            } else {
                neighbour.there(set);
            }
        }
        neighbour
    }

    /// Does something on the other host.
    pub(crate) fn there<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let enter = || {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
                act()
            };
            scope.spawn(enter).join().unwrap()
        })
    }

    /// Listens to every frame that reaches the other host from now on.
    pub(crate) fn capture(&self) -> Capture {
        self.there(|| Capture::start("eth0"))
    }

    /// The Ethernet address of an interface there.
    pub(crate) fn mac(&self, interface: &str) -> String {
        self.there(|| mac(interface))
    }
}

/// Frames on their way in.
pub(crate) struct Capture {
    socket: Socket,
}

impl Capture {
    /// Listens on an interface of the calling thread's namespace.
    pub(crate) fn start(interface: &str) -> Self {
        const ALL: i32 = 0x0003;
        let protocol = Protocol::from(i32::from((ALL as u16).to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
        let mut all = nix::ifaddrs::getifaddrs().unwrap();
        let link = all.find_map(|entry| {
            let address = entry.address.filter(|_| entry.interface_name == interface);
            Some(*address?.as_link_addr()?)
        });
        bind(socket.as_raw_fd(), &link.unwrap()).unwrap();
        Self { socket }
    }

    /// Everything heard up to now and for so long, with the time since the call.
    pub(crate) fn hear(&self, time: Duration) -> Vec<(Duration, Vec<u8>)> {
        let start = Instant::now();
        let mut frames = Vec::new();
        while let Some(left) = time.checked_sub(start.elapsed()) {
            let wait = left.max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(wait)).unwrap();
            let mut buffer = [0; 2048];
            if let Ok(length) = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                frames.push((start.elapsed(), buffer[..length].to_vec()));
            }
        }
        frames
    }
}

/// Runs `ip` with words separated by blanks.
pub(crate) fn ip(words: &str) -> String {
    run("ip", &words.split(' ').collect::<Vec<_>>())
}

/// The Ethernet address of an interface here.
pub(crate) fn mac(interface: &str) -> String {
    let line = ip(&format!("-br link show {interface}"));
    line.split_whitespace().nth(2).unwrap().to_owned()
}

/// Whether an address is on an interface here.
pub(crate) fn has(interface: &str, address: &str) -> bool {
    let lines = ip(&format!("-o address show dev {interface}"));
    lines.contains(&format!(" {address}/"))
}

/// Waits until something is so, and says how long that took.
pub(crate) fn until(limit: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "not within {limit:?}");
        thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Runs something on a runtime of the calling thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
