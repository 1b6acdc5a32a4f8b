//! Directives about how results become standing and weight; ldirectord knows none of them.

use std::time::Duration;

use super::options::{COUNT_MAX, SECONDS_MAX, set};
use super::seconds;
use super::value::Value;
use crate::config::source::{Context, quoted};
use crate::model::{Damping, Policy};

/// What is done about flapping servers.
#[derive(Debug, Clone, Copy)]
enum Flapping {
    Ignored,
    Damped(Damping),
}

/// What was set in a scope.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicyOptions {
    rise: Option<u32>,
    /// In seconds, 0 for none; so are the other times.
    fast_interval: Option<u32>,
    slow_start: Option<u32>,
    damping: Option<Flapping>,
    floor: Option<u8>,
    response_weight: Option<bool>,
    external_weight: Option<bool>,
}

impl PolicyOptions {
    /// Takes a directive; `false` when it is none of these.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, value: &Value<'_>) -> bool {
        let seconds = 0..=SECONDS_MAX;
        match value.name {
            "rise" => {
                let read = value.number(cx, "invalid rise value", 1..=COUNT_MAX);
                set(&mut self.rise, read);
            }
            "fastinterval" => {
                let read = value.number(cx, "invalid fast interval value", seconds);
                set(&mut self.fast_interval, read);
            }
            "slowstart" => {
                let read = value.number(cx, "invalid slow start value", seconds);
                set(&mut self.slow_start, read);
            }
            "flapdamping" => set(&mut self.damping, read_damping(cx, value)),
            "floor" => {
                let read = value.number(cx, "floor must be a percentage", 0..=100);
                set(
                    &mut self.floor,
                    read.and_then(|read| u8::try_from(read).ok()),
                );
            }
            "responseweight" => set(&mut self.response_weight, value.yes_no(cx)),
            "externalweight" => set(&mut self.external_weight, value.yes_no(cx)),
            _ => return false,
        }
        true
    }

    /// The whole, with what an outer scope says where nothing was set.
    pub(super) fn or(&self, outer: &Policy) -> Policy {
        Policy {
            rise: self.rise.unwrap_or(outer.rise),
            fast_interval: time(self.fast_interval, outer.fast_interval),
            slow_start: time(self.slow_start, outer.slow_start),
            damping: match self.damping {
                None => outer.damping,
                Some(Flapping::Ignored) => None,
                Some(Flapping::Damped(damping)) => Some(damping),
            },
            floor: self.floor.unwrap_or(outer.floor),
            response_weight: self.response_weight.unwrap_or(outer.response_weight),
            external_weight: self.external_weight.unwrap_or(outer.external_weight),
        }
    }
}

fn time(own: Option<u32>, outer: Option<Duration>) -> Option<Duration> {
    match own {
        None => outer,
        Some(0) => None,
        Some(own) => Some(seconds(own)),
    }
}

/// `yes`, `no`, or `PENALTY,HALFLIFE,SUPPRESS,REUSE`.
fn read_damping(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Flapping> {
    match value.text {
        "yes" => return Some(Flapping::Damped(Damping::DEFAULT)),
        "no" => return Some(Flapping::Ignored),
        _ => {}
    }
    let problem = match figures(value.text) {
        Some(damping) if damping.suppress <= damping.reuse => {
            "the penalty that suppresses must be above the one that ends it"
        }
        Some(damping) => return Some(Flapping::Damped(damping)),
        None => "flapdamping must be 'yes', 'no' or four numbers",
    };
    cx.error(
        value.or_whole(),
        format!("{problem}, not {}", quoted(value.text)),
    )
    .help(format!(
        "write flapdamping=PENALTY,HALFLIFE,SUPPRESS,REUSE; yes is {}",
        Damping::DEFAULT
    ));
    None
}

fn figures(text: &str) -> Option<Damping> {
    let figures: Vec<u32> = text
        .split(',')
        .map(|word| {
            let word = word.trim_matches(super::BLANKS);
            let digits = word.bytes().all(|b| b.is_ascii_digit());
            let figure = word.parse().ok().filter(|_| digits);
            figure.filter(|figure| (1..=Damping::FIGURE_MAX).contains(figure))
        })
        .collect::<Option<_>>()?;
    let &[penalty, half_life, suppress, reuse] = figures.as_slice() else {
        return None;
    };
    let half_life = seconds(half_life);
    (half_life <= Damping::HALF_LIFE_MAX).then_some(Damping {
        penalty,
        half_life,
        suppress,
        reuse,
    })
}
