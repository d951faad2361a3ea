//! The daemon as a process of its own, with a config as an operator writes it.

use std::{
    fmt::Write as _,
    fs::File,
    io::{Read, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{bmcs::Bmcs, process};

pub(crate) struct Daemon {
    child: Child,
    directory: PathBuf,
    admin: SocketAddr,
}

impl Daemon {
    /// Starts the daemon on the first `count` of these BMCs, with everything that it writes in `directory`.
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
        // The port is free a moment later, unless somebody is very quick.
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = directory.join("bmcwatch.toml");
        std::fs::write(directory.join("ca.pem"), &bmcs.ca)?;
        std::fs::write(&config, text(&bmcs.addresses[..count], directory, admin))?;
        let child = run(env!("CARGO_BIN_EXE_bmcwatch").into())
            .arg("--config")
            .arg(&config)
            .arg("run")
            .stderr(File::create(directory.join("log"))?)
            .spawn()
            .context("start the daemon")?;
        Ok(Self { child, directory: directory.to_owned(), admin })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where the file sink writes.
    pub(crate) fn records(&self) -> PathBuf {
        records(&self.directory)
    }

    /// Polls of logs that it has made.
    pub(crate) fn polls(&self) -> anyhow::Result<u64> {
        let page = self.scrape()?;
        let polls =
            |line: &str| line.strip_prefix("bmcwatch_polls_total{")?.rsplit_once(' ')?.1.parse::<u64>().ok();
        Ok(page.lines().filter_map(polls).sum())
    }

    /// One scrape.
    pub(crate) fn scrape(&self) -> anyhow::Result<String> {
        let mut connection = TcpStream::connect(self.admin).context("scrape the daemon")?;
        connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("a scrape was answered with something else than 200");
        }
        Ok(answer)
    }

    /// Waits until the daemon says that it is ready; false when it does not within this time.
    pub(crate) fn is_ready_within(&self, patience: Duration) -> bool {
        let begun = process::now();
        while begun.elapsed() < patience {
            if self.is_ready() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn is_ready(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(self.admin) else { return false };
        let asked =
            connection.write_all(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        asked.is_ok() && connection.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200")
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        process::stop(&mut self.child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Something failed; what the daemon says of it is worth seeing.
            drop(process::stop(&mut self.child));
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            drop(writeln!(std::io::stderr(), "{log}"));
        }
    }
}

fn records(directory: &Path) -> PathBuf {
    directory.join("records.jsonl")
}

fn text(addresses: &[String], directory: &Path, admin: SocketAddr) -> String {
    let (journal, records) = (directory.join("journal"), records(directory));
    let mut text = format!(
        "[journal]\ndirectory = \"{}\"\n\
         [[sinks]]\nname = \"records\"\ntype = \"file\"\npath = \"{}\"\nmax_size = \"100GiB\"\n\
         [admin]\nlisten = \"{admin}\"\n\
         [collectors.logs.periodic]\nlogs_collection_interval = \"1m\"\n\
         [log]\nlevel = \"warn\"\nformat = \"json\"\n\
         [credentials.all]\nusername = \"root\"\npassword = \"0penBmc\"\n",
        journal.display(),
        records.display()
    );
    let ca = directory.join("ca.pem");
    for (index, address) in addresses.iter().enumerate() {
        write!(
            text,
            "[[endpoints]]\nid = \"b{index}\"\naddress = \"{address}\"\ncredentials = \"all\"\n\
             trust = \"ca:{}\"\nlabels = {{ rack = \"r{}\", site = \"fra1\" }}\n",
            ca.display(),
            index / 32
        )
        .expect("a String takes every write");
    }
    text
}
