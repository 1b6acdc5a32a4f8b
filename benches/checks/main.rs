//! The check lane under load, natively: the thread that carries out the checks of
//! `directord run`, with real sockets to a web server in another process. Prints Markdown.
//!
//! `cargo bench --bench checks` takes three minutes and wants two processors that do
//! nothing else: the lane has one, the server another. `-- --quick` shows in half a minute
//! that it works.
#![expect(clippy::print_stdout, reason = "the figures are the purpose")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

mod host;
mod load;
mod server;

use load::Load;

fn main() -> anyhow::Result<()> {
    // What cargo adds by itself.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => page(false),
        ["--quick"] => page(true),
        ["serve"] => server::serve(),
        ["load", ref numbers @ ..] => {
            println!("{}", Load::from_words(numbers)?.run()?);
            Ok(())
        }
        _ => bail!("usage: cargo bench --bench checks [-- --quick]"),
    }
}

/// All parts. Quick ones are a tenth as long and large.
fn page(quick: bool) -> anyhow::Result<()> {
    let share = if quick { 10 } else { 1 };
    let seconds = |count: u64| Duration::from_secs(if quick { count.div_ceil(5) } else { count });
    let second = Duration::from_secs(1);
    let mut server = Server::start()?;
    println!("## Checks on one core\n");
    println!(
        "Linux {}, {} processors. One HTTP request a check, each to an address of its own in 127.0.0.0/8;\n\
         the lane's thread has one processor, the server another. Lateness: from the check's\n\
         moment in the interval to the attempt to connect. Processor time: of the lane's thread.\n",
        std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
        std::thread::available_parallelism()?
    );
    println!("### Rate\n\n{}", load::HEAD);
    for checks in [1000, 2500, 5000, 10_000, 20_000] {
        let steady = Load {
            fine: checks / share,
            hanging: 0,
            interval: second,
            timeout: second,
            warm: seconds(5),
            window: seconds(15),
        };
        println!("{}", server.put_under(&steady)?);
    }
    println!("\n### Half of the servers hang\n");
    println!(
        "They accept and say nothing; time-out 3 s. Lateness of the others.\n\n{}",
        load::HEAD
    );
    let hanging = Load {
        fine: 5000 / share,
        hanging: 5000 / share,
        interval: second,
        timeout: 3 * second,
        warm: seconds(10),
        window: seconds(20),
    };
    println!("{}", server.put_under(&hanging)?);
    println!("\n### Start of many\n\n{}", load::HEAD);
    let interval = seconds(10);
    let many = Load {
        fine: 100_000 / share,
        hanging: 0,
        interval,
        timeout: interval,
        warm: Duration::ZERO,
        window: 2 * interval,
    };
    server.connections()?;
    println!("{}", server.put_under(&many)?);
    let connections = server.connections()?;
    println!(
        "\nConnections in 100 ms: at most {} in the first interval, {} in the second, {} on average.",
        most(&connections, 0..interval.as_millis() as usize / 100),
        most(
            &connections,
            interval.as_millis() as usize / 100..usize::MAX
        ),
        u64::from(many.fine) * 100 / interval.as_millis() as u64
    );
    Ok(())
}

fn most(counts: &[u32], range: std::ops::Range<usize>) -> u32 {
    let end = range.end.min(counts.len());
    let counts = counts.get(range.start..end).unwrap_or_default();
    counts.iter().copied().max().unwrap_or(0)
}

/// The web server, in a process of its own.
struct Server {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Where it answers and where it only accepts.
    ports: String,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().context("a pipe")?;
        let mut answers = BufReader::new(child.stdout.take().context("a pipe")?);
        let mut ports = String::new();
        answers.read_line(&mut ports)?;
        Ok(Self {
            child,
            orders,
            answers,
            ports,
        })
    }

    /// A row of figures, from a process of its own: memory that an earlier one has left
    /// free would count as none.
    fn put_under(&self, load: &Load) -> anyhow::Result<String> {
        let output = Command::new(std::env::current_exe()?)
            .arg("load")
            .args(load.words())
            .args(self.ports.split_whitespace())
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            bail!("the load ended with {}", output.status);
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Connections that it has accepted, for each 100 ms from the first one since the last
    /// call.
    fn connections(&mut self) -> anyhow::Result<Vec<u32>> {
        writeln!(self.orders)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.split_whitespace()
            .map(|count| Ok(count.parse()?))
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended by itself, or does so now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
