//! `directord list`: the kernel's table with what the director knows of it.
//!
//! | file | does |
//! |---|---|
//! | `args` | the command line |
//! | `view`, `pattern`, `sort` | kernel and director side by side, what is picked, in which order |
//! | `terminal`, `grid` | for people |
//! | `document`, `csv` | for programs |
//! | `watch` | again and again |
//! | `connections` | `list connections` |

mod args;
mod connections;
mod csv;
mod document;
mod grid;
mod pattern;
mod sort;
mod terminal;
#[cfg(test)]
mod tests;
mod view;
mod watch;

use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::time::Duration;

use serde::Serialize;

pub(super) use args::List;
use args::{Connections, What};
use connections::Printer;
use document::{Document, OnlyTimeoutsDocument, SyncDocument};
use sort::SortKey;
use terminal::Style;
#[cfg(test)]
pub(super) use tests::golden_file;
use view::{Director, ServiceView, Snapshot};

use super::commands::{complain, print_out, runtime};
use super::exit::Exit;
use super::listing::{self, Failed, Mode};
use crate::control::Client;
use crate::kernel::connections::entries;
use crate::kernel::{self, Ipvs as _, statistics};

/// How long the director may take to tell what it knows.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lists what is asked for.
pub(super) fn run(options: &List) -> anyhow::Result<Exit> {
    match &options.what {
        Some(What::Connections(options)) => list_connections(options),
        None if options.schema => {
            print_out(&document::schema())?;
            Ok(Exit::Success)
        }
        None if options.classic => classic(options),
        None if options.sync || options.timeouts => section(options),
        None => table(options),
    }
}

/// A refusal of the kernel with what to do about it, on one line.
fn explain(error: &kernel::Error) -> anyhow::Error {
    match error.help() {
        Some(help) => anyhow::anyhow!("{error}: {help}"),
        None => anyhow::anyhow!("{error}"),
    }
}

fn classic(options: &List) -> anyhow::Result<Exit> {
    let mut client = kernel::ipvs::Client::open().map_err(|error| explain(&error))?;
    let how = listing::Options {
        mode: options.columns.mode().unwrap_or_default(),
        exact: options.columns.exact,
        sort: true,
    };
    listing::stream(&mut client, how, &mut std::io::stdout().lock()).map_err(
        |failed| match failed {
            Failed::Kernel(error) => explain(&error),
            Failed::Output(error) => error.into(),
        },
    )?;
    Ok(Exit::Success)
}

fn section(options: &List) -> anyhow::Result<Exit> {
    let mut client = kernel::ipvs::Client::open().map_err(|error| explain(&error))?;
    let colour = is_coloured();
    let format = &options.format;
    let text = if options.sync {
        let daemons = client.daemons().map_err(|error| explain(&error))?;
        match machine(format, &SyncDocument::new(&daemons))? {
            Some(text) => text,
            None => terminal::sync(&daemons, colour),
        }
    } else {
        let timeouts = client.timeouts().map_err(|error| explain(&error))?;
        match machine(format, &OnlyTimeoutsDocument::new(timeouts))? {
            Some(text) => text,
            None => terminal::timeouts(timeouts, colour),
        }
    };
    print_out(&text)?;
    Ok(Exit::Success)
}

/// A document in the machine-readable form that is asked for, if any.
fn machine(format: &args::Format, document: &impl Serialize) -> anyhow::Result<Option<String>> {
    Ok(if format.json {
        Some(format!("{}\n", serde_json::to_string_pretty(document)?))
    } else if format.yaml {
        Some(serde_yaml::to_string(document)?)
    } else {
        None
    })
}

fn table(options: &List) -> anyhow::Result<Exit> {
    let by_director = options
        .filter
        .state
        .iter()
        .any(|state| state.is_of_director());
    if by_director && options.kernel_only {
        complain(
            "directord: this --state is known to the director, which is not asked with --kernel-only",
        );
        return Ok(Exit::Usage);
    }
    let mut client = kernel::ipvs::Client::open().map_err(|error| explain(&error))?;
    if let Some(interval) = options.watch {
        return again_and_again(options, &mut client, interval);
    }
    let snapshot = read(options, &mut client)?;
    if let (true, Director::Silent(why)) = (by_director, &snapshot.director) {
        complain(&format!(
            "directord: this --state is known to the director only: {why}"
        ));
        return Ok(Exit::NotRunning);
    }
    let services = picked(options, &snapshot);
    let is_missed = services.is_empty() && !is_unfiltered(options);
    let text = text(options, &snapshot, &services, width())?;
    if is_missed {
        complain("directord: no service or server fits");
    }
    let is_for_people = !(options.format.json || options.format.yaml || options.format.csv);
    if !(is_missed && is_for_people) {
        print_out(&text)?;
    }
    Ok(if is_missed {
        Exit::Failure
    } else {
        Exit::Success
    })
}

fn is_unfiltered(options: &List) -> bool {
    let filter = &options.filter;
    filter.service.is_empty() && filter.server.is_empty() && filter.state.is_empty()
}

fn read(options: &List, client: &mut kernel::ipvs::Client) -> anyhow::Result<Snapshot> {
    let mut read = || {
        Ok(Snapshot {
            info: client.info()?,
            table: client.dump()?,
            timeouts: client.timeouts()?,
            daemons: client.daemons()?,
            statistics: statistics::read().ok(),
            director: Director::NotAsked,
        })
    };
    let mut snapshot = read().map_err(|error: kernel::Error| explain(&error))?;
    if !options.kernel_only {
        snapshot.director = ask(options)?;
    }
    Ok(snapshot)
}

fn ask(options: &List) -> anyhow::Result<Director> {
    let client = Client::new(&options.socket.socket);
    let answer =
        runtime()?.block_on(async { tokio::time::timeout(PATIENCE, client.status()).await });
    Ok(match answer {
        Ok(Ok(status)) => Director::Answered(Box::new(status)),
        Ok(Err(error)) => Director::Silent(error.to_string()),
        Err(_elapsed) => Director::Silent(format!(
            "the director on {} did not answer in {} s",
            options.socket.socket.display(),
            PATIENCE.as_secs()
        )),
    })
}

/// What is asked for, in the order that is asked for.
fn picked<'a>(options: &List, snapshot: &'a Snapshot) -> Vec<ServiceView<'a>> {
    let mut services = view::join(snapshot);
    view::filter(&mut services, &options.filter);
    match &options.sort[..] {
        [] if options.reverse => sort::sort(&mut services, &[SortKey::Address], true),
        [] => {}
        keys => sort::sort(&mut services, keys, options.reverse),
    }
    services
}

fn text(
    options: &List,
    snapshot: &Snapshot,
    services: &[ServiceView<'_>],
    width: Option<usize>,
) -> anyhow::Result<String> {
    if options.format.csv {
        return Ok(csv::table(services));
    }
    if options.format.json || options.format.yaml {
        let document = Document::new(snapshot, services);
        // One after the other, each has a line or a document of its own.
        return match (options.watch, options.format.json) {
            (Some(_), true) => Ok(format!("{}\n", serde_json::to_string(&document)?)),
            (Some(_), false) => Ok(format!("---\n{}", serde_yaml::to_string(&document)?)),
            (None, _) => Ok(machine(&options.format, &document)?.unwrap_or_default()),
        };
    }
    let usual = if options.watch.is_some() {
        Mode::Rate
    } else {
        Mode::Table
    };
    let style = Style {
        mode: options.columns.mode().unwrap_or(usual),
        exact: options.columns.exact,
        colour: is_coloured(),
        width,
    };
    Ok(terminal::table(snapshot, services, style))
}

fn again_and_again(
    options: &List,
    client: &mut kernel::ipvs::Client,
    interval: Duration,
) -> anyhow::Result<Exit> {
    let is_for_people = !(options.format.json || options.format.yaml);
    let is_screen = is_for_people && std::io::stdout().is_terminal();
    let mut ears = watch::Ears::open(is_screen && std::io::stdin().is_terminal())?;
    if is_screen {
        print_out("\u{1b}[2J")?;
    }
    let mut left = options.count;
    loop {
        let snapshot = read(options, client)?;
        let services = picked(options, &snapshot);
        let text = text(options, &snapshot, &services, width())?;
        if is_for_people {
            let now = jiff::Zoned::now().strftime("%F %T %z").to_string();
            let seconds = interval.as_secs_f64();
            let text = format!("{now}, every {seconds} s, `q` ends it\n{text}");
            let height = terminal_size::terminal_size().map(|(_, height)| usize::from(height.0));
            if is_screen {
                print_out(&watch::redrawn(&text, height))?;
            } else {
                print_out(&format!("{}\n", text.replace(", `q` ends it", "")))?;
            }
        } else {
            print_out(&text)?;
        }
        left = left.map(|left| left.saturating_sub(1));
        if left == Some(0) || !ears.wait(interval)? {
            return Ok(Exit::Success);
        }
    }
}

/// Columns of the terminal that is written to.
fn width() -> Option<usize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(out).map(|(width, _)| usize::from(width.0))
}

/// Colours are for terminals, and for those who want them (<https://no-color.org>).
fn is_coloured() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|word| !word.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    std::io::stdout().is_terminal() && !is_unwanted && !is_dumb
}

fn list_connections(options: &Connections) -> anyhow::Result<Exit> {
    let out = BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    let mut printer = None;
    // Nothing is begun before it is known that there is something to read.
    let read = entries::visit::<anyhow::Error>(options.source(), {
        let mut out = Some(out);
        let printer = &mut printer;
        move |entry| {
            if let Some(out) = out.take() {
                *printer = Some(Printer::new(out, options, is_coloured())?);
            }
            let printer = printer.as_mut().expect("made with the first entry");
            Ok(printer.entry(entry)?)
        }
    });
    let unintelligible = read.map_err(|error| match error.downcast::<kernel::Error>() {
        Ok(error) => explain(&error),
        Err(error) => error,
    })?;
    let printer = match printer {
        Some(printer) => printer,
        None => Printer::new(
            BufWriter::with_capacity(1024, std::io::stdout().lock()),
            options,
            is_coloured(),
        )?,
    };
    printer.end()?;
    std::io::stdout().flush()?;
    if unintelligible > 0 {
        complain(&format!(
            "directord: {unintelligible} lines of the kernel were not understood"
        ));
    }
    Ok(Exit::Success)
}
