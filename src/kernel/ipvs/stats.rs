//! Statistics of services and destinations.

use super::abi::stats;
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::{Attribute, Attributes};
use crate::model::Counters;

/// The counters of an object: from the 64-bit nest, or from the older one with its
/// 32-bit counters on kernels before 4.1, or zeros when there is neither.
pub(super) fn decode(
    wide: Option<Attribute<'_>>,
    narrow: Option<Attribute<'_>>,
) -> Result<Counters, Malformed> {
    wide.or(narrow)
        .map_or_else(|| Ok(Counters::default()), |nest| counters(nest.nest()))
}

/// Both nests number their attributes alike and differ only in the size of payloads.
fn counters(attributes: Attributes<'_>) -> Result<Counters, Malformed> {
    let mut counters = Counters::default();
    for attribute in attributes {
        let attribute = attribute?;
        let field = match attribute.kind {
            stats::CONNS => &mut counters.connections,
            stats::INPKTS => &mut counters.in_packets,
            stats::OUTPKTS => &mut counters.out_packets,
            stats::INBYTES => &mut counters.in_bytes,
            stats::OUTBYTES => &mut counters.out_bytes,
            stats::CPS => &mut counters.connections_per_second,
            stats::INPPS => &mut counters.in_packets_per_second,
            stats::OUTPPS => &mut counters.out_packets_per_second,
            stats::INBPS => &mut counters.in_bytes_per_second,
            stats::OUTBPS => &mut counters.out_bytes_per_second,
            _ => continue,
        };
        *field = attribute.counter()?;
    }
    Ok(counters)
}
