//! The network between the daemon and the BMCs, where it goes wrong: in front of each BMC a proxy of plain TCP bytes that
//! delays, trickles, doubles, drops, half-closes, resets and swallows.
//!
//! Each connection has its fault from the seed of its BMC and its number; a fault may also strike what is open. It knows
//! nothing of TLS, HTTP or time of day.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Bytes handed on at once.
const CHUNK_BYTES: usize = 16 << 10;

/// A slow link hands on so many bytes at a time, with a pause after each: 10 KB a second.
const TRICKLE_BYTES: usize = 200;
const TRICKLE_PAUSE: Duration = Duration::from_millis(20);

/// A BMC is on this machine, or is not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// For so long a BMC does not learn that a client is gone behind a black hole.
const UNHEARD_FOR: Duration = Duration::from_secs(5);

/// For so long a BMC may take a connection for open that was broken.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// After so long at most a fault that was planned for a connection begins.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);

/// What the network does to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Each piece arrives later.
    Delay,
    /// Few bytes at a time.
    Trickle,
    /// What the client sends goes to a second connection too, whose answers nobody gets.
    Duplicate,
    /// What the BMC sends is dropped.
    Drop,
    /// The client is told that the BMC sends no more, while what it sends itself arrives.
    HalfClose,
    /// Both ends get RST.
    Reset,
    /// Nothing arrives anywhere any more, and nobody is told.
    BlackHole,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] = [
        Self::Delay,
        Self::Trickle,
        Self::Duplicate,
        Self::Drop,
        Self::HalfClose,
        Self::Reset,
        Self::BlackHole,
    ];

    /// Whether bytes arrive all the same, and in order.
    fn carries(self) -> bool {
        match self {
            Self::Delay | Self::Trickle | Self::Duplicate => true,
            Self::Drop | Self::HalfClose | Self::Reset | Self::BlackHole => false,
        }
    }

    fn by(rng: &mut SmallRng) -> Self {
        Self::ALL[rng.random_range(0..Self::ALL.len())]
    }
}

/// What is planned for a connection and what has begun.
#[derive(Debug, Clone, Copy, Default)]
struct Fate {
    planned: Option<Fault>,
    acting: Option<Fault>,
}

impl Fate {
    fn carries(self) -> bool {
        [self.planned, self.acting].into_iter().flatten().all(Fault::carries)
    }
}

/// The way to one BMC.
struct Way {
    to: SocketAddr,
    seed: u64,
    troubled: AtomicBool,
    open: Mutex<BTreeMap<u64, watch::Sender<Fate>>>,
    acted: Mutex<BTreeMap<Fault, u64>>,
}

/// The network of a fleet. Dropping it closes every connection.
pub(crate) struct Network {
    ways: Vec<Arc<Way>>,
    at: Vec<SocketAddr>,
    _tasks: JoinSet<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// A way to each of these addresses, from 127.`network`.0.0 upward; without faults until [`Network::trouble`].
    pub(crate) async fn start(network: u8, seed: u64, to: Vec<SocketAddr>) -> Self {
        let (mut ways, mut at, mut tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        for (n, to) in (1u32..).zip(to) {
            let ip = Ipv4Addr::from_bits(Ipv4Addr::new(127, network, 0, 0).to_bits() + n);
            let listener = TcpListener::bind((ip, 0)).await.expect("loopback has free ports");
            at.push(listener.local_addr().expect("it is bound"));
            let way = Arc::new(Way {
                to,
                seed: seed ^ u64::from(n) << 32,
                troubled: AtomicBool::new(false),
                open: Mutex::default(),
                acted: Mutex::default(),
            });
            tasks.spawn(Arc::clone(&way).run(listener));
            ways.push(way);
        }
        Self { ways, at, _tasks: tasks }
    }

    /// Where the BMC at a place is reached through this network.
    pub(crate) fn at(&self, n: usize) -> SocketAddr {
        self.at[n]
    }

    /// From now on one new connection in three has a fault.
    pub(crate) fn trouble(&self) {
        self.ways.iter().for_each(|way| way.troubled.store(true, Ordering::Relaxed));
    }

    /// A fault strikes every open connection to one BMC.
    pub(crate) fn strike(&self, n: usize, fault: Fault) {
        let way = &self.ways[n];
        for fate in lock(&way.open).values() {
            fate.send_modify(|fate| fate.acting = Some(fault));
            way.count(fault);
        }
    }

    /// Whether all that goes to and comes from a BMC arrives: there are connections, and none is to break.
    pub(crate) fn carries(&self, n: usize) -> bool {
        let open = lock(&self.ways[n].open);
        !open.is_empty() && open.values().all(|fate| fate.borrow().carries())
    }

    /// The network is mended: new connections are sound, and those that are not are reset, as by a firewall that has
    /// forgotten them.
    pub(crate) fn mend(&self) {
        for way in &self.ways {
            way.troubled.store(false, Ordering::Relaxed);
            for fate in lock(&way.open).values() {
                fate.send_if_modified(|fate| {
                    let broken = !fate.carries();
                    *fate = Fate { planned: None, acting: broken.then_some(Fault::Reset) };
                    true
                });
            }
        }
    }

    /// How often each fault has acted.
    pub(crate) fn acted(&self) -> BTreeMap<Fault, u64> {
        let mut sum = BTreeMap::new();
        for way in &self.ways {
            for (fault, times) in &*lock(&way.acted) {
                *sum.entry(*fault).or_default() += times;
            }
        }
        sum
    }
}

impl Way {
    async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        for number in 0.. {
            let accepted = loop {
                tokio::select! {
                    accepted = listener.accept() => break accepted,
                    Some(ended) = connections.join_next() => ended.expect("the proxy does not panic"),
                }
            };
            match accepted {
                Ok((client, _)) => drop(connections.spawn(Arc::clone(&self).connection(number, client))),
                // A full file table: leave it alone for a moment.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// What will happen to a connection, and when.
    fn plan(&self, number: u64) -> (Option<Fault>, Duration) {
        let mut rng = SmallRng::seed_from_u64(self.seed.wrapping_add(number));
        let troubled = self.troubled.load(Ordering::Relaxed);
        let fault = Some(Fault::by(&mut rng)).filter(|_| troubled && rng.random_range(0..3) == 0);
        // Half of them within the handshake or the first requests.
        let within = if rng.random() { BEGINS_WITHIN } else { BEGINS_WITHIN / 100 };
        (fault, within.mul_f64(rng.random_range(0.0..1.0)))
    }

    async fn connection(self: Arc<Self>, number: u64, client: TcpStream) {
        let (planned, after) = self.plan(number);
        let (tell, fate) = watch::channel(Fate { planned, acting: None });
        lock(&self.open).insert(number, tell);
        let begin = async {
            sleep(after).await;
            if let Some(tell) = lock(&self.open).get(&number) {
                tell.send_if_modified(|fate| {
                    let begins = fate.planned.filter(|_| fate.acting.is_none());
                    if let Some(fault) = begins {
                        self.count(fault);
                    }
                    fate.acting = fate.acting.or(begins);
                    begins.is_some()
                });
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = begin => {}
            () = self.carry(client, fate.clone()) => {}
        }
        if !fate.borrow().carries() {
            sleep(NOTICED_WITHIN).await;
        }
        lock(&self.open).remove(&number);
    }

    /// Hands bytes on until one side is closed or the network breaks the connection.
    async fn carry(&self, client: TcpStream, fate: watch::Receiver<Fate>) {
        let Ok(Ok(server)) = timeout(CONNECT_MAX, TcpStream::connect(self.to)).await else {
            reset(&client);
            return;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut ends = (to_client, to_server);
        tokio::select! {
            () = until_reset(fate.clone()) => {
                reset(ends.0.as_ref());
                reset(ends.1.as_ref());
                // A half that is dropped would say an orderly end first.
                ends.0.forget();
                ends.1.forget();
                return;
            }
            () = upward(from_client, &mut ends.1, (fate.clone(), self.to)) => {}
            () = downward(from_server, &mut ends.0, fate.clone()) => {}
        }
        if fate.borrow().acting == Some(Fault::BlackHole) {
            drop(ends.0);
            sleep(UNHEARD_FOR).await;
        }
    }

    fn count(&self, fault: Fault) {
        *lock(&self.acted).entry(fault).or_default() += 1;
    }
}

async fn until_reset(mut fate: watch::Receiver<Fate>) {
    while fate.borrow_and_update().acting != Some(Fault::Reset) {
        if fate.changed().await.is_err() {
            return;
        }
    }
}

/// Closing it will send RST.
fn reset(socket: &TcpStream) {
    // It is deprecated where closing may block; with zero it does not.
    #[expect(deprecated, reason = "a linger of zero never blocks")]
    let set = socket.set_linger(Some(Duration::ZERO));
    set.expect("the socket is ours");
}

/// From the client to the BMC, and to its double. Ends when the client has closed, which closes both.
async fn upward(
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    (fate, address): (watch::Receiver<Fate>, SocketAddr),
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut double = None;
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let acting = fate.borrow().acting;
        if acting == Some(Fault::Duplicate) {
            if double.is_none() {
                double = TcpStream::connect(address).await.ok();
            }
            if let Some(socket) = &mut double {
                // What becomes of it is its own affair.
                drop(socket.write_all(&buffer[..read]).await);
            }
        }
        if acting != Some(Fault::BlackHole) && write(to, &buffer[..read], acting).await.is_err() {
            break;
        }
    }
}

/// From the BMC to the client. Ends when the BMC has closed, which closes both.
async fn downward(mut from: OwnedReadHalf, to: &mut OwnedWriteHalf, mut fate: watch::Receiver<Fate>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = fate.changed() => {
                if fate.borrow_and_update().acting == Some(Fault::HalfClose) {
                    drop(to.shutdown().await);
                }
                continue;
            }
        };
        let acting = fate.borrow().acting;
        let swallows = matches!(acting, Some(Fault::Drop | Fault::HalfClose | Fault::BlackHole));
        match read {
            // The end is swallowed too; the client's own end is what is left.
            Ok(0) | Err(_) if swallows => std::future::pending().await,
            Ok(0) | Err(_) => return,
            Ok(_) if swallows => {}
            Ok(read) => {
                if write(to, &buffer[..read], acting).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn write(to: &mut OwnedWriteHalf, bytes: &[u8], acting: Option<Fault>) -> io::Result<()> {
    match acting {
        Some(Fault::Trickle) => {
            for piece in bytes.chunks(TRICKLE_BYTES) {
                to.write_all(piece).await?;
                sleep(TRICKLE_PAUSE).await;
            }
            Ok(())
        }
        Some(Fault::Delay) => {
            sleep(Duration::from_millis(300)).await;
            to.write_all(bytes).await
        }
        _ => to.write_all(bytes).await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// A BMC that answers each byte with two, and counts those who connect.
    async fn echo() -> (SocketAddr, Arc<Mutex<u64>>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, mut tasks, connected) = (listener.local_addr().unwrap(), JoinSet::new(), Arc::default());
        let counted: Arc<Mutex<u64>> = Arc::clone(&connected);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                *lock(&counted) += 1;
                open.spawn(async move {
                    while let Ok(byte) = socket.read_u8().await {
                        if socket.write_all(&[byte, byte]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (at, connected, tasks)
    }

    /// What a client sees that asks again after a fault has begun: the answer, or what came instead.
    async fn seen(fault: Fault) -> (String, u64, Duration) {
        let (to, connected, _tasks) = echo().await;
        let network = Network::start(86, 1, vec![to]).await;
        let mut client = TcpStream::connect(network.at(0)).await.unwrap();
        client.write_all(b"a").await.unwrap();
        assert_eq!(client.read_u16().await.unwrap().to_be_bytes(), *b"aa");
        assert!(network.carries(0));
        network.strike(0, fault);
        assert_eq!(network.carries(0), fault.carries());
        let asked = Instant::now();
        let answer = async {
            loop {
                // Whoever notices a reset first tells it; the other then sees an end.
                client.write_all(b"b").await?;
                let mut two = [0; 2];
                client.read_exact(&mut two).await?;
                // What was under way when the fault struck may still come through.
                if fault.carries() {
                    return Ok(String::from_utf8(two.to_vec()).unwrap());
                }
            }
        };
        let swallows = matches!(fault, Fault::Drop | Fault::BlackHole);
        let within = Duration::from_secs(if swallows { 1 } else { 30 });
        let answer: Result<io::Result<String>, _> = timeout(within, answer).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => error.kind().to_string(),
            Err(_) => "nothing".to_owned(),
        };
        assert_eq!(network.acted(), [(fault, 1)].into());
        let connected = *lock(&connected);
        (answer, connected, asked.elapsed())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_fault_does_what_its_name_says() {
        for (fault, answer, connections) in [
            (Fault::Delay, "bb", 1),
            (Fault::Trickle, "bb", 1),
            (Fault::Duplicate, "bb", 2),
            (Fault::Drop, "nothing", 1),
            (Fault::HalfClose, "unexpected end of file", 1),
            (Fault::Reset, "connection reset", 1),
            (Fault::BlackHole, "nothing", 1),
        ] {
            let (found, connected, took) = seen(fault).await;
            assert_eq!((found.as_str(), connected), (answer, connections), "{fault:?}");
            assert!(fault != Fault::Delay || took >= Duration::from_millis(600), "there and back: {took:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_third_of_the_connections_has_a_fault_and_the_seed_says_which() {
        let way = |seed| Way {
            to: SocketAddr::from(([127, 0, 0, 1], 1)),
            seed,
            troubled: AtomicBool::new(true),
            open: Mutex::default(),
            acted: Mutex::default(),
        };
        let plans = |seed| (0..3000).map(|number| way(seed).plan(number)).collect::<Vec<_>>();
        let faults = plans(7).iter().filter(|(fault, _)| fault.is_some()).count();
        assert!((900..1100).contains(&faults), "{faults}");
        assert_eq!(plans(7), plans(7));
        assert_ne!(plans(7), plans(8));
    }
}
