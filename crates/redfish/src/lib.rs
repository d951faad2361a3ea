//! The conversation with one BMC: HTTPS and trust, session, service root, log services and their pages, the event
//! stream, and what its JSON means.
//!
//! Only this crate knows what Redfish JSON looks like. It keeps no record of what has been read, decides nothing about
//! when to read, and knows neither journal nor fleet.

mod address;
mod auth;
mod certificate;
mod client;
mod connect_budget;
mod error;
mod event;
mod event_stream;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hardware;
mod https;
mod identity;
mod json;
mod log_entry;
mod log_service;
mod login_tries;
mod memory;
mod metrics;
mod network;
mod origins;
mod page;
mod registries;
mod registry;
mod request_budget;
mod response_head;
mod service_root;
mod sessions;
mod severity;
mod sse;
mod stream_body;
mod stream_connector;
mod text;
mod time;
mod transport_failure;
mod trust;

pub use address::{Address, AddressError};
pub use auth::{AuthMode, Login};
pub use certificate::{Certificate, Peer};
pub use client::{Client, ClientConfig, ConfigureError, Proving};
pub use error::{
    FailureReason, NotAvailable, OpenStreamError, Operation, RequestError, RequestErrorKind, StreamError,
};
pub use event::Event;
pub use event_stream::{EventStream, Noise, StreamItem};
pub use https::{Https, tls_client};
pub use identity::{Dating, Identity, Scheme, TwinKey, unversioned};
pub use log_entry::{Entry, Signs};
pub use log_service::{Keeping, Latest, LogService, LogServices};
pub use memory::Memory;
pub use metrics::Metrics;
pub use network::{Body, BoxError, Handshake, HttpService, Looking, Network, TransportError};
pub use page::{KnownPage, Page, PageLink};
pub use request_budget::{Asked, REQUESTS_PER_MINUTE_MAX, Requests};
pub use service_root::{ODD_PARENTS_MAX, ServiceRoot};
pub use time::plausible;
pub use trust::{Trust, TrustError};
