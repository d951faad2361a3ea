//! The family of the admin listener: what it refused, and why.

use prometheus::{IntCounterVec, Opts, Registry};

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
}

impl Refused {
    /// All of them, in the order of the label's documentation.
    const ALL: [Self; 11] = [
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
