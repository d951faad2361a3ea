//! The floor: the same streams read with hyper and rustls alone, cut into blocks, and appended to a plain file that is
//! synced. No JSON, no duplicates, no state, no second connection; a product cannot cost less.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, sync::Semaphore, sync::mpsc, task::JoinSet};
use tokio_rustls::TlsConnector;

use crate::{bmcs::Bmcs, process};

/// Handshakes at once, as many as the daemon's.
const CONNECTS_MAX: usize = 256;
/// How long the first block of a group waits for company.
const LINGER: Duration = Duration::from_millis(10);
/// Blocks in a group.
const GROUP: usize = 512;
/// Until a stream that ended is opened again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The path of the simulated BMCs' stream and their account (`root:0penBmc`).
const STREAM: &str = "/redfish/v1/EventService/SSE";
const ACCOUNT: &str = "Basic cm9vdDowcGVuQm1j";

/// A running floor.
pub(crate) struct Bare {
    child: Child,
    directory: PathBuf,
}

impl Bare {
    pub(crate) fn start(bmcs: &Bmcs, count: usize, directory: &Path) -> anyhow::Result<Self> {
        Self::start_as(Command::new, bmcs, count, directory)
    }

    /// The same; `run` says how a program is run.
    pub(crate) fn start_as(
        run: impl FnOnce(PathBuf) -> Command,
        bmcs: &Bmcs,
        count: usize,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("addresses"), bmcs.addresses[..count].join("\n"))?;
        std::fs::write(directory.join("ca.pem"), &bmcs.ca)?;
        let words = ["role:bare", directory.to_str().context("name the directory")?];
        Ok(Self { child: process::role_as(run, &words)?, directory: directory.to_owned() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.directory.join("blocks")
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        process::stop(&mut self.child)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(process::stop(&mut self.child));
        }
    }
}

/// The child.
pub(crate) fn run(directory: &Path) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run_on(directory))
}

async fn run_on(directory: &Path) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(directory.join("ca.pem"))? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(tls));
    let budget = Arc::new(Semaphore::new(CONNECTS_MAX));
    let (blocks, received) = mpsc::channel(1024);
    let mut tasks = JoinSet::new();
    for address in std::fs::read_to_string(directory.join("addresses"))?.lines() {
        let authority = address.trim_start_matches("https://").to_owned();
        let (connector, budget, blocks) = (connector.clone(), Arc::clone(&budget), blocks.clone());
        tasks.spawn(async move {
            // A stream that ends or breaks is opened again; nothing is read that it did not bring.
            loop {
                drop(stream(&authority, &connector, &budget, &blocks).await);
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        });
    }
    drop(blocks);
    write(File::create(directory.join("blocks"))?, received).await
}

async fn stream(
    authority: &str,
    connector: &TlsConnector,
    budget: &Semaphore,
    blocks: &mpsc::Sender<Vec<u8>>,
) -> anyhow::Result<()> {
    let place = budget.acquire().await?;
    // Boxed, so that its state is not kept for the life of the stream.
    let (connection, mut body) = Box::pin(open(authority, connector)).await?;
    drop(place);
    let mut connection = Box::pin(connection);
    let mut block = Vec::new();
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            ended = &mut connection => return ended.context("keep a connection"),
        };
        let Some(frame) = frame else { return Ok(()) };
        let Ok(data) = frame?.into_data() else { continue };
        let mut data = &data[..];
        while !data.is_empty() {
            // A block ends with an empty line, which the simulated BMCs never tear.
            let end = memchr::memmem::find(data, b"\n\n").map_or(data.len(), |at| at + 2);
            block.extend_from_slice(&data[..end]);
            data = &data[end..];
            if block.ends_with(b"\n\n") {
                blocks.send(std::mem::take(&mut block)).await?;
            }
        }
    }
}

type Connection = http1::Connection<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>, Empty<Bytes>>;

async fn open(
    authority: &str,
    connector: &TlsConnector,
) -> anyhow::Result<(Connection, hyper::body::Incoming)> {
    let tcp = TcpStream::connect(authority).await?;
    tcp.set_nodelay(true)?;
    let host = authority.split(':').next().unwrap_or_default().to_owned();
    let tls = connector.connect(ServerName::try_from(host)?, tcp).await?;
    let (mut sender, mut connection) =
        http1::Builder::new().max_buf_size(8192).handshake(TokioIo::new(tls)).await?;
    let request = Request::get(STREAM)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "text/event-stream")
        .header(header::AUTHORIZATION, ACCOUNT)
        .body(Empty::new())?;
    let response = tokio::select! {
        response = sender.send_request(request) => response?,
        ended = &mut connection => bail!("the connection ended: {ended:?}"),
    };
    if response.status() != 200 {
        bail!("the stream was answered with {}", response.status());
    }
    Ok((connection, response.into_body()))
}

async fn write(mut file: File, mut received: mpsc::Receiver<Vec<u8>>) -> anyhow::Result<()> {
    while let Some(first) = received.recv().await {
        let mut group = vec![first];
        let deadline = tokio::time::Instant::now() + LINGER;
        while group.len() < GROUP {
            match tokio::time::timeout_at(deadline, received.recv()).await {
                Ok(Some(block)) => group.push(block),
                _ => break,
            }
        }
        let written = tokio::task::spawn_blocking(move || {
            file.write_all(&group.concat())?;
            file.sync_data()?;
            std::io::Result::Ok(file)
        });
        file = written.await??;
    }
    Ok(())
}
