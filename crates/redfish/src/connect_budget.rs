//! The budget of connection attempts under way in the whole process, and the deadline of each.
//!
//! The wait for the budget is ours, not the BMC's: it counts against no deadline of a request. A request waits inside
//! [`within`], which hears of the wait through a task-local, because reqwest connects deep below the request.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tower::{Layer, Service};

use crate::BoxError;

/// Name resolution and TCP: a BMC that is there answers on its own network in milliseconds; one lost SYN is repeated
/// after 1 s, a second after 3 s.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The TLS handshake: slow BMCs sign with RSA in one to three seconds.
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// How many connection attempts may be under way.
#[derive(Clone)]
pub(crate) struct ConnectBudget(Arc<Semaphore>);

/// The connection was not made in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {0:?}")]
pub(crate) struct ConnectTimedOut(pub(crate) Duration);

impl ConnectBudget {
    /// At most `connects_max` attempts, at least one.
    pub(crate) fn new(connects_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(connects_max.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> OwnedSemaphorePermit {
        let waiting = WAIT.try_with(Wait::begin).ok();
        let permit = Arc::clone(&self.0).acquire_owned().await.expect("the budget is never closed");
        drop(waiting);
        permit
    }
}

tokio::task_local! {
    static WAIT: Wait;
}

/// The waits of one request for the budget.
#[derive(Clone, Default)]
struct Wait(Arc<Mutex<Waits>>);

#[derive(Default)]
struct Waits {
    since: Option<Instant>,
    total: Duration,
}

/// Ends a wait, also when the waiting future is dropped.
struct Waiting(Wait);

impl Wait {
    fn begin(&self) -> Waiting {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since = Some(Instant::now());
        Waiting(self.clone())
    }

    /// All waiting so far, and whether it goes on.
    fn total(&self, now: Instant) -> (Duration, bool) {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waits.since {
            Some(since) => (waits.total + (now - since), true),
            None => (waits.total, false),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = waits.since.take() {
            waits.total += since.elapsed();
        }
    }
}

/// Runs `future` with a deadline from which waits for the budget are exempt. `None` when the deadline passed.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let wait = Wait::default();
    let begun = Instant::now();
    let mut future = std::pin::pin!(WAIT.scope(wait.clone(), future));
    let mut deadline = begun + limit;
    loop {
        if let Ok(output) = timeout_at(deadline, &mut future).await {
            return Some(output);
        }
        let now = Instant::now();
        let (waited, waiting) = wait.total(now);
        let earned = begun + limit + waited;
        if !waiting && earned <= now {
            return None;
        }
        // While it waits, the time left is what was left when the wait began: look again after that long.
        deadline = earned.max(now + Duration::from_millis(100));
    }
}

/// Puts a connector under the budget and its deadline.
#[derive(Clone)]
pub(crate) struct BudgetLayer {
    budget: ConnectBudget,
}

impl BudgetLayer {
    pub(crate) fn new(budget: ConnectBudget) -> Self {
        Self { budget }
    }
}

impl<S> Layer<S> for BudgetLayer {
    type Service = Budgeted<S>;

    fn layer(&self, inner: S) -> Budgeted<S> {
        Budgeted { inner, budget: self.budget.clone() }
    }
}

/// A connector under the budget.
#[derive(Clone)]
pub(crate) struct Budgeted<S> {
    inner: S,
    budget: ConnectBudget,
}

impl<S, R> Service<R> for Budgeted<S>
where
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let clone = self.inner.clone();
        // The clone may not be ready; the one that was asked is.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let budget = self.budget.clone();
        Box::pin(async move {
            let _place = budget.enter().await;
            let limit = CONNECT_DEADLINE + HANDSHAKE_DEADLINE;
            match timeout(limit, inner.call(target)).await {
                Ok(connected) => connected,
                Err(_) => Err(ConnectTimedOut(limit).into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_the_budget_counts_against_no_deadline() {
        let budget = ConnectBudget::new(1);
        let limit = Duration::from_secs(10);
        let connect = async |takes: u64| {
            let _place = budget.enter().await;
            tokio::time::sleep(Duration::from_secs(takes)).await;
        };
        let begun = Instant::now();
        // Seven attempts of nine seconds, one after the other: the last waits 54 s and is in time all the same.
        let all = futures_util::future::join_all((0..7).map(|_| within(limit, connect(9)))).await;
        assert!(all.iter().all(Option::is_some));
        assert_eq!(begun.elapsed(), Duration::from_secs(63));
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_the_wait_has_the_whole_deadline_and_no_more() {
        let budget = ConnectBudget::new(1);
        let first = async {
            let _place = budget.enter().await;
            tokio::time::sleep(Duration::from_secs(25)).await;
        };
        let second = within(Duration::from_secs(10), async {
            let _place = budget.enter().await;
            std::future::pending::<()>().await;
        });
        let begun = Instant::now();
        let ((), outcome) = tokio::join!(first, second);
        assert!(outcome.is_none());
        assert_eq!(begun.elapsed(), Duration::from_secs(35));
    }
}
