//! How long to wait before the next try. Pure.

use std::time::Duration;

use super::Patience;

/// Between the first two tries and at most: of a trouble that may be over soon, and of one that needs a person.
const SOON: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];
const SLOWLY: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

/// Doubles from try to try until one succeeds.
#[derive(Debug, Default)]
pub struct Pauses {
    tries: u32,
}

impl Pauses {
    pub fn next(&mut self, patience: Patience) -> Duration {
        let [first, last] = if patience == Patience::Slowly { SLOWLY } else { SOON };
        let pause = first.saturating_mul(1 << self.tries.min(10)).min(last);
        self.tries = self.tries.saturating_add(1);
        match patience {
            Patience::After(asked) => asked.max(pause),
            Patience::Soon | Patience::Slowly => pause,
        }
    }

    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_are_short_again_after_a_success() {
        let mut pauses = Pauses::default();
        let all: Vec<_> = (0..100).map(|_| pauses.next(Patience::Soon)).collect();
        assert!(all[0] == SOON[0] && all[1] == SOON[0] * 2 && all[99] == SOON[1] && all.is_sorted());
        assert_eq!(pauses.next(Patience::Slowly), SLOWLY[1]);
        pauses.reset();
        assert_eq!(pauses.next(Patience::Slowly), SLOWLY[0]);
    }

    #[test]
    fn what_loki_asks_for_is_waited_but_never_less_than_otherwise() {
        let mut pauses = Pauses::default();
        let asked = Duration::from_secs(60);
        assert_eq!(pauses.next(Patience::After(asked)), asked);
        assert_eq!(pauses.next(Patience::After(Duration::ZERO)), SOON[0] * 2);
    }
}
