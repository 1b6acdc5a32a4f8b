//! Which of two directors serves: an authenticated conversation between the nodes and a state
//! machine per instance. Pure: time and packets come in, steps and packets go out.

pub mod action;
pub mod advert;
mod bounded;
mod context;
pub mod event;
mod instance;
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
