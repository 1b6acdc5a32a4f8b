//! A file is fetched over FTP: `service=ftp`.
//!
//! [`Session`] is the whole exchange without sockets; [`run`] carries it out. The data
//! connection goes to the address that is checked, whatever address the server names, so
//! that no server can send the director elsewhere (RFC 2577 §3).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

pub use session::{Session, Step};

use super::dialogue::{self, Verdict};
use super::fault::{self, Bytes, Stage};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{FtpProbe, Outcome, Report};

mod session;

/// Bytes of the control connection that are read before giving up.
const REPLIES_MAX: u64 = 1 << 20;

pub(super) async fn run(route: Route<'_>, probe: &FtpProbe, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let host = nix::unistd::gethostname().unwrap_or_default();
    let mut session = match Session::new(probe, &host.to_string_lossy()) {
        Ok(session) => session,
        Err(fault) => return trace.report(Outcome::Inconclusive(fault), ""),
    };
    let deadline = trace.deadline();
    let held = timeout_at(deadline, converse(route, &mut session, &mut trace)).await;
    match held {
        Ok(Ok(verdict)) => dialogue::conclude(trace, verdict),
        Ok(Err(error)) => trace.fail(&error),
        Err(_elapsed) => trace.expire_without(Some(session.awaited())),
    }
}

/// What came from the server.
enum Heard {
    Control(usize),
    Data(usize),
}

async fn converse(
    route: Route<'_>,
    session: &mut Session,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let mut control = route.connect(trace).await?;
    trace.connected(false);
    let mut data: Option<TcpStream> = None;
    let mut buffers = [vec![0; 4096], vec![0; 16 * 1024]];
    let mut received = 0;
    let mut step = Step::Listen;
    loop {
        step = match step {
            Step::Over(verdict) => {
                drop(data);
                dialogue::take_leave(control, &verdict.goodbye, trace).await;
                return Ok(verdict);
            }
            Step::Say(words) => {
                trace.sent(words.shown());
                control.write_all(&words.bytes).await?;
                session.feed(&[])
            }
            Step::Connect(port) => match route.connect_beside(port).await {
                Ok(stream) => {
                    data = Some(stream);
                    session.opened()
                }
                Err(error) => match fault::failed(&error, Stage::Connecting) {
                    Outcome::Down(reason) => session.unreachable(&reason),
                    _ => return Err(error),
                },
            },
            Step::Listen => match hear(&mut control, data.as_mut(), &mut buffers).await? {
                Heard::Control(0) => Step::Over(session.end()),
                Heard::Control(count) => {
                    trace.received(&buffers[0][..count]);
                    received += count as u64;
                    if received > REPLIES_MAX {
                        let limit = Bytes(REPLIES_MAX);
                        return Ok(Verdict::down(format!(
                            "the answers are longer than {limit}"
                        )));
                    }
                    session.feed(&buffers[0][..count])
                }
                Heard::Data(0) => {
                    data = None;
                    session.data_end()
                }
                Heard::Data(count) => {
                    trace.received(&buffers[1][..count]);
                    session.data(&buffers[1][..count])
                }
            },
        };
    }
}

/// Reads from whichever connection has something. Data go first, so that a server that
/// says "complete" and closes both at once has delivered.
async fn hear(
    control: &mut TcpStream,
    data: Option<&mut TcpStream>,
    [of_control, of_data]: &mut [Vec<u8>; 2],
) -> io::Result<Heard> {
    tokio::select! {
        biased;
        count = read_data(data, of_data) => Ok(Heard::Data(count?)),
        count = dialogue::read(control, of_control) => Ok(Heard::Control(count?)),
    }
}

/// Reads from a connection that may not be there, and then never comes back.
async fn read_data(
    data: Option<&mut (impl AsyncRead + Unpin)>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    match data {
        Some(stream) => dialogue::read(stream, buffer).await,
        None => std::future::pending().await,
    }
}
