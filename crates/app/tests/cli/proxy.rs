//! A server between the client and a cloud's emulator that fails on purpose and counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A proxy on loopback. It ends with the test's process.
pub struct Proxy {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    state: Arc<State>,
}

struct State {
    upstream: String,
    /// Every n-th request fails; 0 = none.
    fail_every: u64,
    seen: AtomicU64,
    failed: AtomicU64,
    answered: AtomicU64,
    stopped: AtomicBool,
}

impl Proxy {
    /// A proxy before `http://HOST:PORT` that lets every n-th request fail.
    pub fn start(upstream: &str, fail_every: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            upstream: upstream.trim_start_matches("http://").trim_end_matches('/').to_owned(),
            fail_every,
            seen: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let accepting = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let state = accepting.clone();
                std::thread::spawn(move || drop(state.serve(stream)));
            }
        });
        Self { url, state }
    }

    /// Requests that came, and how many of them failed on purpose.
    pub fn counts(&self) -> (u64, u64) {
        (self.state.seen.load(Ordering::Relaxed), self.state.failed.load(Ordering::Relaxed))
    }
}

impl Proxy {
    /// Requests that were answered by the cloud.
    pub fn answered(&self) -> u64 {
        self.state.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

impl State {
    /// One request on one connection.
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut request = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let (name, value) = line.split_once(':').unwrap_or((line.as_str(), ""));
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "connection" => continue,
                // Emulators make addresses of it, which shall not depend on the proxy.
                "host" => line = format!("Host: {}\r\n", self.upstream),
                _ => {}
            }
            if line == "\r\n" {
                request.extend_from_slice(b"Connection: close\r\n\r\n");
                break;
            }
            request.extend_from_slice(line.as_bytes());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        request.extend_from_slice(&body);
        let number = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let fails = self.fail_every > 0 && number.is_multiple_of(self.fail_every);
        let fault = if fails { self.failed.fetch_add(1, Ordering::Relaxed) % 5 } else { u64::MAX };
        let refusal = |status: &str, code: &str| {
            let body = format!("{{\"__type\":\"{code}\",\"message\":\"on purpose\"}}");
            format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\
                 Retry-After: 0\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
        };
        match fault {
            0 => return client.write_all(refusal("429 Too Many Requests", "ThrottlingException").as_bytes()),
            1 => return client.write_all(refusal("503 Service Unavailable", "ServiceUnavailable").as_bytes()),
            2 => return client.write_all(refusal("500 Internal Server Error", "InternalFailure").as_bytes()),
            // The connection goes away without an answer.
            3 => return client.shutdown(Shutdown::Both),
            _ => {}
        }
        let mut upstream = TcpStream::connect(&self.upstream)?;
        upstream.write_all(&request)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        if answer.starts_with(b"HTTP/1.1 500") || answer.starts_with(b"HTTP/1.0 500") {
            // The emulator says 500 where it lacks an operation. That does not pass, so nobody shall wait for it.
            return client.write_all(refusal("400 Bad Request", "NotImplemented").as_bytes());
        }
        if fault == 4 {
            // Cut off in the middle.
            answer.truncate(answer.len().saturating_sub(20));
        }
        client.write_all(&answer)?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
