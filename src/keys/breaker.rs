//! Leaves a key server alone that does not answer.
//!
//! ```text
//!            FAILURES in a row            pause over: one request is let through
//!   Closed ───────────────────► Open ─────────────────────────► Probing
//!     ▲                          ▲                                │  │
//!     │                          └──── it fails: longer pause ────┘  │
//!     └──────────────────────────────── it succeeds ─────────────────┘
//! ```
//!
//! A state machine without a clock: the time is handed in. A probe that never reports back counts
//! as failed once the pause is over again.

use std::time::{Duration, Instant};

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Pauses double up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The state of one server. See the module documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breaker {
    state: State,
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    Probing { until: Instant },
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed { failures: 0 }, pause: FIRST_PAUSE }
    }
}

impl Breaker {
    /// Whether a request may be sent now; if not, how long to leave the server alone. Each request
    /// that was let through reports with [`Breaker::succeeded`] or [`Breaker::failed`].
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until } | State::Probing { until } if now < until => Err(until - now),
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing { until: now + self.pause };
                Ok(())
            }
        }
    }

    /// The server answered, whatever it said.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The server did not answer.
    pub(super) fn failed(&mut self, now: Instant) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => State::Open { until: now + self.pause },
            State::Probing { .. } => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                State::Open { until: now + self.pause }
            }
            // Sent before it opened; tells nothing new.
            open @ State::Open { .. } => open,
        };
    }

    /// Whether requests are held back.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(now), Ok(()));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..FAILURES {
                breaker.failed(now);
            }
            breaker.succeeded();
        }
        assert!(!breaker.is_open() && breaker.admit(now).is_ok());
        assert_eq!(opened(now).admit(now), Err(seconds(1)));
    }

    #[test]
    fn one_probe_after_each_pause_and_pauses_grow() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(breaker.admit(now), Err(seconds(pause)));
            now += seconds(pause);
            assert_eq!(breaker.admit(now), Ok(()));
            assert!(breaker.admit(now).is_err(), "a second probe");
            breaker.failed(now);
        }
        now += seconds(60);
        assert_eq!(breaker.admit(now), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn a_probe_that_gets_lost_does_not_close_the_way_for_ever() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + seconds(1)), Ok(()));
        assert_eq!(breaker.admit(now + seconds(1)), Err(seconds(1)));
        assert_eq!(breaker.admit(now + seconds(2)), Ok(()));
    }

    #[test]
    fn late_reports_neither_lengthen_nor_shorten_a_pause() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let before = breaker.clone();
        breaker.failed(now + seconds(1));
        assert_eq!(breaker, before);
    }

    proptest! {
        /// However often it is asked while a server is down, few requests reach it.
        #[test]
        fn a_server_that_is_down_is_rarely_asked(steps in prop::collection::vec(0_u64..500, 1..400)) {
            let mut now = Instant::now();
            let start = now;
            let mut breaker = Breaker::default();
            let mut sent: u64 = 0;
            for milliseconds in steps {
                now += Duration::from_millis(milliseconds);
                if breaker.admit(now).is_ok() {
                    breaker.failed(now);
                    sent += 1;
                }
            }
            // After the first five: pauses of 1, 2, 4 … s, so a logarithm of the time.
            let probes = u64::from((now - start).as_secs().saturating_add(1).ilog2()) + 4;
            prop_assert!(sent <= u64::from(FAILURES) + probes, "{sent} in {:?}", now - start);
        }
    }
}
