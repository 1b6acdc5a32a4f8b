//! Hooks: programs that are told of changes.
//!
//! One queue, one task: programs run one after the other in the order of events, so that
//! two changes that come close to each other cannot finish in the wrong order. Whoever
//! reports an event never waits. An event that is still waiting when its state is past is
//! skipped, and the log says so: a program sees fewer changes than there were, never an
//! old one after a new one.
//!
//! `before_release` alone is waited for, by who gives up: within [`RELEASE_LIMIT`] there is
//! an answer, whatever runs or waits.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::program::Names;
use crate::check::{self, Program};
use crate::model::pair::{Hooks as Configured, Pair};
use crate::model::{Outcome, Reason, Side};

mod waiting;

use waiting::Waiting;

/// How long one program may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// How long all programs of `before_release` may take together, the wait for their turn
/// included.
pub const RELEASE_LIMIT: Duration = Duration::from_secs(1);

/// What is kept of that for killing a program that does not end.
const KILLING: Duration = Duration::from_millis(100);

/// Kinds of events, named as the configuration names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This node has become active.
    AfterActive,
    /// This node will give up.
    BeforeRelease,
    /// This node has given up.
    AfterRelease,
    /// This node has found a fault of its own.
    AfterFault,
}

impl Kind {
    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::AfterActive => "after_active",
            Self::BeforeRelease => "before_release",
            Self::AfterRelease => "after_release",
            Self::AfterFault => "after_fault",
        }
    }

    fn programs(self, configured: &Configured) -> &[PathBuf] {
        match self {
            Self::AfterActive => &configured.after_active,
            Self::BeforeRelease => &configured.before_release,
            Self::AfterRelease => &configured.after_release,
            Self::AfterFault => &configured.after_fault,
        }
    }
}

/// An event that programs are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Name of the instance.
    pub instance: String,
    /// What has happened or will happen.
    pub kind: Kind,
    /// The instance's state, in lower case: `active`, `standby`, `fault`, …
    pub state: String,
    /// Epoch of the ownership.
    pub epoch: u64,
    /// Why; any text, also of the peer's.
    pub reason: String,
}

/// What became of a `before_release` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Every program has ended, well or not; or there was none.
    Done,
    /// The time was over.
    Late,
    /// A newer event came before its turn.
    Skipped,
}

/// The queue of hooks. It goes on over reloads; the program that runs is killed when it is
/// dropped, and what waits is forgotten.
pub struct Hooks {
    shared: Arc<Shared>,
    worker: JoinHandle<()>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Something waits.
    pushed: Notify,
}

struct Queue {
    names: Names,
    configured: Vec<(String, Configured)>,
    waiting: Waiting<Entry>,
    /// Nothing more will come.
    closed: bool,
}

/// An event with what was configured for it when it happened.
struct Entry {
    hook: Hook,
    programs: Vec<PathBuf>,
    names: Names,
    /// For `before_release`: until when, and who waits.
    caller: Option<(Instant, oneshot::Sender<Answer>)>,
}

impl waiting::Entry for Entry {
    fn instance(&self) -> &str {
        &self.hook.instance
    }

    fn kind(&self) -> Kind {
        self.hook.kind
    }
}

impl Hooks {
    /// Starts the queue. To be called within a tokio runtime with time and I/O enabled.
    pub fn start(pair: &Pair) -> Self {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                names: Names::of(pair),
                configured: configured(pair),
                waiting: Waiting::default(),
                closed: false,
            }),
            pushed: Notify::new(),
        });
        let worker = tokio::spawn(work(Arc::clone(&shared)));
        Self { shared, worker }
    }

    /// A new configuration is in force. What waits or runs already is not touched.
    pub fn replace(&self, pair: &Pair) {
        let mut queue = self.shared.queue();
        queue.names = Names::of(pair);
        queue.configured = configured(pair);
    }

    /// Queues an event. Never waits.
    pub fn push(&self, hook: Hook) {
        self.enqueue(hook, None);
    }

    /// Queues an event of which the caller wants to know the end. There is an answer after
    /// [`RELEASE_LIMIT`] at the latest, and at once when no program is configured for it.
    pub fn push_and_report(&self, hook: Hook) -> oneshot::Receiver<Answer> {
        let (sender, answer) = oneshot::channel();
        let deadline = Instant::now() + RELEASE_LIMIT.saturating_sub(KILLING);
        self.enqueue(hook, Some((deadline, sender)));
        answer
    }

    /// Events that wait for their turn, the one that runs not included.
    pub fn waiting(&self) -> usize {
        self.shared.queue().waiting.iter().count()
    }

    /// Lets everything that waits have its turn, for so long at most; for the end of the
    /// process.
    pub async fn finish(mut self, limit: Duration) {
        self.shared.queue().closed = true;
        self.shared.pushed.notify_one();
        if timeout(limit, &mut self.worker).await.is_err() {
            let waiting = self.waiting();
            tracing::warn!(waiting, "hooks did not end in time and are given up");
        }
    }

    fn enqueue(&self, hook: Hook, caller: Option<(Instant, oneshot::Sender<Answer>)>) {
        let mut queue = self.shared.queue();
        let over = queue.waiting.supersede(&hook.instance, hook.kind);
        let programs = queue.programs(&hook);
        let pushed = if programs.is_empty() {
            answer(caller, Answer::Done);
            None
        } else {
            let names = queue.names.clone();
            queue.waiting.push(Entry {
                hook,
                programs,
                names,
                caller,
            })
        };
        drop(queue);
        self.shared.pushed.notify_one();
        for entry in over {
            entry.skip("a newer event makes it pointless");
        }
        if let Some(entry) = pushed {
            entry.skip("too many events are waiting");
        }
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn programs(&self, hook: &Hook) -> Vec<PathBuf> {
        let mut instances = self.configured.iter();
        instances
            .find(|(name, _)| *name == hook.instance)
            .map_or_else(Vec::new, |(_, hooks)| hook.kind.programs(hooks).to_vec())
    }

    /// The earliest moment at which somebody stops waiting.
    fn deadline(&self) -> Option<Instant> {
        let callers = self.waiting.iter().filter_map(|e| e.caller.as_ref());
        callers.map(|(deadline, _)| *deadline).min()
    }
}

impl Entry {
    fn skip(self, why: &str) {
        let Hook { instance, kind, .. } = &self.hook;
        tracing::info!(instance, hook = kind.word(), "skipped: {why}");
        answer(self.caller, Answer::Skipped);
    }

    fn environment(&self) -> Vec<(String, String)> {
        let Hook {
            instance,
            kind,
            state,
            epoch,
            reason,
        } = &self.hook;
        let more = [
            ("HOOK", kind.word()),
            ("STATE", state),
            ("EPOCH", &epoch.to_string()),
            ("REASON", reason),
        ];
        self.names.environment(instance, &more)
    }

    /// Runs the programs one after the other.
    async fn run(self) {
        let environment = self.environment();
        let deadline = self.caller.as_ref().map(|(deadline, _)| *deadline);
        let mut verdict = Answer::Done;
        for path in &self.programs {
            let limit = deadline.map_or(LIMIT, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if limit.is_zero() {
                verdict = Answer::Late;
                break;
            }
            let command = path.to_string_lossy();
            let program = Program::new(command, Vec::new(), environment.clone(), None);
            let report = check::execute(&program, limit).await;
            log(&self.hook, path, &report);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            verdict = Answer::Late;
        }
        answer(self.caller, verdict);
    }
}

fn configured(pair: &Pair) -> Vec<(String, Configured)> {
    let instances = pair.instances.iter();
    instances
        .map(|instance| (instance.name.clone(), instance.hooks.clone()))
        .collect()
}

fn answer(caller: Option<(Instant, oneshot::Sender<Answer>)>, answer: Answer) {
    if let Some((_, sender)) = caller {
        // The caller may have stopped waiting.
        let _ = sender.send(answer);
    }
}

fn log(hook: &Hook, path: &std::path::Path, report: &crate::model::Report) {
    let instance = hook.instance.as_str();
    let kind = hook.kind.word();
    let program = path.display();
    let output = Reason::new(String::from_utf8_lossy(&report.said_by(Side::Server)).trim_end());
    match &report.outcome {
        Outcome::Up => tracing::info!(instance, hook = kind, %program, %output, "hook done"),
        Outcome::Down(reason) => {
            tracing::warn!(instance, hook = kind, %program, %reason, %output, "hook failed");
        }
        Outcome::Inconclusive(fault) => {
            tracing::error!(instance, hook = kind, %program, reason = %fault, "hook not run");
        }
    }
}

/// Runs what waits, one event after the other, and answers those who would wait too long.
async fn work(shared: Arc<Shared>) {
    loop {
        let (next, closed) = {
            let mut queue = shared.queue();
            (queue.waiting.pop(), queue.closed)
        };
        let Some(entry) = next else {
            if closed {
                return;
            }
            shared.pushed.notified().await;
            continue;
        };
        let mut run = std::pin::pin!(entry.run());
        loop {
            tokio::select! {
                () = &mut run => break,
                () = expire(&shared) => {}
            }
        }
    }
}

/// Waits until somebody's time is over or something else has been queued.
async fn expire(shared: &Shared) {
    let deadline = shared.queue().deadline();
    match deadline {
        Some(deadline) => tokio::select! {
            () = sleep_until(deadline) => {}
            () = shared.pushed.notified() => return,
        },
        None => return shared.pushed.notified().await,
    }
    let is_late = |entry: &Entry| {
        let caller = entry.caller.as_ref();
        caller.is_some_and(|(deadline, _)| *deadline <= Instant::now())
    };
    let late = shared.queue().waiting.take_where(is_late);
    for entry in late {
        let Hook { instance, kind, .. } = &entry.hook;
        tracing::warn!(instance, hook = kind.word(), "skipped: its time is over");
        answer(entry.caller, Answer::Late);
    }
}

#[cfg(test)]
mod tests;
