//! The wall clock behind a trait, so that tests of the grace time need not wait.

use std::fmt;

use time::OffsetDateTime;

use super::timestamp;

/// Where "now" comes from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time in UTC, in whole microseconds: what the catalog stores is what it answered.
    fn now(&self) -> OffsetDateTime;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        timestamp::whole_microseconds(OffsetDateTime::now_utc())
    }
}

#[cfg(test)]
pub(crate) mod manual {
    //! A clock that a test moves by hand.

    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Debug)]
    pub(crate) struct ManualClock(Arc<Mutex<OffsetDateTime>>);

    impl ManualClock {
        pub(crate) fn new() -> Self {
            let start = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
            Self(Arc::new(Mutex::new(start)))
        }

        pub(crate) fn advance(&self, by: time::Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> OffsetDateTime {
            *self.0.lock().unwrap()
        }
    }
}
