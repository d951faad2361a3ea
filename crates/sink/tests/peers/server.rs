//! A peer: an HTTP/1.1 server as small as it can be, so that it can also answer wrongly, slowly and without end. Every
//! connection carries one request.

use std::{
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use flate2::read::GzDecoder;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came, its body unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Names in small letters.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What comes back.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status line with further headers, and a body.
    Whole(String, Vec<u8>),
    /// The headers of a success, and then a byte of the body now and then, for ever.
    Drip,
    /// Nothing; the connection is closed.
    Nothing,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self::Whole(format!("{status} X"), Vec::new())
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::Whole("200 OK\r\ncontent-type: application/json".to_owned(), body.to_string().into_bytes())
    }
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

/// A running server. Dropped, it stops and its port is free.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    count: watch::Receiver<usize>,
    answer: Arc<Mutex<Arc<Answer>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers on any free port.
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0", None, answer).await
    }

    pub(crate) async fn listen(
        address: &str,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (counted, count) = watch::channel(0);
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(answer)));
        let mut tasks = JoinSet::new();
        let (seen, how) = (Arc::clone(&requests), Arc::clone(&answer));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (seen, how, counted, tls) =
                    (Arc::clone(&seen), Arc::clone(&how), counted.clone(), tls.clone());
                connections.spawn(async move {
                    let note = |request: &Request| {
                        let reply = how.lock().unwrap().clone()(request);
                        seen.lock().unwrap().push(request.clone());
                        counted.send_modify(|count| *count += 1);
                        reply
                    };
                    match tls {
                        None => serve(tcp, note).await,
                        // A handshake that fails is the other side's to tell.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, note).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, count, answer, _tasks: tasks }
    }

    /// From now on it answers otherwise.
    pub(crate) fn answer(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until it has seen so many requests.
    pub(crate) async fn seen(&mut self, requests: usize) {
        self.count.wait_for(|count| *count >= requests).await.unwrap();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, note: impl FnOnce(&Request) -> Reply) {
    let Some(request) = read(&mut stream).await else { return };
    match note(&request) {
        Reply::Whole(status, body) => {
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            // Who has read enough may go.
            drop(stream.write_all(head.as_bytes()).await);
            drop(stream.write_all(&body).await);
            drop(stream.shutdown().await);
        }
        Reply::Drip => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await);
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        Reply::Nothing => {}
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    for line in &mut lines[1..] {
        let (name, value) = line.split_once(": ").unwrap();
        *line = format!("{}: {value}", name.to_lowercase());
    }
    let mut request = Request { head: lines.join("\n"), body: bytes.split_off(end + 4) };
    let length: usize = request.header("content-length").unwrap().parse().unwrap();
    while request.body.len() < length {
        if stream.read_buf(&mut request.body).await.ok()? == 0 {
            return None;
        }
    }
    if request.header("content-encoding") == Some("gzip") {
        let mut unpacked = Vec::new();
        GzDecoder::new(&*request.body).read_to_end(&mut unpacked).unwrap();
        request.body = unpacked;
    }
    Some(request)
}
