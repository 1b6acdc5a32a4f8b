//! Commands on a kernel.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::IpAddr;

use super::command::{Command, List, Listed};
use super::failure::Failure;
use super::names::{Lookup, Names};
use super::options::Verb;
use super::parse::parse;
use super::restore::{Line, Lines, words};
use super::{Streams, connections, help, save};
use crate::cli::listing::{self, Failed, Listing, Options};
use crate::kernel::{Error, Ipvs};
use crate::model::{ObservedTable, Operation, ServiceKey, SyncDaemon, Timeouts};

/// The connection entries of the calling thread's network namespace.
const CONNECTIONS: &str = "/proc/thread-self/net/ip_vs_conn";
/// Bytes read of it at once.
const CHUNK: usize = 64 * 1024;
/// Changes of a file that go to the kernel together, at most.
const MAX_CHANGES: usize = 4096;

/// Carries out commands.
pub struct Program<'a> {
    ipvs: &'a mut dyn Ipvs,
    names: &'a dyn Lookup,
    streams: Streams<'a>,
    /// Changes that were read and not yet made.
    changes: Vec<Operation>,
}

impl fmt::Debug for Program<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

impl<'a> Program<'a> {
    /// A program on a kernel, or on what stands for one.
    pub fn new(ipvs: &'a mut dyn Ipvs, names: &'a dyn Lookup, streams: Streams<'a>) -> Self {
        Self {
            ipvs,
            names,
            streams,
            changes: Vec::new(),
        }
    }

    /// Answers one command line, without its program name, which is `name`. Returns the exit
    /// status.
    ///
    /// # Errors
    ///
    /// When a stream cannot be read or written.
    pub fn run(&mut self, name: &str, words: &[&str]) -> io::Result<u8> {
        if words.is_empty() {
            return self.carry_out(Command::List(List::default()));
        }
        match parse(name, words, self.names) {
            Ok(Command::Restore) => self.restore(),
            Ok(command) => self.carry_out(command),
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(&mut self, failure: &Failure) -> io::Result<u8> {
        writeln!(self.streams.error, "{}", failure.text)?;
        Ok(failure.status)
    }

    fn say(&mut self, text: &str) -> io::Result<u8> {
        self.streams.output.write_all(text.as_bytes())?;
        self.streams.output.flush()?;
        Ok(0)
    }

    /// Standard input, line by line. The status is that of the last line.
    fn restore(&mut self) -> io::Result<u8> {
        let mut lines = Lines::default();
        let mut status = 0;
        loop {
            match lines.next(self.streams.input)? {
                Line::Words(line) => {
                    let words = words(&line);
                    if words.is_empty() {
                        continue;
                    }
                    match self.restored(parse("ipvsadm", &words, self.names), &mut status)? {
                        Next::Line => {}
                        Next::Nothing => return Ok(status),
                    }
                }
                Line::Pause => self.make_changes(&mut status)?,
                Line::End => {
                    self.make_changes(&mut status)?;
                    return Ok(status);
                }
                Line::TooLong => {
                    self.make_changes(&mut status)?;
                    return self.fail(&Failure::wrong("the line is too long"));
                }
            }
        }
    }

    /// Carries out a line of standard input, or keeps it for a while.
    fn restored(&mut self, line: Result<Command, Failure>, status: &mut u8) -> io::Result<Next> {
        if let Ok(Command::Change(change)) = line {
            self.changes.push(change);
            if self.changes.len() >= MAX_CHANGES {
                self.make_changes(status)?;
            }
            return Ok(Next::Line);
        }
        self.make_changes(status)?;
        let line = match line {
            Ok(Command::Restore) => Err(Failure::no_command("ipvsadm")),
            line => line,
        };
        match line {
            Ok(command) => {
                let shows = matches!(command, Command::Help | Command::Version);
                let lists = matches!(command, Command::List(_));
                *status = self.carry_out(command)?;
                // The original ends after help, and when a listing fails.
                let ends = shows || lists && *status != 0;
                Ok(if ends { Next::Nothing } else { Next::Line })
            }
            Err(failure) => {
                *status = self.fail(&failure)?;
                Ok(if failure.fatal {
                    Next::Nothing
                } else {
                    Next::Line
                })
            }
        }
    }

    /// Makes the changes that were kept, together, and tells those that were refused.
    fn make_changes(&mut self, status: &mut u8) -> io::Result<()> {
        let changes = std::mem::take(&mut self.changes);
        let Some(last) = changes.last() else {
            return Ok(());
        };
        let refused = match self.ipvs.apply(&changes) {
            Ok(refused) => refused,
            Err(error) => {
                *status = self.fail(&Failure::of_kernel(&error, verb(last)))?;
                return Ok(());
            }
        };
        *status = 0;
        for refusal in refused {
            let Some(change) = changes.get(refusal.index) else {
                continue;
            };
            let failed = self.fail(&Failure::of_kernel(&refusal.error, verb(change)))?;
            if refusal.index + 1 == changes.len() {
                *status = failed;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, command: Command) -> io::Result<u8> {
        let answer = match command {
            Command::Change(change) => {
                self.changes.push(change);
                let mut status = 0;
                self.make_changes(&mut status)?;
                return Ok(status);
            }
            // Only as a command of its own.
            Command::Restore => return Ok(0),
            Command::Clear => self.ipvs.flush().map_err(|error| (error, Verb::Flush)),
            Command::Zero(key) => {
                let done = self.ipvs.zero(key.as_ref());
                done.map_err(|error| (error, Verb::Zero))
            }
            Command::SetTimeouts(timeouts) => {
                let done = self.ipvs.set_timeouts(&timeouts);
                done.map_err(|error| (error, Verb::Set))
            }
            Command::StartDaemon(daemon) => {
                let done = self.ipvs.start_daemon(&daemon);
                done.map_err(|error| (error, Verb::StartDaemon))
            }
            Command::StopDaemon(role) => {
                let done = self.ipvs.stop_daemon(role);
                done.map_err(|error| (error, Verb::StopDaemon))
            }
            Command::Help => return self.say(help::TEXT),
            Command::Version => match self.ipvs.info() {
                Ok(info) => return self.say(&help::version(info)),
                Err(error) => Err((error, Verb::Version)),
            },
            Command::Save { numeric } => match self.ipvs.dump() {
                Ok(table) => {
                    let names = self.names_of(&table, numeric);
                    let text = save::save(&table, &names);
                    return self.say(&text);
                }
                Err(error) => Err((error, Verb::Save)),
            },
            Command::List(list) => return self.list(list),
        };
        match answer {
            Ok(()) => Ok(0),
            Err((error, verb)) => self.fail(&Failure::of_kernel(&error, verb)),
        }
    }

    fn list(&mut self, list: List) -> io::Result<u8> {
        let text = match list.what {
            // Names would be asked for before the first line.
            Listed::Table {
                service: None,
                options,
            } if list.numeric && options.sort => {
                return match listing::stream(self.ipvs, options, self.streams.output) {
                    Ok(()) => Ok(0),
                    Err(Failed::Kernel(error)) => {
                        self.fail(&Failure::of_kernel(&error, Verb::List))
                    }
                    Err(Failed::Output(error)) => Err(error),
                };
            }
            Listed::Table { service, options } => self.table(service, options, list.numeric),
            Listed::Connections { engines } => return self.connections(engines, list.numeric),
            Listed::Timeouts => self.ipvs.timeouts().map(timeouts).map_err(Some),
            Listed::Daemons => self
                .ipvs
                .daemons()
                .map_err(Some)
                .map(|daemons| daemons.iter().map(daemon).collect()),
        };
        match text {
            Ok(text) => self.say(&text),
            Err(Some(error)) => self.fail(&Failure::of_kernel(&error, Verb::List)),
            Err(None) => self.fail(&Failure::refused("No such service", Verb::List)),
        }
    }

    /// The table or one service of it, or `Err(None)` when there is none such.
    fn table(
        &mut self,
        service: Option<ServiceKey>,
        options: Options,
        numeric: bool,
    ) -> Result<String, Option<Error>> {
        let (info, table) = match service {
            None => (Some(self.ipvs.info()?), self.ipvs.dump()?),
            Some(key) => {
                let observed = self.ipvs.dump_service(&key)?.ok_or(None)?;
                (None, ObservedTable::from([(key, observed)]))
            }
        };
        let order = if options.sort {
            None
        } else {
            Some(self.ipvs.order(service.as_ref())?)
        };
        let names = self.names_of(&table, numeric);
        let mut listing = Listing::new(info.as_ref(), &table, options).named(&names);
        if let Some(order) = &order {
            listing = listing.in_order(order);
        }
        Ok(listing.to_string())
    }

    fn connections(&mut self, engines: bool, numeric: bool) -> io::Result<u8> {
        let Ok(file) = File::open(CONNECTIONS) else {
            let text = "cannot open file /proc/net/ip_vs_conn";
            return self.fail(&Failure::refused(text, Verb::List));
        };
        let entries = BufReader::with_capacity(CHUNK, file);
        let lookup = (!numeric).then_some(self.names);
        connections::print(entries, self.streams.output, lookup, engines)?;
        self.streams.output.flush()?;
        Ok(0)
    }

    fn names_of(&self, table: &ObservedTable, numeric: bool) -> Names<'a> {
        if numeric {
            return Names::none();
        }
        let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
        for (key, observed) in table {
            if let ServiceKey::Address { address, .. } = key {
                addresses.insert(*address);
            }
            addresses.extend(observed.destinations.keys().map(|key| key.address));
        }
        Names::of(addresses, self.names)
    }
}

/// What comes after a line of standard input.
enum Next {
    Line,
    Nothing,
}

fn verb(change: &Operation) -> Verb {
    match change {
        Operation::AddService(..) => Verb::AddService,
        Operation::SetService(..) => Verb::EditService,
        Operation::DeleteService(_) => Verb::DeleteService,
        Operation::AddDestination(..) => Verb::AddServer,
        Operation::SetDestination(..) => Verb::EditServer,
        Operation::DeleteDestination(..) => Verb::DeleteServer,
    }
}

fn timeouts(Timeouts { tcp, tcp_fin, udp }: Timeouts) -> String {
    format!("Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}\n")
}

fn daemon(daemon: &SyncDaemon) -> String {
    let role = daemon.role.name();
    let SyncDaemon {
        interface,
        sync_id,
        max_length,
        port,
        ttl,
        ..
    } = daemon;
    // Kernels before 4.3 tell nothing beyond the id.
    let group = daemon
        .group
        .map_or(String::new(), |group| group.to_string());
    format!(
        "{role} sync daemon (mcast={interface}, syncid={sync_id}, maxlen={max_length}, \
         group={group}, port={port}, ttl={ttl})\n"
    )
}
