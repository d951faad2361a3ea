//! The families of the admin listener: what it refused, who follows the records, and why somebody no longer does.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// Why a request, or a connection before any, was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The TLS handshake failed or took too long.
    Handshake,
    /// One client holds too many connections.
    Connections,
    /// The client asks too often.
    Rate,
    /// The body is too large.
    Body,
    /// The name in `Host` is not ours.
    Host,
    /// A page of another origin asks for a change.
    CrossSite,
    /// No client certificate.
    Certificate,
    /// No login, or a wrong one.
    Login,
    /// Too many wrong logins of this client.
    LoginRate,
    /// Too many logins are being checked.
    Busy,
    /// A change was asked for from another machine without a login.
    Remote,
    /// Too many follow the records already, in all or of one client.
    Tails,
}

impl Refused {
    /// All of them, in the order of the label's documentation.
    const ALL: [Self; 12] = [
        Self::Handshake,
        Self::Connections,
        Self::Rate,
        Self::Body,
        Self::Host,
        Self::CrossSite,
        Self::Certificate,
        Self::Login,
        Self::LoginRate,
        Self::Busy,
        Self::Remote,
        Self::Tails,
    ];

    /// The label.
    fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Connections => "connections",
            Self::Rate => "rate",
            Self::Body => "body",
            Self::Host => "host",
            Self::CrossSite => "cross_site",
            Self::Certificate => "certificate",
            Self::Login => "login",
            Self::LoginRate => "login_rate",
            Self::Busy => "busy",
            Self::Remote => "remote",
            Self::Tails => "tails",
        }
    }
}

/// Counts refusals by reason.
#[derive(Debug, Clone)]
pub struct Refusals(IntCounterVec);

impl Refusals {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let opts =
            Opts::new("admin_requests_refused_total", "Requests that the admin listener refused, by reason.");
        let family = IntCounterVec::new(opts, &["reason"])?;
        for reason in Refused::ALL {
            family.with_label_values(&[reason.as_str()]);
        }
        registry.register(Box::new(family.clone()))?;
        Ok(Self(family))
    }

    /// Counts one.
    pub fn count(&self, reason: Refused) {
        self.0.with_label_values(&[reason.as_str()]).inc();
    }
}

/// Why somebody no longer follows the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailEnding {
    /// The client went.
    Left,
    /// It takes less than comes; it reads the rest when it comes back.
    Slow,
    /// It takes nothing at all.
    Stalled,
    /// The journal could not be read.
    Unreadable,
    /// The program ends.
    Stopping,
}

impl TailEnding {
    /// All of them, in the order of the label's documentation.
    const ALL: [Self; 5] = [Self::Left, Self::Slow, Self::Stalled, Self::Unreadable, Self::Stopping];

    /// The label, and what the client is told.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Unreadable => "unreadable",
            Self::Stopping => "stopping",
        }
    }
}

/// Counts who follows the records.
#[derive(Debug, Clone)]
pub struct Tails {
    clients: IntGauge,
    ended: IntCounterVec,
}

impl Tails {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let clients = IntGauge::new("tail_clients", "Clients that follow the records now.")?;
        let opts =
            Opts::new("tail_clients_ended_total", "Clients that no longer follow the records, by reason.");
        let ended = IntCounterVec::new(opts, &["reason"])?;
        for ending in TailEnding::ALL {
            ended.with_label_values(&[ending.as_str()]);
        }
        registry.register(Box::new(clients.clone()))?;
        registry.register(Box::new(ended.clone()))?;
        Ok(Self { clients, ended })
    }

    pub(crate) fn came(&self) {
        self.clients.inc();
    }

    pub(crate) fn went(&self) {
        self.clients.dec();
    }

    pub(crate) fn ended(&self, ending: TailEnding) {
        self.ended.with_label_values(&[ending.as_str()]).inc();
    }
}
