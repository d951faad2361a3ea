//! Who we are, to a NATS server.

use async_nats::ConnectOptions;
use model::Secret;
use nkeys::{KeyPair, KeyPairType};

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// Anybody.
    None,
    /// Whoever has the token.
    Token(Secret),
    /// A user with a password.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// Whoever has the seed of this key. It is not sent: it signs what the server asks.
    Nkey(Secret),
    /// Whoever has this credentials file: its content, a token that names us and the seed of our key.
    Credentials(Secret),
}

/// A secret is none of its kind. What it is, is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Not a seed, or not that of a user.
    #[error("it holds no seed of a user's NKey: one line that begins with SU")]
    Nkey,
    /// Not a credentials file.
    #[error(
        "it is no credentials file: the user's JWT and the seed of its NKey, as `nsc generate creds` writes them"
    )]
    Credentials,
}

impl NatsLogin {
    /// Whether a server could make something of it.
    pub fn check(&self) -> Result<(), LoginError> {
        self.options().map(drop)
    }

    pub(super) fn options(&self) -> Result<ConnectOptions, LoginError> {
        let options = ConnectOptions::new();
        match self {
            Self::None => Ok(options),
            Self::Token(token) => Ok(options.token(token.expose().to_owned())),
            Self::Password { username, password } => {
                Ok(options.user_and_password(username.clone(), password.expose().to_owned()))
            }
            Self::Nkey(seed) => match KeyPair::from_seed(seed.expose()) {
                Ok(pair) if pair.key_pair_type() == KeyPairType::User => {
                    Ok(options.nkey(seed.expose().to_owned()))
                }
                Ok(_) | Err(_) => Err(LoginError::Nkey),
            },
            // Its error may quote the file.
            Self::Credentials(file) => {
                options.credentials(file.expose()).map_err(|_| LoginError::Credentials)
            }
        }
    }
}
