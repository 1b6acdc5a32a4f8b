//! Changes to the kernel's table.

use std::fmt;

use super::destination::{Destination, DestinationKey};
use super::service::{Service, ServiceKey};

/// One change to the kernel's table. Edits are complete: the kernel has no partial
/// update of a service or destination (kernel note 0004).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Add a virtual service.
    AddService(ServiceKey, Service),
    /// Replace the attributes of a virtual service.
    SetService(ServiceKey, Service),
    /// Remove a virtual service and its destinations.
    DeleteService(ServiceKey),
    /// Add a destination.
    AddDestination(ServiceKey, Destination),
    /// Replace the attributes of a destination.
    SetDestination(ServiceKey, Destination),
    /// Remove a destination.
    DeleteDestination(ServiceKey, DestinationKey),
}

impl Operation {
    /// The service concerned.
    pub fn service(&self) -> &ServiceKey {
        match self {
            Self::AddService(key, _)
            | Self::SetService(key, _)
            | Self::DeleteService(key)
            | Self::AddDestination(key, _)
            | Self::SetDestination(key, _)
            | Self::DeleteDestination(key, _) => key,
        }
    }
}

/// What is attempted, to which object: `add destination 192.0.2.1:80 to tcp:…`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(key, _) => write!(f, "add service {key}"),
            Self::SetService(key, _) => write!(f, "change service {key}"),
            Self::DeleteService(key) => write!(f, "delete service {key}"),
            Self::AddDestination(key, destination) => {
                write!(f, "add destination {} to {key}", destination.key)
            }
            Self::SetDestination(key, destination) => {
                write!(f, "change destination {} of {key}", destination.key)
            }
            Self::DeleteDestination(key, destination) => {
                write!(f, "delete destination {destination} of {key}")
            }
        }
    }
}

/// An operation of a batch that the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure<E> {
    /// Position of the operation in the batch.
    pub index: usize,
    /// Why.
    pub error: E,
}
