//! A director for Linux Virtual Server: it reads an `ldirectord.cf`, programs the kernel's
//! IPVS table, checks the real servers and takes the failed ones out of service.
//!
//! ```text
//! ldirectord.cf, directord.yaml ─► config ─► Config ─┐
//! check (I/O) ─► outcome ─► health ─► availability ──┼─► director: desired table ─► reconcile ─► plan ─► kernel
//!                                                    │                                ▲
//!                                                    └────────────────────── observed table ◄── kernel
//! ```
//!
//! # Layers
//!
//! | layer | module | may use |
//! |---|---|---|
//! | 0 | [`model`] | std |
//! | 1 | [`config`], [`health`], [`failover`], [`reconcile`] | model |
//! | 2 | [`kernel`], [`check`] | model |
//! | 3 | [`director`] | 0–2 |
//! | 4 | [`control`] | model, director |
//! | 5 | [`cli`] | all |
//!
//! # Invariants
//!
//! - Modules of one layer do not import each other.
//! - Layers 0 and 1 do no I/O, read no clock, draw no random number and spawn nothing:
//!   time, names and file contents come in as arguments, effects go out as values.
//! - Only [`director`] changes state, and the only way to the kernel's table is a plan of
//!   [`reconcile`].
//! - Nobody below [`director`] sees a [`config::Config`].
//!
//! `scripts/layers` checks the first two.

pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod director;
pub mod failover;
pub mod health;
pub mod kernel;
pub mod model;
pub mod reconcile;
