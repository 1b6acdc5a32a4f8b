//! The reader against ldirectord's behaviour, row by row. The identifiers in comments
//! are those of the acceptance checklist for `ldirectord.cf`.

mod beyond;
mod checks;
mod examples;
mod fallback;
mod global;
mod path;
mod policy;
mod properties;
mod real;
mod syntax;
mod text_protocols;
mod virtual_service;
mod words;

use std::net::IpAddr;

use super::parse;
use crate::config::{
    Accepted, Answer, Config, Diagnostic, Name, Names, RealServer, Rejected, VirtualService, render,
};
use crate::model::{Family, Protocol};

/// A resolver without a network.
fn resolver(name: &Name) -> Option<Answer> {
    match name {
        Name::Host { name, family } => {
            let (v4, v6) = match &**name {
                "localhost" => ("127.0.0.1", "::1"),
                "web" | "web_1" => ("192.0.2.21", "2001:db8::21"),
                "web2" => ("192.0.2.23", "2001:db8::23"),
                "www.example.com" => ("198.51.100.7", "2001:db8::7"),
                _ => return None,
            };
            let address: IpAddr = match family {
                Family::V4 => v4,
                Family::V6 => v6,
            }
            .parse()
            .unwrap();
            Some(Answer::Address(address))
        }
        Name::Port { name, protocol } => {
            let port = match (&**name, protocol) {
                ("http", None | Some(Protocol::Tcp)) => 80,
                ("smtp", None | Some(Protocol::Tcp)) => 25,
                ("domain", _) => 53,
                _ => return None,
            };
            Some(Answer::Port(port))
        }
    }
}

fn read(text: impl AsRef<[u8]>) -> Result<Accepted, Rejected> {
    let parsed = parse(text.as_ref(), "test.cf");
    let names = Names::ask(parsed.names(), &mut resolver);
    parsed.resolve(&names)
}

fn accepted(text: impl AsRef<[u8]>) -> Accepted {
    match read(&text) {
        Ok(accepted) => accepted,
        Err(Rejected(all)) => panic!(
            "refused:\n{}\n{}",
            String::from_utf8_lossy(text.as_ref()),
            render(&all, false)
        ),
    }
}

/// The configuration of a text that is accepted, with warnings or without.
fn config(text: impl AsRef<[u8]>) -> Config {
    accepted(text).config
}

/// The configuration of a text in which nothing is doubtful.
fn clean(text: impl AsRef<[u8]>) -> Config {
    let accepted = accepted(text);
    let warnings = render(&accepted.warnings, false);
    assert!(warnings.is_empty(), "{warnings}");
    accepted.config
}

fn rejected(text: impl AsRef<[u8]>) -> Vec<Diagnostic> {
    match read(&text) {
        Ok(_) => panic!("accepted:\n{}", String::from_utf8_lossy(text.as_ref())),
        Err(Rejected(all)) => all,
    }
}

/// Line and message of the first error of a text that is refused.
#[track_caller]
fn refuses(text: impl AsRef<[u8]>, line: u32, message: &str) {
    let all = rejected(text);
    let first = Rejected(all).first_error().cloned().unwrap();
    assert!(
        first.line == line && first.message.contains(message),
        "{first}"
    );
}

/// That a text is accepted with exactly one warning.
#[track_caller]
fn warns(text: impl AsRef<[u8]>, line: u32, message: &str) -> Config {
    let accepted = accepted(text);
    let [warning] = &accepted.warnings[..] else {
        panic!("{}", render(&accepted.warnings, false));
    };
    assert!(
        warning.line == line && warning.message.contains(message),
        "{warning}"
    );
    accepted.config
}

/// A section with a real server and the lines given, checked by nothing.
fn section(lines: &str) -> String {
    let mut text = "virtual=192.0.2.100:80\n\treal=192.0.2.21:80 masq\n\tchecktype=on\n".to_owned();
    for line in lines.lines() {
        text.extend(["\t", line, "\n"]);
    }
    text
}

/// Line of the first line given to [`section`].
const LINE: u32 = 4;

fn service(text: impl AsRef<[u8]>) -> VirtualService {
    let mut config = config(text);
    assert_eq!(config.services.len(), 1);
    std::sync::Arc::unwrap_or_clone(config.services.remove(0))
}

/// A section whose only line is this `real`.
fn with_real(real: &str) -> String {
    format!("virtual=192.0.2.100:80\n\treal={real}\n\tchecktype=on\n")
}

fn real(text: &str) -> RealServer {
    let mut service = service(with_real(text));
    assert_eq!(service.reals.len(), 1);
    service.reals.remove(0)
}
