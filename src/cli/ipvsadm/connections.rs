//! Connection entries (`-L -c`), in the order of the kernel's hash table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;

use super::names::{Lookup, Names};
use crate::cli::listing;
use crate::kernel;
use crate::kernel::connections::entries::{Connection, Source, visit_text};
use crate::model::{PortAddress, Protocol, is_printable};

/// Bytes written at once.
const CHUNK: usize = 64 * 1024;

/// Why entries could not be shown.
enum Trouble {
    /// They cannot be read.
    Kernel(kernel::Error),
    /// They cannot be written.
    Output(io::Error),
}

impl From<kernel::Error> for Trouble {
    fn from(error: kernel::Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Kernel(error) => Self::other(error),
            Trouble::Output(error) => error,
        }
    }
}

/// Reads entries and prints them. Without names it prints while it reads.
pub(super) fn print(
    mut entries: impl BufRead,
    out: &mut dyn Write,
    lookup: Option<&dyn Lookup>,
    engines: bool,
) -> io::Result<()> {
    let Some(lookup) = lookup else {
        return Ok(show(entries, out, &Names::none(), engines)?);
    };
    // Names take all addresses first, so that they are looked up together.
    let mut all = Vec::new();
    entries.read_to_end(&mut all)?;
    let mut addresses = BTreeSet::new();
    visit_text(all.as_slice(), Source::Engine, |entry| {
        let places = [entry.client, entry.virtual_address, entry.server];
        addresses.extend(places.map(|PortAddress(address, _)| address));
        Ok::<_, Trouble>(ControlFlow::Continue(()))
    })?;
    Ok(show(
        all.as_slice(),
        out,
        &Names::of(addresses, lookup),
        engines,
    )?)
}

fn show(
    entries: impl BufRead,
    out: &mut dyn Write,
    names: &Names<'_>,
    engines: bool,
) -> Result<(), Trouble> {
    let mut text = String::with_capacity(CHUNK + 256);
    header(&mut text, engines);
    visit_text(entries, Source::Engine, |entry| {
        print_entry(&mut text, entry, names, engines);
        if text.len() >= CHUNK {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
        Ok::<_, Trouble>(ControlFlow::Continue(()))
    })?;
    Ok(out.write_all(text.as_bytes())?)
}

fn print_entry(text: &mut String, entry: &Connection<'_>, names: &Names<'_>, engines: bool) {
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = known
        .into_iter()
        .find(|protocol| protocol.name().eq_ignore_ascii_case(entry.protocol));
    let place = |PortAddress(address, port): PortAddress| -> String {
        listing::place(names, address, port, protocol)
    };
    let expires = format!("{:02}:{:02}", entry.expires / 60, entry.expires % 60);
    let (client, service, server) = (
        place(entry.client),
        place(entry.virtual_address),
        place(entry.server),
    );
    let Connection {
        protocol, state, ..
    } = entry;
    let _ = write!(
        text,
        "{protocol:<3} {expires:<6} {state:<11} {client:<18} {service:<18} "
    );
    let _ = match entry.engine.filter(|_| engines) {
        Some(engine) => {
            let data = harmless(entry.engine_data.unwrap_or_default());
            writeln!(text, "{server:<16} {engine:<18} {data}")
        }
        None => writeln!(text, "{server}"),
    };
}

/// Engine data are a client's words: what would act on a terminal is left out.
fn harmless(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    text.chars().filter(|c| is_printable(*c)).collect()
}

fn header(text: &mut String, engines: bool) {
    let (state, source, service) = ("state", "source", "virtual");
    *text += "IPVS connection entries\n";
    let _ = write!(text, "pro expire {state:<11} {source:<18} {service:<18} ");
    let _ = if engines {
        writeln!(text, "{:<18} {:<16} pe_data", "destination", "pe name")
    } else {
        writeln!(text, "destination")
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ipvsadm::names::tests::Known;

    const FILE: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C6336402 A802 C0000207 0050 C0000208 0050 ESTABLISHED     891
TCP [2001:0db8:0000:0000:0000:0000:0000:0016] 0000 [2001:0db8:0000:0000:0000:0000:0000:0007] 0050 [2001:0db8:0000:0000:0000:0000:0000:0003] 0050 ASSURED         91
SCTP C6336401 15B3 C6336401 0009 C6336405 0009 INIT1             3
UDP C6336402 13C4 C0000207 13C4 C0000208 13C4 UDP             7501 sip call\u{1b}id@198.51.100.2
nonsense
TCP C6336402 A802 C0000207
";

    fn printed(lookup: Option<&dyn Lookup>, engines: bool) -> String {
        let mut out = Vec::new();
        print(FILE.as_bytes(), &mut out, lookup, engines).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn entries_stand_in_columns() {
        assert_eq!(
            printed(None, false),
            "\
IPVS connection entries
pro expire state       source             virtual            destination
TCP 14:51  ESTABLISHED 198.51.100.2:43010 192.0.2.7:80       192.0.2.8:80
TCP 01:31  ASSURED     [2001:db8::16]:0   [2001:db8::7]:80   [2001:db8::3]:80
SCTP 00:03  INIT1       198.51.100.1:5555  198.51.100.1:9     198.51.100.5:9
UDP 125:01 UDP         198.51.100.2:5060  192.0.2.7:5060     192.0.2.8:5060
"
        );
    }

    #[test]
    fn engines_have_columns_that_only_their_entries_fill() {
        let text = printed(None, true);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[1],
            "pro expire state       source             virtual            destination        pe name          pe_data"
        );
        assert_eq!(
            lines[2],
            "TCP 14:51  ESTABLISHED 198.51.100.2:43010 192.0.2.7:80       192.0.2.8:80"
        );
        assert_eq!(
            lines[5],
            "UDP 125:01 UDP         198.51.100.2:5060  192.0.2.7:5060     192.0.2.8:5060   sip                callid@198.51.100.2"
        );
    }

    #[test]
    fn names_stand_for_addresses_and_ports() {
        let text = printed(Some(&Known), false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(
            lines[2]
                .contains(" web:http           a-very-long-host-name-for-testing.example.org:http")
        );
        assert!(lines[3].contains(" [2001:db8::16]:0   [six.example.org]:http [2001:db8::3]:http"));
        assert!(lines[5].contains(" web:5060 "));
    }
}
