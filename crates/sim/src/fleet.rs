//! Many BMCs on real sockets: each on a loopback address of its own, behind TLS or plain. The fleet owns
//! every task it starts. What one BMC's socket does stands in `listener.rs`.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Response};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    bmc::{Bmc, Refused},
    listener::{self, Door},
    recording::Recording,
    stream::{Body, BoxError},
    tls::{ADDRESSES_PER_CERTIFICATE, Authority},
};

/// What a fleet is made from.
pub struct FleetConfig {
    /// What to serve, one address each.
    pub serve: Vec<Serve>,
    /// Where.
    pub addresses: Addresses,
    /// How.
    pub transport: Transport,
}

/// One thing to serve, on a socket or in process.
#[derive(Clone)]
pub enum Serve {
    /// A BMC; the caller keeps a clone for its levers, or asks [`Fleet::bmcs`].
    Bmc(Arc<Bmc>),
    /// A recording of a real machine.
    Recording(Arc<Recording>),
}

impl Serve {
    /// Answers one request in process, as [`Bmc::handle`] or [`Recording::handle`] does.
    ///
    /// # Errors
    /// [`Refused`] stands for a failure below HTTP.
    pub async fn handle<B>(&self, request: Request<B>) -> Result<Response<Body>, Refused>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        match self {
            Self::Bmc(bmc) => bmc.handle(request).await,
            Self::Recording(recording) => Ok(recording.handle(&request)),
        }
    }
}

/// The addresses of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Each on its own address, from this one upward; with port 0 each gets a free port.
    Each(SocketAddrV4),
    /// All on this address, each on a free port.
    Shared(Ipv4Addr),
}

impl Default for Addresses {
    fn default() -> Self {
        Self::Each(SocketAddrV4::new(Ipv4Addr::new(127, 66, 0, 1), 8443))
    }
}

/// How a fleet speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS with certificates of the fleet's own authority.
    Tls,
    /// HTTP.
    Plain,
}

/// A running fleet. [`Fleet::stop`] ends it; dropping it aborts its tasks.
pub struct Fleet {
    bmcs: Vec<Arc<Bmc>>,
    addresses: Vec<SocketAddrV4>,
    transport: Transport,
    authority: Authority,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl Fleet {
    /// Makes the certificates, binds every address and begins to serve.
    ///
    /// # Errors
    /// When an address cannot be bound or a certificate not be made.
    pub async fn start(config: FleetConfig) -> io::Result<Self> {
        let FleetConfig { serve, addresses, transport } = config;
        let authority = Authority::new()?;
        let mut fleet = Self {
            bmcs: Vec::new(),
            addresses: Vec::with_capacity(serve.len()),
            transport,
            authority,
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
        };
        let wanted: Vec<SocketAddrV4> =
            (0..serve.len()).map(|index| nth_address(addresses, index)).collect::<io::Result<_>>()?;
        let mut acceptor = None;
        for (index, serve) in serve.into_iter().enumerate() {
            if index % ADDRESSES_PER_CERTIFICATE == 0 && transport == Transport::Tls {
                acceptor = Some(fleet.acceptor(&wanted[index..])?);
            }
            fleet.serve(serve, wanted[index], acceptor.clone())?;
            if index % ADDRESSES_PER_CERTIFICATE == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(fleet)
    }

    fn acceptor(&self, from: &[SocketAddrV4]) -> io::Result<TlsAcceptor> {
        let mut ips: Vec<Ipv4Addr> =
            from.iter().take(ADDRESSES_PER_CERTIFICATE).map(SocketAddrV4::ip).copied().collect();
        ips.dedup();
        Ok(TlsAcceptor::from(self.authority.server(&ips)?))
    }

    fn serve(&mut self, serve: Serve, at: SocketAddrV4, acceptor: Option<TlsAcceptor>) -> io::Result<()> {
        let listener = listener::bind(at)?;
        let at = match listener.local_addr()? {
            std::net::SocketAddr::V4(bound) => bound,
            std::net::SocketAddr::V6(_) => at,
        };
        if let Serve::Bmc(bmc) = &serve {
            self.bmcs.push(Arc::clone(bmc));
        }
        self.addresses.push(at);
        let door = Door { serve, at, acceptor, stop: self.stop.clone() };
        self.tasks.spawn(door.run(listener));
        Ok(())
    }

    /// The BMCs in the order they were given; recordings are not among them.
    pub fn bmcs(&self) -> &[Arc<Bmc>] {
        &self.bmcs
    }

    /// How many are served, recordings included.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether nothing is served.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// `https://127.66.0.1:8443` of the one served at a place, recordings counted; panics past the end.
    pub fn address(&self, index: usize) -> String {
        let scheme = match self.transport {
            Transport::Tls => "https",
            Transport::Plain => "http",
        };
        format!("{scheme}://{}", self.addresses[index])
    }

    /// The authority's certificate in PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority.ca_pem()
    }

    /// What comes after `pin:sha256/`: the SHA-256 of the BMCs' public key (SPKI) in base64.
    pub fn pin(&self) -> String {
        self.authority.pin()
    }

    /// Closes every socket and waits until all tasks have ended.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            listener::surface(ended);
        }
    }
}

fn nth_address(addresses: Addresses, index: usize) -> io::Result<SocketAddrV4> {
    match addresses {
        Addresses::Shared(ip) => Ok(SocketAddrV4::new(ip, 0)),
        Addresses::Each(first) => {
            let ip = u32::try_from(index)
                .ok()
                .and_then(|index| first.ip().to_bits().checked_add(index))
                .map(Ipv4Addr::from_bits)
                .filter(Ipv4Addr::is_loopback)
                .ok_or_else(|| {
                    io::Error::new(io::ErrorKind::AddrNotAvailable, "leave the loopback network")
                })?;
            Ok(SocketAddrV4::new(ip, first.port()))
        }
    }
}
