//! A listing that is written while the table is read: of a large table, never more than
//! one service and some lines are in memory.

use std::io::{self, Write};

use super::Options;
use super::text::{Layout, sort_services};
use crate::kernel::{Error, Ipvs};

/// Text that is written at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// Why a listing was not written, or not to its end.
#[derive(Debug)]
pub(in crate::cli) enum Failed {
    /// The kernel did not tell.
    Kernel(Error),
    /// Nobody takes the text.
    Output(io::Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Writes the table as [`super::Listing`] has it: numeric, and sorted whatever the options
/// say. When the kernel stops answering, what it told before is written.
pub(in crate::cli) fn stream(
    ipvs: &mut dyn Ipvs,
    options: Options,
    out: &mut dyn Write,
) -> Result<(), Failed> {
    let layout = Layout::numeric(Options {
        sort: true,
        ..options
    });
    let info = ipvs.info()?;
    let mut services = ipvs.services()?;
    let mut order: Vec<_> = services.iter().collect();
    sort_services(&mut order);
    let order: Vec<_> = order.into_iter().map(|(key, _)| *key).collect();
    let mut text = String::with_capacity(CHUNK);
    let whole = "a string takes everything";
    layout.head(&mut text, Some(&info)).expect(whole);
    for key in order {
        let Some(mut service) = services.remove(&key) else {
            continue;
        };
        match ipvs.fill(&key, &mut service) {
            Ok(true) => layout.whole(&mut text, &key, &service).expect(whole),
            Ok(false) => {}
            Err(error) => {
                out.write_all(text.as_bytes())?;
                out.flush()?;
                return Err(error.into());
            }
        }
        if text.len() >= CHUNK {
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
