//! What a check may advise, and how results become standing and weight.

use std::fmt;
use std::time::Duration;

use super::check::Reason;

/// What a server, or a program that looked at it, says of itself beyond up and down. What is
/// `None` was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    /// Share of the configured weight that it wants, 0 to 100; 0 is a drain.
    pub percent: Option<u8>,
    /// Whether it wants to be used.
    pub mode: Option<Mode>,
    /// What it says of its own health.
    pub verdict: Option<Verdict>,
}

/// Whether a server wants to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As its checks say.
    Ready,
    /// No new connections; it stays in the table with weight 0.
    Drain,
    /// Out, as if an operator had taken it out.
    Maintenance,
}

/// What a server says of its own health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// In order, if its check says so too.
    Up,
    /// Not, whatever its check says.
    Down(Reason),
}

impl Advice {
    /// Whether anything is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what a later word says; the rest stays as it was said before.
    pub fn update(&mut self, later: &Self) {
        let Self {
            percent,
            mode,
            verdict,
        } = later;
        self.percent = percent.or(self.percent);
        self.mode = mode.or(self.mode);
        if verdict.is_some() {
            self.verdict.clone_from(verdict);
        }
    }

    /// Share of the configured weight, with a drain as 0.
    pub fn share(&self) -> u8 {
        match self.mode {
            Some(Mode::Drain) => 0,
            _ => self.percent.unwrap_or(100).min(100),
        }
    }
}

/// How the check results of a service's real servers become their standing and weight,
/// beyond the failures in a row that take one out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Passed checks in a row that bring a failed server up, at least 1.
    pub rise: u32,
    /// Time between two rounds while results in a row are counted; `None` is the check's own.
    pub fast_interval: Option<Duration>,
    /// Time in which the weight of a recovered server climbs to its full value.
    pub slow_start: Option<Duration>,
    /// Keeps servers out that go down again and again.
    pub damping: Option<Damping>,
    /// Percentage of the servers, 0 to 100, that failed checks never go below; 0 is off.
    pub floor: u8,
    /// The weight falls with the response time.
    pub response_weight: bool,
    /// The output of an external check may name a weight.
    pub external_weight: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rise: 1,
            fast_interval: None,
            slow_start: None,
            damping: None,
            floor: 0,
            response_weight: false,
            external_weight: false,
        }
    }
}

/// Damping of servers that go down again and again, after that of BGP routes (RFC 2439,
/// section 4.2): every transition to down adds a penalty, which decays exponentially. Above
/// one threshold the server is suppressed, below another it is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damping {
    /// Added by every transition to down, 1 to [`Damping::FIGURE_MAX`].
    pub penalty: u32,
    /// Time in which the penalty halves, 1 s to [`Damping::HALF_LIFE_MAX`].
    pub half_life: Duration,
    /// Penalty from which on the server is suppressed; above `reuse`.
    pub suppress: u32,
    /// Penalty at which it is used again, at least 1.
    pub reuse: u32,
}

impl Damping {
    /// Largest penalty and threshold.
    pub const FIGURE_MAX: u32 = 1_000_000;

    /// Longest half-life: a day.
    pub const HALF_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

    /// Three transitions to down within 20 s suppress; a minute after that the server is
    /// used again if it stayed up, four minutes after it if it never ceased to flap.
    pub const DEFAULT: Self = Self {
        penalty: 1000,
        half_life: Duration::from_secs(60),
        suppress: 2500,
        reuse: 1000,
    };

    /// The penalty never grows beyond this, so that nobody is suppressed for longer than four
    /// half-lives after the last transition (RFC 2439, section 4.2, "ceiling"); or longer
    /// only if the threshold itself is above it.
    pub fn ceiling(&self) -> f64 {
        f64::from(self.reuse * 16).max(f64::from(self.suppress))
    }
}

impl fmt::Display for Damping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            penalty,
            half_life,
            suppress,
            reuse,
        } = self;
        write!(f, "{penalty},{},{suppress},{reuse}", half_life.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_word_leaves_standing_what_it_does_not_mention() {
        let mut advice = Advice {
            percent: Some(50),
            mode: Some(Mode::Drain),
            verdict: Some(Verdict::Down(Reason::new("disk full"))),
        };
        advice.update(&Advice {
            mode: Some(Mode::Ready),
            ..Advice::default()
        });
        assert_eq!(advice.share(), 50);
        assert_eq!(
            advice.verdict,
            Some(Verdict::Down(Reason::new("disk full")))
        );
        advice.update(&Advice {
            percent: Some(200),
            verdict: Some(Verdict::Up),
            ..Advice::default()
        });
        assert_eq!((advice.share(), advice.verdict), (100, Some(Verdict::Up)));
    }

    #[test]
    fn the_largest_figures_have_a_ceiling() {
        let most = Damping {
            penalty: Damping::FIGURE_MAX,
            half_life: Damping::HALF_LIFE_MAX,
            suppress: Damping::FIGURE_MAX,
            reuse: Damping::FIGURE_MAX - 1,
        };
        assert!(most.ceiling() >= f64::from(most.suppress));
        assert!(Damping::DEFAULT.ceiling() >= 16_000.0);
    }
}
