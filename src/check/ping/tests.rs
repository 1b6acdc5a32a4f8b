use super::*;
use crate::model::Side;

/// Echo on loopback needs a socket this user may not have; where it has, it must work.
async fn ping(target: &str, attempts: u32, timeout: Duration) -> Option<Report> {
    let report = run(
        SocketAddr::new(target.parse().unwrap(), 0).into(),
        attempts,
        timeout,
    )
    .await;
    match &report.outcome {
        Outcome::Inconclusive(fault) if fault.as_str().contains("CAP_NET_RAW") => {
            assert!(!nix::unistd::geteuid().is_root(), "root may ping");
            None
        }
        _ => Some(report),
    }
}

#[tokio::test]
async fn loopback_answers_in_both_families() {
    for target in ["127.0.0.1", "::1"] {
        if let Some(report) = ping(target, 3, Duration::from_secs(3)).await {
            assert_eq!(report.outcome, Outcome::Up, "{target}");
            assert_eq!(report.said_by(Side::Director).len(), MESSAGE);
            assert_eq!(report.said_by(Side::Server).len(), MESSAGE);
        }
    }
}

#[tokio::test]
async fn many_at_once_do_not_mix_up() {
    let pings = (0..50_u8).map(|host| {
        tokio::spawn(async move {
            ping(&format!("127.0.0.{}", host + 1), 1, Duration::from_secs(3)).await
        })
    });
    for ping in pings.collect::<Vec<_>>() {
        if let Some(report) = ping.await.unwrap() {
            assert_eq!(report.outcome, Outcome::Up);
        }
    }
}

/// A requester without a receiving thread: replies are fed by the test.
fn deaf() -> Echo {
    Echo {
        socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
        family: Family::V4,
        kind: Kind::Raw,
        waiting: Mutex::default(),
    }
}

/// An echo reply as a raw IPv4 socket delivers it.
fn packet(identifier: u16, sequence: u16, cookie: [u8; 16]) -> Vec<u8> {
    let mut message = request(Family::V4, sequence, cookie);
    message[0] = 0;
    message[4..6].copy_from_slice(&identifier.to_be_bytes());
    let mut header = [0; 24];
    header[0] = 0x46;
    [&header[..], &message[..]].concat()
}

#[test]
fn only_the_awaited_reply_counts() {
    let echo = deaf();
    let here: IpAddr = "192.0.2.1".parse().unwrap();
    let there: IpAddr = "192.0.2.2".parse().unwrap();
    let (done, mut reply) = oneshot::channel();
    let asked = Waiting {
        target: here,
        sequence: 3,
        done,
    };
    echo.waiting().insert([7; 16], asked);
    let mine = identifier();
    echo.take(&packet(mine, 3, [7; 16]), there);
    echo.take(&packet(mine, 4, [7; 16]), here);
    echo.take(&packet(mine ^ 1, 3, [7; 16]), here);
    echo.take(&packet(mine, 3, [8; 16]), here);
    let mut other_type = packet(mine, 3, [7; 16]);
    other_type[24] = 8;
    echo.take(&other_type, here);
    assert!(reply.try_recv().is_err());
    echo.take(&packet(mine, 3, [7; 16]), here);
    assert!(reply.try_recv().is_ok());
}

#[test]
fn short_and_odd_packets_are_ignored() {
    let echo = deaf();
    let whole = packet(identifier(), 1, [1; 16]);
    for length in 0..whole.len() {
        echo.take(&whole[..length], "192.0.2.1".parse().unwrap());
    }
    echo.take(&[0xff; 64], "192.0.2.1".parse().unwrap());
}

#[tokio::test]
async fn an_unanswered_request_ends_with_its_share_of_the_time() {
    let echo = deaf();
    // Port 0 of the stand-in socket: sending fails, which ends the attempt at once.
    let mut trace = Trace::new(Duration::from_millis(50));
    let until = trace.deadline();
    let target = "127.0.0.1".parse().unwrap();
    assert!(echo.ask(target, 1, until, &mut trace).await.is_err());
    assert!(echo.waiting().is_empty(), "the request is forgotten");
}

#[test]
fn the_checksum_is_that_of_rfc_1071() {
    assert_eq!(
        checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
        !0xddf2
    );
    let message = request(Family::V4, 9, cookie());
    assert_eq!(checksum(&message), 0);
}
