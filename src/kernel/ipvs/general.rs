//! What stands at the top level of a message: version, table size, time-outs, and the
//! controller's answer about the family.

use super::abi::{controller, info, top};
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::{Attributes, Writer};
use crate::model::{Info, Timeouts};

/// Reads the answer to `GET_INFO`.
pub(super) fn decode_info(message: Attributes<'_>) -> Result<Info, Malformed> {
    let missing = Malformed("version information without a required attribute");
    let version = message.clone().find(info::VERSION)?.ok_or(missing)?.u32()?;
    let size = message.find(info::CONN_TAB_SIZE)?.ok_or(missing)?;
    let [_, major, minor, patch] = version.to_be_bytes();
    Ok(Info {
        version: (major, minor, patch),
        connection_table_size: size.u32()?,
    })
}

/// Reads the answer to `GET_CONFIG`.
pub(super) fn decode_timeouts(message: Attributes<'_>) -> Result<Timeouts, Malformed> {
    let mut timeouts = Timeouts::default();
    for attribute in message {
        let attribute = attribute?;
        let field = match attribute.kind {
            top::TIMEOUT_TCP => &mut timeouts.tcp,
            top::TIMEOUT_TCP_FIN => &mut timeouts.tcp_fin,
            top::TIMEOUT_UDP => &mut timeouts.udp,
            _ => continue,
        };
        *field = attribute.u32()?;
    }
    Ok(timeouts)
}

/// Writes the three time-outs; the kernel keeps a value for which 0 is sent.
pub(super) fn encode_timeouts(message: &mut Writer<'_>, timeouts: &Timeouts) {
    message.u32(top::TIMEOUT_TCP, timeouts.tcp);
    message.u32(top::TIMEOUT_TCP_FIN, timeouts.tcp_fin);
    message.u32(top::TIMEOUT_UDP, timeouts.udp);
}

/// Reads the id of the family from the controller's answer.
pub(super) fn decode_family(message: Attributes<'_>) -> Result<u16, Malformed> {
    message
        .find(controller::FAMILY_ID)?
        .ok_or(Malformed("a family without an id"))?
        .u16()
}
