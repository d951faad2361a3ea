//! A NATS server under an operator, which lets in who has a credentials file. Its tokens are made here as `nsc` makes them, so that
//! the tool is not needed.

use async_nats::ConnectOptions;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use model::Secret;
use nkeys::KeyPair;
use serde_json::{Value, json};
use sink::NatsLogin;

use crate::{
    broker::{Broker, stream},
    nats::{access, complaint, sink, uids},
    story::{Story, no_tls, record, until},
};

/// A token: who says it, of whom, and what.
fn token(issuer: &KeyPair, subject: &KeyPair, name: &str, kind: &str, more: &Value) -> String {
    let mut claims = json!({ "type": kind, "version": 2 });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = json!({
        "jti": "x", "iat": 1_700_000_000, "name": name,
        "iss": issuer.public_key(), "sub": subject.public_key(), "nats": claims,
    });
    let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let said = [head, body].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(said.as_bytes()).unwrap());
    format!("{said}.{signature}")
}

/// An operator, its system's account, and one account that has JetStream.
struct Operator {
    own: KeyPair,
    system: KeyPair,
    account: KeyPair,
}

impl Operator {
    fn new() -> Self {
        Self { own: KeyPair::new_operator(), system: KeyPair::new_account(), account: KeyPair::new_account() }
    }

    /// For the configuration of a server.
    fn configuration(&self) -> String {
        let limits = |storage: i64| {
            json!({ "limits": {
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
                "mem_storage": storage, "disk_storage": storage, "streams": -1, "consumer": -1,
            } })
        };
        let operator = token(&self.own, &self.own, "operator", "operator", &json!({}));
        let system = token(&self.own, &self.system, "SYS", "account", &limits(0));
        let account = token(&self.own, &self.account, "bmc", "account", &limits(-1));
        let (system_key, account_key) = (self.system.public_key(), self.account.public_key());
        Broker::jetstream_on(&format!(
            "operator: {operator}\nsystem_account: {system_key}\nresolver: MEMORY\n\
             resolver_preload: {{ {system_key}: {system}, {account_key}: {account} }}"
        ))
    }

    /// A user of the account.
    fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let limits = json!({ "subs": -1, "data": -1, "payload": -1 });
        let token = token(&self.account, &user, "ada", "user", &limits);
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             NKEY Seed printed below can be used to sign and prove identity.\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap()
        )
    }
}

#[tokio::test]
async fn a_credentials_file_lets_in_who_has_it() {
    let (operator, other) = (Operator::new(), Operator::new());
    let broker = Broker::start(&operator.configuration()).await;
    let as_user = || ConnectOptions::new().credentials(&operator.credentials()).unwrap();
    broker.jetstream_as(as_user()).await.create_stream(stream()).await.unwrap();
    let login = |text: String| NatsLogin::Credentials(Secret::new(text));
    let mut story = Story::begin().await;
    story.append((1..=3).map(record)).await;
    let (change, config) = sink(&broker, "nats", access(login(other.credentials()), no_tls()));
    let mut status = story.pump(config);
    let error = complaint(&mut status, "log in to nats://localhost:").await;
    assert!(!error.contains("BEGIN") && !error.contains("eyJ"), "{error}");
    change.send_replace(access(login(operator.credentials()), no_tls()));
    until(&mut status, |view| view.position == 3).await;
    let messages = Broker::messages(&broker.jetstream_as(as_user()).await).await;
    assert_eq!(messages.into_iter().map(|(uid, _)| uid).collect::<Vec<_>>(), uids(1..=3));
    story.end().await;
}
