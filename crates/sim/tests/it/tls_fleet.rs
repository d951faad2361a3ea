//! A fleet on real sockets, watched by a minimal client of its own. Real time, since sockets know no other.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use crate::support::bmc;
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use sim::{Addresses, Fleet, FleetConfig, Profile, Reachability, Serve, Severity, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const PATIENCE: Duration = Duration::from_secs(5);

async fn connect(fleet: &Fleet, index: usize) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(fleet.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = fleet.address(index);
    let address = address.strip_prefix("https://").unwrap();
    let socket = TcpStream::connect(address).await?;
    let ip: Ipv4Addr = address.split_once(':').unwrap().0.parse().unwrap();
    TlsConnector::from(Arc::new(client)).connect(ServerName::from(std::net::IpAddr::from(ip)), socket).await
}

async fn ask(stream: &mut TlsStream<TcpStream>, path: &str, accept: &str) {
    let basic = STANDARD.encode("root:0penBmc");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: bmc\r\nAccept: {accept}\r\nAuthorization: Basic {basic}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
}

async fn read_until(stream: &mut TlsStream<TcpStream>, wanted: &str) -> String {
    let mut text = String::new();
    let mut piece = [0; 4096];
    while !text.contains(wanted) {
        let n = timeout(PATIENCE, stream.read(&mut piece)).await.expect("it answers").expect("it is whole");
        assert!(n > 0, "ended before {wanted:?}: {text}");
        text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
    }
    text
}

async fn fleet(n: usize) -> Fleet {
    let serve = (0..n).map(|_| Serve::Bmc(bmc(Profile::openbmc()))).collect();
    let addresses = Addresses::Each("127.66.0.1:0".parse().unwrap());
    Fleet::start(FleetConfig { serve, addresses, transport: Transport::Tls }).await.unwrap()
}

#[tokio::test]
async fn an_event_goes_from_the_lever_to_a_tls_client() {
    let fleet = fleet(40).await;
    assert!(fleet.address(39).starts_with("https://127.66.0.40:"));
    let mut stream = connect(&fleet, 39).await.unwrap();
    ask(&mut stream, "/redfish/v1/", "*/*").await;
    assert!(read_until(&mut stream, "RedfishVersion").await.starts_with("HTTP/1.1 200 OK\r\n"));
    ask(&mut stream, "/redfish/v1/EventService/SSE", "text/event-stream").await;
    read_until(&mut stream, "\r\n\r\n").await;
    let logged = fleet.bmcs()[39].log(Severity::Critical, "x", &[], "y");
    read_until(&mut stream, &logged.token).await;
    drop(stream);
    let gone = timeout(PATIENCE, async {
        while fleet.bmcs()[39].counts().streams_open > 0 {
            tokio::task::yield_now().await;
        }
    });
    assert!(gone.await.is_ok(), "the BMC notices that the client went away");
    timeout(PATIENCE, fleet.stop()).await.expect("a fleet stops");
}

#[tokio::test]
async fn a_bmc_refuses_and_resets_on_its_socket_and_comes_back_at_its_address() {
    let fleet = fleet(1).await;
    let bmc = Arc::clone(&fleet.bmcs()[0]);
    let mut stream = connect(&fleet, 0).await.unwrap();
    ask(&mut stream, "/redfish/v1/EventService/SSE", "text/event-stream").await;
    read_until(&mut stream, "\r\n\r\n").await;

    bmc.set_reachability(Reachability::Refusing);
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the stream breaks");
    assert!(ended.is_err() || !rest.ends_with(b"0\r\n\r\n"));
    let refused = connect(&fleet, 0).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    bmc.set_reachability(Reachability::Resetting);
    let broken = timeout(PATIENCE, async {
        loop {
            match connect(&fleet, 0).await.unwrap_err().kind() {
                io::ErrorKind::ConnectionRefused => tokio::task::yield_now().await,
                other => return other,
            }
        }
    });
    assert_eq!(broken.await.unwrap(), io::ErrorKind::ConnectionReset);

    bmc.set_reachability(Reachability::Up);
    let back = timeout(PATIENCE, async {
        while connect(&fleet, 0).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    assert!(back.await.is_ok());
    fleet.stop().await;
}

#[tokio::test]
async fn a_black_hole_takes_connections_and_keeps_streams_and_never_answers() {
    let fleet = fleet(1).await;
    let mut stream = connect(&fleet, 0).await.unwrap();
    ask(&mut stream, "/redfish/v1/EventService/SSE", "text/event-stream").await;
    read_until(&mut stream, "\r\n\r\n").await;
    fleet.bmcs()[0].set_reachability(Reachability::BlackHole);
    tokio::task::yield_now().await;
    fleet.bmcs()[0].log(Severity::Ok, "x", &[], "y");
    let patience = Duration::from_millis(200);
    let mut piece = [0; 16];
    let (connected, read) =
        tokio::join!(timeout(patience, connect(&fleet, 0)), timeout(patience, stream.read(&mut piece)));
    assert!(connected.is_err() && read.is_err());
    fleet.stop().await;
}
