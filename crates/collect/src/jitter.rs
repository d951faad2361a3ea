//! Chance with a seed and an owner: one generator per collector, so that a fleet's timers spread and a run repeats.

use std::time::Duration;

use model::{EndpointId, Uid};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// A seeded source of small random waits.
#[derive(Debug)]
pub(crate) struct Jitter(SmallRng);

impl Jitter {
    /// The generator of one endpoint: the same process seed and id give the same waits.
    pub(crate) fn of(seed: u64, id: &EndpointId) -> Self {
        let bytes = Uid::derive([&seed.to_le_bytes()[..], id.as_str().as_bytes()]).to_bytes();
        let own = u64::from_le_bytes(bytes[..8].try_into().expect("16 bytes hold 8"));
        Self(SmallRng::seed_from_u64(own))
    }

    /// Uniform in `0..=most`.
    pub(crate) fn up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.0.random_range(0.0..=1.0))
    }

    /// Uniform in `wait/2..=wait`: never longer than promised, and two endpoints seldom meet.
    pub(crate) fn around(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(self.0.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_endpoint_wait_alike_and_others_do_not() {
        let wait = |seed, id: &str| {
            Jitter::of(seed, &EndpointId::try_from(id).unwrap()).up_to(Duration::from_hours(1))
        };
        assert_eq!(wait(1, "a"), wait(1, "a"));
        assert_ne!(wait(1, "a"), wait(1, "b"));
        assert_ne!(wait(1, "a"), wait(2, "a"));
    }
}
