//! A small HTTP server for the tests of this crate.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{HttpSettings, LimiterSettings, RetrySettings};

/// HTTP to this machine.
pub fn http_here() -> HttpSettings {
    HttpSettings { allow_private: true, ..HttpSettings::default() }
}

/// As many tries as ever, without the waits.
pub fn quick_retries() -> RetrySettings {
    RetrySettings {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(2),
        ..RetrySettings::default()
    }
}

/// Limits that no test meets by accident.
pub fn wide_limits() -> LimiterSettings {
    LimiterSettings { rate: 1000.0, burst: 1000.0, slowest: 1000.0, ..LimiterSettings::default() }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its number, from 0.
    pub number: usize,
    pub method: String,
    /// Path and query string.
    pub path: String,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Seen {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer to give.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A running server.
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts a server that answers by this function.
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, answer, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, log, count) = (answer.clone(), log.clone(), count.clone());
                tokio::spawn(async move {
                    let Some(mut request) = read(&mut stream).await else { return };
                    request.number = count.fetch_add(1, Ordering::SeqCst);
                    log.lock().unwrap().push(request.clone());
                    let reply = answer(&request);
                    let _ = stream.write_all(&bytes_of(&reply)).await;
                });
            }
        });
        Self { url, seen }
    }

    /// What has arrived so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut part = [0; 8192];
    loop {
        let length = stream.read(&mut part).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let wanted: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= wanted {
            let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
            return Some(Seen { number: 0, method, path, headers, body: body.to_owned() });
        }
    }
}

fn bytes_of(reply: &Reply) -> Vec<u8> {
    let mut text =
        format!("HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&reply.body);
    text.into_bytes()
}

/// An RSA key that opens nothing (tests/keys).
pub fn rsa_key() -> crate::Secret {
    crate::Secret::new(include_str!("../tests/keys/test-only-first.pem"))
}
