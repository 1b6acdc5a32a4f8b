//! Turns the text of an `ldirectord.cf` into a configuration or into every mistake in it. Pure.
#![allow(missing_docs)]
use crate::model::{Check, Destination, Service, ServiceKey};
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    pub services: Vec<VirtualService>,
    pub readd_quiescent: bool,
    pub enforce_weights: bool,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualService {
    pub key: ServiceKey,
    pub service: Service,
    pub reals: Vec<RealServer>,
    pub fallback: Option<Destination>,
    pub fallback_command: Option<String>,
    pub quiescent: bool,
    pub cleanstop: bool,
    pub failure_count: u32,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    pub destination: Destination,
    pub check: RealCheck,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RealCheck {
    Always,
    Off,
    Probe(Check),
}
