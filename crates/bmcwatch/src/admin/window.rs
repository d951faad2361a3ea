//! How often each client comes: a sliding window per client, pure, handed the time, and bounded in memory.
//!
//! It slides by estimate: of the period before the current one counts the share that still lies within the window. So a
//! client costs two numbers, however often it comes. Not here: what is told to a client that comes too often (`guard`).

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use tokio::time::Instant;

/// Clients that are remembered at once. Who has more addresses than that is not stopped by counting per address.
const CLIENTS_MAX: usize = 1024;

/// Who is counted as one: an IPv4 address, or an IPv6 network of 64 bits, which is what one machine gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(std::net::Ipv6Addr::from_bits(network).into())
            }
        }
    }
}

/// What a window lets through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// So many ...
    pub(super) times: u32,
    /// ... within this time.
    pub(super) window: Duration,
}

/// A window for each client.
#[derive(Debug)]
pub(super) struct Windows {
    limit: Limit,
    clients: BTreeMap<Client, Count>,
}

#[derive(Debug)]
struct Count {
    /// When the current period began; the one before it is as long as the window.
    start: Instant,
    before: u32,
    current: u32,
}

impl Windows {
    pub(super) fn new(limit: Limit) -> Self {
        assert!(limit.times > 0, "a limit that lets nothing through");
        Self { limit, clients: BTreeMap::new() }
    }

    /// Counts one more time, or says how long to wait until there is room for it.
    pub(super) fn take(&mut self, client: Client, now: Instant) -> Result<(), Duration> {
        if !self.clients.contains_key(&client) {
            self.make_room(now);
        }
        let limit = self.limit;
        let count = self.clients.entry(client).or_insert_with(|| Count { start: now, before: 0, current: 0 });
        count.roll(now, limit.window);
        match count.wait(now, limit) {
            None => {
                count.current += 1;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// Takes one time back that turned out not to count.
    pub(super) fn give_back(&mut self, client: Client) {
        if let Some(count) = self.clients.get_mut(&client) {
            count.current = count.current.saturating_sub(1);
        }
    }

    /// Forgets those whose times no longer count, and if there are none, who has been counted for longest.
    fn make_room(&mut self, now: Instant) {
        if self.clients.len() < CLIENTS_MAX {
            return;
        }
        let forgotten = 2 * self.limit.window;
        self.clients.retain(|_, count| now.saturating_duration_since(count.start) < forgotten);
        if self.clients.len() >= CLIENTS_MAX
            && let Some((&oldest, _)) = self.clients.iter().min_by_key(|(_, count)| count.start)
        {
            self.clients.remove(&oldest);
        }
    }
}

impl Count {
    fn roll(&mut self, now: Instant, window: Duration) {
        let passed = now.saturating_duration_since(self.start);
        if passed >= 2 * window {
            *self = Self { start: now, before: 0, current: 0 };
        } else if passed >= window {
            *self = Self { start: self.start + window, before: self.current, current: 0 };
        }
    }

    /// How long until one more fits; `None` when it fits now.
    fn wait(&self, now: Instant, limit: Limit) -> Option<Duration> {
        let into = now.saturating_duration_since(self.start);
        let (until, before, room) = match (limit.times - 1).checked_sub(self.current) {
            Some(room) => (Duration::ZERO, self.before, room),
            // The current period is full by itself: it has to become the one before.
            None => (limit.window, self.current, limit.times - 1),
        };
        // So much of the period before has to leave the window that what is left of `before` comes down to `room`.
        let fits_at = until + limit.window * before.saturating_sub(room) / before.max(1);
        Some(fits_at.saturating_sub(into)).filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { times: 10, window: Duration::from_mins(1) };

    fn client(last: u8) -> Client {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_limit_holds_and_room_comes_back_little_by_little() {
        let start = Instant::now();
        let mut windows = Windows::new(LIMIT);
        assert!((0..10).all(|_| windows.take(client(1), start).is_ok()));
        // All ten lie in the current period: the first leaves the window six seconds into the next one.
        assert_eq!(windows.take(client(1), after(start, 30)), Err(Duration::from_secs(36)));
        assert_eq!(windows.take(client(1), after(start, 65)), Err(Duration::from_secs(1)));
        assert_eq!(windows.take(client(1), after(start, 66)), Ok(()));
        assert_eq!(windows.take(client(1), after(start, 66)), Err(Duration::from_secs(6)));
        assert!((0..9).all(|_| windows.take(client(1), after(start, 120)).is_ok()));
    }

    #[test]
    fn who_waits_as_long_as_told_is_let_through_and_not_before() {
        let mut now = Instant::now();
        let mut windows = Windows::new(LIMIT);
        for _ in 0..200 {
            match windows.take(client(1), now) {
                Ok(()) => {}
                Err(wait) => {
                    assert!(windows.take(client(1), now + wait - Duration::from_millis(1)).is_err());
                    now += wait;
                    assert_eq!(windows.take(client(1), now), Ok(()));
                }
            }
        }
    }

    #[test]
    fn clients_do_not_count_for_each_other_and_a_refused_time_does_not_count() {
        let start = Instant::now();
        let mut windows = Windows::new(LIMIT);
        assert_eq!((0..100).filter(|_| windows.take(client(1), start).is_ok()).count(), 10);
        assert_eq!(windows.take(client(2), start), Ok(()));
        assert_eq!(windows.take(client(1), after(start, 180)), Ok(()));
    }

    #[test]
    fn what_is_given_back_does_not_count() {
        let start = Instant::now();
        let mut windows = Windows::new(LIMIT);
        for _ in 0..100 {
            assert_eq!(windows.take(client(1), start), Ok(()));
            windows.give_back(client(1));
        }
    }

    #[test]
    fn memory_is_bounded_and_those_who_came_lately_are_remembered() {
        let start = Instant::now();
        let mut windows = Windows::new(LIMIT);
        let clients = 10 * u32::try_from(CLIENTS_MAX).unwrap();
        for number in 0..clients {
            let address = IpAddr::from(number.to_be_bytes());
            assert!(windows.take(address.into(), start + Duration::from_millis(number.into())).is_ok());
            assert!(windows.clients.len() <= CLIENTS_MAX);
        }
        let last = IpAddr::from((clients - 1).to_be_bytes()).into();
        assert_eq!(windows.clients[&last].current, 1);
    }

    #[test]
    fn an_ipv6_machine_is_one_client_however_it_calls_itself() {
        let client = |text: &str| Client::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(client("2001:db8:0:1::1"), client("2001:db8:0:1:ffff::2"));
        assert_ne!(client("2001:db8:0:1::1"), client("2001:db8:0:2::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }
}
