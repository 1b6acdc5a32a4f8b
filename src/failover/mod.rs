//! Which of two directors serves: an authenticated conversation between the nodes and a state
//! machine per instance. Pure: time and packets come in, steps and packets go out.
//!
//! ```text
//! datagrams ─► advert ─► peer ─┐                      ┌─► transmit ─► datagrams, leave for the guard
//! tracks, operator, timer ─────┼─► Pair ─► Instance ──┤
//! probe, guard, steps done ────┘                      └─► steps, one at a time
//! ```
//!
//! # Words
//!
//! - **Instance**: what moves as one, with a [`State`] of its own. One [advert] carries all.
//! - **A, D, P, W**: advert interval, dead interval, probe window, start wait
//!   ([`Timing`](crate::model::pair::Timing)).
//! - **Epoch**: number of a claim, above everything seen on either node, on disk before an
//!   address is added.
//! - **Eligible**: no fault of the node, not ruled out by an operator, all tracks looked at.
//! - **Better**: eligible before not eligible; fewer failed tracks; between two that serve
//!   the higher epoch; higher priority; lower node number; lower incarnation.
//!
//! # Who may serve
//!
//! 1. A standby claims when the peer is silent on all links for D (2·D while it reaches no
//!    target itself), or when both are there, nobody has served for 2·A, and it is the better
//!    one. A claim is announced and the addresses are probed; only P without an answer of the
//!    peer lets it go on. A live owner answers with `hold`.
//! 2. A standby takes over without a probe when the peer says, for an epoch above its own
//!    last claim, that its kernel has confirmed the removal (`released`).
//! 3. An owner gives up when it meets an owner that is better; when its carrier is gone; when
//!    the peer says that it hears nothing from it any more and could serve; when neither the
//!    peer nor any target on the network has answered for 0.6·D; when its process stood
//!    still for D or the guard has taken the addresses; and in order, to a peer that is
//!    eligible and ready, for a fault, for fewer working tracks than the peer, for an
//!    operator, and for a preferred peer if preemption is on.
//! 4. Frozen, on either node: of the above only the loss of a node, two owners, a stall and
//!    an operator's order count. Pinned after too many moves: no move that is not forced.
//! 5. A process that was not running for D/2 beyond its timer first asks for everything that
//!    waits ([`Action::Drain`]) and does nothing but remove addresses until it has it.
//!
//! # Silence
//!
//! After D/2 without news a node asks, every D/20, and is answered at once, so that only a
//! dead path stays silent until D. From 4·D/5 on it says `unheard`, for an owner that hears
//! it though it is not heard. What counts as news is in the module `peer`.

pub mod action;
pub mod advert;
mod bounded;
mod context;
pub mod event;
mod instance;
mod node;
mod order;
mod outbox;
mod pair;
mod peer;
mod report;
pub mod sabotage;
mod settings;
mod transmit;
pub mod view;

pub use action::{Action, AlarmKind, HookKind, Step, SyncPart};
pub use advert::{Incarnation, Key, KeyId, Keys};
pub use bounded::Bounded;
pub use event::{Command, Event, Local, Mac};
pub use instance::{Reason, State};
pub use pair::Pair;
pub use settings::{
    ConfigDigest, InstanceId, MAX_INSTANCES, MAX_LINKS, Settings, SettingsError, SoftwareVersion,
};
pub use view::View;

#[cfg(test)]
mod tests;
