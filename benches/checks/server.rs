//! A web server that costs little: one thread, one page, and a port on which it only
//! accepts.

use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::host;

const PAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nTest Page\n";

/// Numbers below stand for the two listeners.
const CONNECTIONS: usize = 2;

/// Accepted connections for each 100 ms, and when the first one came.
#[derive(Default)]
struct Counts {
    first: Option<Instant>,
    counts: Vec<u32>,
}

impl Counts {
    fn count(&mut self) {
        let first = *self.first.get_or_insert_with(Instant::now);
        let index = (first.elapsed().as_millis() / 100) as usize;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
    }
}

/// Says its two ports, and then, for each line that it reads, the counts since the last.
pub(crate) fn serve() -> anyhow::Result<()> {
    host::settle(1)?;
    let mut poll = Poll::new()?;
    let listeners = [listen(&poll, 0)?, listen(&poll, 1)?];
    let ports = [listeners[0].local_addr()?, listeners[1].local_addr()?];
    println!("{} {}", ports[0].port(), ports[1].port());
    let counts = Arc::new(Mutex::new(Counts::default()));
    let asked = Arc::clone(&counts);
    std::thread::spawn(move || {
        for _line in io::stdin().lock().lines().map_while(Result::ok) {
            let counts = std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner));
            let words: Vec<String> = counts.counts.iter().map(u32::to_string).collect();
            println!("{}", words.join(" "));
        }
        std::process::exit(0);
    });
    let mut connections: Vec<Option<(TcpStream, bool)>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            let number = event.token().0;
            if number < CONNECTIONS {
                while let Some(mut stream) = accept(&listeners[number])? {
                    let place = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    let token = Token(CONNECTIONS + place);
                    poll.registry()
                        .register(&mut stream, token, Interest::READABLE)?;
                    connections[place] = Some((stream, number == 0));
                    counts
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .count();
                }
            } else {
                let place = number - CONNECTIONS;
                if let Some((stream, answers)) = &mut connections[place]
                    && is_over(stream, *answers)
                {
                    connections[place] = None;
                    free.push(place);
                }
            }
        }
    }
}

fn listen(poll: &Poll, number: usize) -> anyhow::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(socket.into());
    poll.registry()
        .register(&mut listener, Token(number), Interest::READABLE)?;
    Ok(listener)
}

fn accept(listener: &TcpListener) -> anyhow::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("the server cannot accept"),
    }
}

/// Reads what there is and answers, if this is one that does. Whether the connection is
/// done with.
fn is_over(stream: &mut TcpStream, answers: bool) -> bool {
    let mut request = [0; 2048];
    loop {
        match stream.read(&mut request) {
            Ok(0) => return true,
            // Requests are shorter than a segment.
            Ok(_) if answers => {
                let _ = stream.write(PAGE);
                return true;
            }
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}
