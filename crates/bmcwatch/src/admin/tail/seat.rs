//! Seats: how many clients follow the records at once, in all and of one address. A seat is free when it is dropped.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{admin::window::Client, metrics::Tails};

/// Each costs a file descriptor and some tens of kilobytes; dashboards of a whole operations team are fewer.
pub(super) const SEATS_MAX: usize = 256;
/// Of one address: a proxy has many people behind it, and still the others find a seat.
const SEATS_OF_CLIENT_MAX: usize = SEATS_MAX / 2;

/// All seats. The lock is held for one look, never across a wait.
#[derive(Clone)]
pub(super) struct Seats {
    taken: Arc<Mutex<BTreeMap<Client, usize>>>,
    tails: Tails,
}

/// One of them.
pub(super) struct Seat {
    seats: Seats,
    client: Client,
}

impl Seats {
    pub(super) fn new(tails: Tails) -> Self {
        Self { taken: Arc::default(), tails }
    }

    /// A seat, unless there is none for this client.
    pub(super) fn take(&self, address: IpAddr) -> Option<Seat> {
        let client = Client::from(address);
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let of_client = taken.entry(client).or_default();
        if all >= SEATS_MAX || *of_client >= SEATS_OF_CLIENT_MAX {
            return None;
        }
        *of_client += 1;
        drop(taken);
        self.tails.came();
        Some(Seat { seats: self.clone(), client })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<Client, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.tails.went();
        let mut taken = self.seats.taken();
        if let Some(of_client) = taken.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn one_address_gets_half_of_the_seats_and_a_seat_that_is_left_is_free() {
        let seats = Seats::new(Metrics::new("test").unwrap().tails());
        let of = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut first: Vec<Seat> = (0..SEATS_OF_CLIENT_MAX).map(|_| seats.take(of(1)).unwrap()).collect();
        assert!(seats.take(of(1)).is_none());
        let second: Vec<Seat> = (0..SEATS_OF_CLIENT_MAX).map(|_| seats.take(of(2)).unwrap()).collect();
        assert!(seats.take(of(3)).is_none());
        first.pop();
        assert!(seats.take(of(3)).is_some());
        drop((first, second));
        assert!(seats.taken().values().all(|taken| *taken == 0));
    }
}
