//! A RADIUS server accepts a user: `service=radius` (RFC 2865, PAP).
//!
//! The request carries a Message-Authenticator (RFC 3579), without which servers since the
//! `BlastRADIUS` attack do not answer. An answer whose authenticator is wrong does not
//! count, as RFC 2865 §3 demands; at the deadline the reason tells of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::packet::{
    ACCESS_ACCEPT, ACCESS_CHALLENGE, ACCESS_REJECT, Authenticator, NAS_IP_ADDRESS,
    NAS_IPV6_ADDRESS, PASSWORD_MAX, Response, USER_NAME, USER_PASSWORD, Unfit, VALUE_MAX,
};
use super::datagram::{self, Query};
use super::dialogue::{Turn, Verdict, Words};
use super::fault::excerpt;
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Fault, Outcome, RadiusProbe, Report};

mod packet;
#[cfg(test)]
mod tests;

/// Bytes of the server's words that a reason quotes.
const QUOTED_MAX: usize = 200;

/// One Access-Request.
pub struct Access {
    probe: RadiusProbe,
    id: u8,
    authenticator: Authenticator,
    doubt: Option<String>,
}

impl Access {
    /// Asks with an identifier and an authenticator made of `random`.
    ///
    /// # Errors
    ///
    /// The user name is longer than 253 bytes or the password than 128.
    pub fn new(probe: &RadiusProbe, random: [u8; 17]) -> Result<Self, Fault> {
        let too_long =
            |what, max| Err(Fault::new(format!("the {what} is longer than {max} bytes")));
        if probe.login.name.len() > VALUE_MAX {
            return too_long("user name", VALUE_MAX);
        }
        if probe.login.password.expose().len() > PASSWORD_MAX {
            return too_long("password", PASSWORD_MAX);
        }
        let [id, authenticator @ ..] = random;
        Ok(Self {
            probe: probe.clone(),
            id,
            authenticator,
            doubt: None,
        })
    }

    fn secret(&self) -> &[u8] {
        self.probe.secret.expose().as_bytes()
    }

    fn verdict(&self, response: &Response) -> Option<Verdict> {
        let name = &self.probe.login.name;
        let said = match excerpt(&response.message, QUOTED_MAX) {
            said if said.is_empty() => String::new(),
            said => format!(" \"{said}\""),
        };
        match response.code {
            ACCESS_ACCEPT => Some(Verdict::up(format!("Access-Accept for \"{name}\"{said}"))),
            ACCESS_REJECT => Some(Verdict::down(format!(
                "login refused: Access-Reject for \"{name}\"{said}"
            ))),
            ACCESS_CHALLENGE => Some(Verdict::down(format!(
                "login not complete: the server wants more than a password (Access-Challenge for \"{name}\"{said})"
            ))),
            _ => None,
        }
    }
}

impl Query for Access {
    fn ask(&mut self, local: SocketAddr) -> Words {
        let login = &self.probe.login;
        let password = login.password.expose().as_bytes();
        let hidden = packet::hide(password, self.secret(), &self.authenticator);
        let (nas, address) = match local.ip() {
            IpAddr::V4(address) => (NAS_IP_ADDRESS, address.octets().to_vec()),
            IpAddr::V6(address) => (NAS_IPV6_ADDRESS, address.octets().to_vec()),
        };
        let mut attributes = vec![(USER_PASSWORD, hidden), (nas, address)];
        // An attribute is never empty (RFC 2865 §5).
        if !login.name.is_empty() {
            attributes.insert(0, (USER_NAME, login.name.clone().into_bytes()));
        }
        let request =
            packet::access_request(self.id, &self.authenticator, self.secret(), &attributes);
        let shown = format!(
            "Access-Request {}: User-Name \"{}\", User-Password ***, NAS address {}\n",
            self.id,
            login.name,
            local.ip()
        );
        Words::secret(request, shown)
    }

    fn judge(&mut self, datagram: &[u8]) -> Turn {
        let read = packet::read(datagram, self.id, &self.authenticator, self.secret());
        let doubt = match read {
            Ok(response) => match self.verdict(&response) {
                Some(verdict) => return Turn::Over(verdict),
                None => format!("what came has the unexpected code {}", response.code),
            },
            Err(Unfit::Malformed) => "what came is no RADIUS packet".to_owned(),
            Err(Unfit::Identifier) => "what came answers another request".to_owned(),
            Err(Unfit::Authenticator) => {
                "an answer came with a wrong authenticator: is secret= the server's?".to_owned()
            }
        };
        self.doubt = Some(doubt);
        Turn::Listen
    }

    fn doubt(&self) -> Option<String> {
        let silent = "a server that knows another secret, or not this client, says nothing";
        Some(self.doubt.clone().unwrap_or_else(|| silent.to_owned()))
    }
}

pub(super) async fn run(route: Route<'_>, probe: &RadiusProbe, timeout: Duration) -> Report {
    let prepared = datagram::random().and_then(|random| Access::new(probe, random));
    match prepared {
        Ok(access) => datagram::run(route, access, timeout).await,
        Err(fault) => Trace::new(timeout).report(Outcome::Inconclusive(fault), ""),
    }
}
