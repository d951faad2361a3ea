//! Basic logins against bcrypt hashes. A hash costs tens of milliseconds on purpose; so it is computed on a blocking thread,
//! few at once, and a password that was right is known again without it.
//!
//! A user who does not exist costs as much as one who does. Not here: how many wrong passwords a client may send
//! (`guard`), and where hashes come from (`config`).

use std::{
    collections::BTreeMap,
    hint::black_box,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use bcrypt::HashParts;
use model::Secret;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// Hashes computed at once: one core stays for the rest of the program on the smallest machine that matters.
const HASHES_AT_ONCE: usize = 2;
/// Who waits longer for a turn is told to come again.
const TURN_MAX: Duration = Duration::from_secs(10);
/// The salt of hashes whose result nobody wants.
const NO_SALT: [u8; 16] = [0; 16];

/// A user and what is claimed to be the password.
pub(super) struct Login {
    user: String,
    password: Secret,
}

impl Login {
    /// What a request's `Authorization` says; `None` where it says no Basic login.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = Secret::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
        let (user, password) = text.expose().split_once(':')?;
        Some(Self { user: user.to_owned(), password: Secret::new(password.to_owned()) })
    }
}

/// More hashes wait for their turn than can be computed in time.
#[derive(Debug)]
pub(super) struct Busy;

/// The users, and whose password is known to be right.
pub(super) struct Logins {
    users: BTreeMap<String, Secret>,
    /// The cost of the dearest hash, which every attempt costs.
    cost: u32,
    /// Nobody outside of this process can know a fingerprint, so that comparing two tells nothing by its time.
    key: [u8; 32],
    /// The fingerprint of each user's last right password. Held for a look or a write, never across a wait.
    verified: Mutex<BTreeMap<String, Fingerprint>>,
    turns: Arc<Semaphore>,
}

type Fingerprint = [u8; 32];

impl Logins {
    /// These users with their bcrypt hashes.
    pub(super) fn new(users: BTreeMap<String, Secret>) -> Self {
        let mut key = [0; 32];
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut key).expect("the kernel has random numbers");
        let cost = users.values().filter_map(cost).max().unwrap_or(bcrypt::DEFAULT_COST);
        let turns = Arc::new(Semaphore::new(HASHES_AT_ONCE));
        Self { users, cost, key, verified: Mutex::default(), turns }
    }

    /// Whether this very login has been right before.
    pub(super) fn knows(&self, login: &Login) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.get(&login.user).is_some_and(|known| same(known, &self.fingerprint(login)))
    }

    /// Whether the login is right, by its hash.
    pub(super) async fn verify(&self, login: Login) -> Result<bool, Busy> {
        let fingerprint = self.fingerprint(&login);
        let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = turn.await else { return Err(Busy) };
        let (hash, dearest) = (self.users.get(&login.user).cloned(), self.cost);
        // The turn goes with the work: a client that hangs up does not make room for the next hash.
        let work = move || {
            let right = is_right(hash.as_ref(), dearest, login.password.expose());
            drop(turn);
            (right, login.user)
        };
        let (right, user) = tokio::task::spawn_blocking(work).await.map_err(|_| Busy)?;
        if right {
            self.verified.lock().unwrap_or_else(PoisonError::into_inner).insert(user, fingerprint);
        }
        Ok(right)
    }

    fn fingerprint(&self, login: &Login) -> Fingerprint {
        let hash = Sha256::new().chain_update(self.key);
        let user = Sha256::digest(login.user.as_bytes());
        hash.chain_update(user).chain_update(login.password.expose().as_bytes()).finalize().into()
    }
}

/// Compares in constant time.
fn same(one: &Fingerprint, other: &Fingerprint) -> bool {
    black_box(one.iter().zip(other).fold(0, |different, (a, b)| different | (a ^ b))) == 0
}

/// Checks a password with the work of the dearest hash, whoever's it is and whether there is one or not.
fn is_right(hash: Option<&Secret>, dearest: u32, password: &str) -> bool {
    let Some(hash) = hash else {
        black_box(bcrypt::hash_with_salt(password, dearest, NO_SALT).is_ok());
        return false;
    };
    let right = bcrypt::verify(password, hash.expose()).unwrap_or(false);
    for cost in padding(cost(hash).unwrap_or(dearest), dearest) {
        black_box(bcrypt::hash_with_salt(password, cost, NO_SALT).is_ok());
    }
    right
}

/// The costs of the hashes that make up the difference: a step of cost doubles the work, and 2 + 2 + 4 + 8 = 16.
fn padding(cost: u32, dearest: u32) -> Range<u32> {
    cost..dearest
}

/// The cost of a bcrypt hash; `None` where the text is none.
pub(crate) fn cost(hash: &Secret) -> Option<u32> {
    hash.expose().parse::<HashParts>().ok().map(|parts| parts.get_cost())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.to_owned(), password: Secret::new(password.to_owned()) }
    }

    fn logins() -> Logins {
        let hash = |password, cost| Secret::new(bcrypt::hash(password, cost).unwrap());
        Logins::new([("ada".to_owned(), hash("s3cret", 4)), ("bob".to_owned(), hash("hunter2", 6))].into())
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_user_is_right() {
        let logins = logins();
        for (user, password, right) in [
            ("ada", "s3cret", true),
            ("bob", "hunter2", true),
            ("ada", "hunter2", false),
            ("ada", "", false),
            ("eve", "s3cret", false),
            ("", "", false),
        ] {
            assert_eq!(logins.verify(login(user, password)).await.unwrap(), right, "{user}");
        }
    }

    #[tokio::test]
    async fn a_right_password_is_known_again_and_nothing_else_is() {
        let logins = logins();
        assert!(!logins.knows(&login("ada", "s3cret")));
        assert!(!logins.verify(login("ada", "wrong")).await.unwrap());
        assert!(!logins.knows(&login("ada", "wrong")));
        assert!(logins.verify(login("ada", "s3cret")).await.unwrap());
        assert!(logins.knows(&login("ada", "s3cret")));
        assert!(!logins.knows(&login("bob", "s3cret")) && !logins.knows(&login("ada", "s3cret2")));
    }

    #[test]
    fn every_user_and_nobody_cost_the_same_work() {
        assert_eq!(logins().cost, 6);
        for cost in 4..=12 {
            let work: u64 = [cost].into_iter().chain(padding(cost, 12)).map(|cost| 1 << cost).sum();
            assert_eq!(work, 1 << 12);
        }
    }

    #[test]
    fn a_basic_login_is_read_and_anything_else_is_none() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )]);
            Login::of(&headers).map(|login| (login.user.clone(), login.password.expose().to_owned()))
        };
        let encoded = STANDARD.encode("ada:a:b");
        assert_eq!(of(&format!("basic {encoded}")), Some(("ada".to_owned(), "a:b".to_owned())));
        for other in ["", "Basic", "Basic !", "Bearer abc", &format!("Basic {}", STANDARD.encode("ada"))] {
            assert_eq!(of(other), None, "{other}");
        }
        assert!(Login::of(&HeaderMap::new()).is_none());
    }
}
