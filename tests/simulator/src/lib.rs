//! A simulator of the pair: two nodes that run the real [`failover::Pair`], codec and keys
//! included, in a world that is only thought.
//!
//! The sources of `src/failover` and `src/model` are compiled into this package a second time,
//! so that they are optimised here and carry their deliberate bugs here, and nowhere else.
//!
//! # The world
//!
//! | what | how |
//! |---|---|
//! | node | a clock up to 2 % off ([`clock`]), power, kernel, guard, main process ([`node`]) |
//! | kernel | addresses with a lifetime in whole seconds that end up to κ later, sync roles, services, errors ([`kernel`]) |
//! | guard | a process of its own: keeps, refreshes, announces, removes, says farewell ([`guard`]) |
//! | main process | an inbox, a loop that is late by chance, steps that take their time, tracks |
//! | links | 1 to 4, each direction with its own loss, duplication, corruption, delay, cut |
//! | service segment | two clients' ARP caches, a switch that may answer from memory, targets, a real server that answers for what is not its own ([`segment`]) |
//! | attacker | sees and sends everything, has no key ([`attacker`]) |
//!
//! A seed draws a pair, a random subset of the faults of [`fault::Fault`], each with a random
//! strength, and a plan of them. A run ([`run`]) is the plan; then everything is healed and
//! must come to rest in time; then the owner is lost, replaced or made mute in one of six ways,
//! with the bound of that way; then nothing may happen for 300 adverts, and in every sixteenth run for
//! 10,000. A failure is shrunk by leaving out faults while the same promise is still broken.
//!
//! The loop hands over everything that waits before it hands over the timer: the state machine
//! demands it, see [`failover::Event::Timer`].
//!
//! # What is checked after every event
//!
//! "Hears" means: a packet that the peer's present life sent, that names the receiver's present
//! life, and that echoes a round of adverts not older than 0.4·D has been handled.
//!
//! | | how | exceptions |
//! |---|---|---|
//! | I1 | not both kernels hold an instance's addresses, connected to one segment | within A + E after a pause of a whole node; when the segment was parted until less than 2·P + E ago, that is during the probe. V2 ends both. |
//! | I2 | the same for any segments, while both processes have heard each other within D/2 for longer than D; and, in the drill for it, while an owner that was heard is told by a good link that it is not heard any more | A + E after such a pause |
//! | I3 | no addresses and no announcement in a state that says so ([`failover::State::is_passive`]) | stopped processes, which say nothing |
//! | I3b | a node that says it serves has the addresses again within 2 s + 3·D | steps that fail, guard stopped |
//! | I4 | a packet with `released` leaves only without addresses, also from the guard; addresses come back only at a higher epoch; a process ends without addresses | epoch file lost |
//! | I5 | no announcement without the address; nothing is sent, kept, added or announced between being late by more than 0.6·D and `Drained` | |
//! | I6 | when an address appears: services there, backup role gone if `backup_only`, epoch written (or failed to be) before | |
//! | I7 | a takeover's epoch is above the node's last one and above every serving peer's that it heard of; that of an active node is on disk | epoch file lost, rolled back or not writable |
//! | I8 | follows from V2 and the election: both would win, or neither | |
//! | I9 | a second state machine gets the same events without the attacker's packets and must want the same; genuine recordings go to both, may make them send, and change nothing of what is known of the peer | recordings during start and probe may tell hardware addresses and delay |
//! | I10 | no claim for silence while the peer is heard within 0.7·D; no giving up as cut off or unheard within 0.3·D | |
//! | I11 | a frozen node does not give up for a fault or a better peer | |
//! | I12 | hand-overs without need within the window, at most one above the limit (each node counts for itself) | forgotten when a process ends or an operator cleans up |
//! | I13 | no claim by a node with a fault, without results, without carrier or on an operator's standby | |
//! | I14 | a seed run twice does the same, and so does the second state machine | |
//! | I15 | steps in the simulated kernel set what they name; they are repeated after failures, restarts and losses, and the end state is compared with the wanted one | |
//! | I16 | no `released` from a blocked node | |
//! | I17 | no wall clock is among the events, and no source of `failover` asks for one | |
//! | I18 | no key in packets, texts, views or what `Debug` shows | |
//! | V1 | one owner, in order, within W + 2·(L + κ + 1 s) + 6·D + P + E + 1 s of healing; after a power loss D + A + 2·P + E, a crash E + 20 ms, a hang of both processes L + κ + 2·P + E + D + A; 3 % for the clocks | a switch that answers from memory adds L + κ + 1 s + 4·D |
//! | V2 | both hold an instance for at most 2·A + E + 6·Δ from when they hear each other | steps that fail |
//! | V3 | planned switch and orderly stop: E + 50 ms | |
//! | V4 | with preemption on, the preferred node serves after the delay + 4·A + E + 2 s | |
//! | V5 | both clients' caches name the owner when everything is at rest; the guard refreshes its announcements every 5 s | |
//! | V6 | both views agree then | |
//! | V7 | follows from V1: nobody is left in `Probe` | |
//! | V8 | no link of a process that is not stopped is without an advert for more than 1.5·A, hooks hanging or not | |
//!
//! A probe that has been answered waits for one request that is not: up to two windows, so P
//! counts twice where the address was in use.

#[path = "../../../src/failover/mod.rs"]
pub mod failover;
#[path = "../../../src/model/mod.rs"]
pub mod model;

mod apply;
pub mod attacker;
pub mod checks;
pub mod clock;
pub mod config;
pub mod fault;
pub mod guard;
mod guarding;
pub mod kernel;
pub mod node;
pub mod packet;
mod process;
pub mod rng;
pub mod run;
pub mod segment;
pub mod world;
