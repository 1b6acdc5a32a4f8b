//! An operator's order as it arrives: JSON, from somebody who may mistype.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failover::{Command, InstanceId};

/// Longest freeze in seconds, thirty days; a longer one is until unfreeze.
pub const LONGEST_FREEZE: u64 = 30 * 86_400;
/// Longest name of an instance in bytes, see [`crate::model::pair::Instance`].
const NAME_BYTES: usize = 32;

/// What is to be done: `{"command": "standby", "instance": "web", "on": true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What.
    pub command: Verb,
    /// With which instance, for `standby`, `takeover` and `cleanup`; all when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// For `standby`: begin (when not said) or end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
    /// For `freeze`: how long, 1 to [`LONGEST_FREEZE`]; until `unfreeze` when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// The commands of [`Command`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// This node is not to serve.
    Standby,
    /// This node is to serve.
    Takeover,
    /// Nothing moves.
    Freeze,
    /// Things move again.
    Unfreeze,
    /// Failures, moves and pins are forgotten.
    Cleanup,
}

impl Verb {
    /// The word on the wire and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Takeover => "takeover",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Cleanup => "cleanup",
        }
    }
}

impl Order {
    /// An order without particulars.
    pub fn new(command: Verb) -> Self {
        Self {
            command,
            instance: None,
            on: None,
            seconds: None,
        }
    }

    /// Reads an order.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, for whoever wrote it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| format!("not an order: {error}"))
    }

    /// What the state machine is told.
    ///
    /// # Errors
    ///
    /// Which particular does not go with the command or is out of its range.
    pub fn command(&self) -> Result<Command, String> {
        let word = self.command.word();
        let all = matches!(self.command, Verb::Freeze | Verb::Unfreeze);
        if all && self.instance.is_some() {
            return Err(format!(
                "{word} concerns the whole node: it takes no instance"
            ));
        }
        if self.on.is_some() && self.command != Verb::Standby {
            return Err(format!("{word} is not switched on or off"));
        }
        if self.seconds.is_some() && self.command != Verb::Freeze {
            return Err(format!("{word} takes no seconds"));
        }
        let instance = match self.instance.as_deref() {
            Some(name) if name.is_empty() || name.len() > NAME_BYTES => {
                return Err(format!("an instance's name has 1 to {NAME_BYTES} bytes"));
            }
            name => name.map(InstanceId::of),
        };
        Ok(match self.command {
            Verb::Standby => Command::Standby {
                instance,
                on: self.on.unwrap_or(true),
            },
            Verb::Takeover => Command::Takeover { instance },
            Verb::Freeze => Command::Freeze {
                duration: self.freeze()?,
            },
            Verb::Unfreeze => Command::Unfreeze,
            Verb::Cleanup => Command::Cleanup { instance },
        })
    }

    fn freeze(&self) -> Result<Option<Duration>, String> {
        match self.seconds {
            Some(seconds) if !(1..=LONGEST_FREEZE).contains(&seconds) => Err(format!(
                "a freeze lasts 1 to {LONGEST_FREEZE} seconds, or until unfreeze when none are given"
            )),
            seconds => Ok(seconds.map(Duration::from_secs)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Command, String> {
        Order::parse(text.as_bytes())?.command()
    }

    #[test]
    fn every_command_is_understood() {
        let web = Some(InstanceId::of("web"));
        let cases = [
            (
                r#"{"command":"standby"}"#,
                Command::Standby {
                    instance: None,
                    on: true,
                },
            ),
            (
                r#"{"command":"standby","instance":"web","on":false}"#,
                Command::Standby {
                    instance: web,
                    on: false,
                },
            ),
            (
                r#"{"command":"takeover","instance":"web"}"#,
                Command::Takeover { instance: web },
            ),
            (
                r#"{"command":"freeze","seconds":600}"#,
                Command::Freeze {
                    duration: Some(Duration::from_mins(10)),
                },
            ),
            (
                r#"{"command":"freeze"}"#,
                Command::Freeze { duration: None },
            ),
            (r#"{"command":"unfreeze"}"#, Command::Unfreeze),
            (
                r#"{"command":"cleanup","instance":"web"}"#,
                Command::Cleanup { instance: web },
            ),
        ];
        for (text, command) in cases {
            assert_eq!(read(text), Ok(command), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_name() {
        let cases = [
            ("", "not an order"),
            ("[]", "not an order"),
            (r#"{"command":"reboot"}"#, "`reboot`"),
            (r#"{"command":"standby","instances":"web"}"#, "`instances`"),
            (r#"{"instance":"web"}"#, "`command`"),
            (r#"{"command":"standby","on":"yes"}"#, "not an order"),
            (r#"{"command":"freeze","seconds":-1}"#, "not an order"),
            (r#"{"command":"freeze","seconds":0}"#, "1 to 2592000"),
            (r#"{"command":"freeze","seconds":2592001}"#, "1 to 2592000"),
            (
                r#"{"command":"freeze","instance":"web"}"#,
                "takes no instance",
            ),
            (
                r#"{"command":"unfreeze","instance":"web"}"#,
                "takes no instance",
            ),
            (r#"{"command":"takeover","on":true}"#, "on or off"),
            (
                r#"{"command":"cleanup","seconds":5}"#,
                "cleanup takes no seconds",
            ),
            (r#"{"command":"standby","instance":""}"#, "1 to 32 bytes"),
        ];
        for (text, wanted) in cases {
            let error = read(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let long = format!(r#"{{"command":"standby","instance":"{}"}}"#, "x".repeat(33));
        assert!(read(&long).unwrap_err().contains("1 to 32 bytes"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let order = Order {
            instance: Some("web".to_owned()),
            on: Some(false),
            ..Order::new(Verb::Standby)
        };
        let text = serde_json::to_vec(&order).unwrap();
        assert_eq!(Order::parse(&text), Ok(order));
        for verb in [
            Verb::Standby,
            Verb::Takeover,
            Verb::Freeze,
            Verb::Unfreeze,
            Verb::Cleanup,
        ] {
            let text = serde_json::to_string(&verb).unwrap();
            assert_eq!(text, format!("\"{}\"", verb.word()));
        }
    }
}
