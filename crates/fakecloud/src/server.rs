//! The web server: one handler behind a plain and a TLS listener.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::serve::Listener;
use futures_util::stream::{self, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::{Reply, Request};
use crate::service;
use crate::state::State;

/// The largest body that is read; ARM takes 4 MiB.
const LARGEST_BODY: usize = 16 << 20;
/// A client has this long to finish its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The state that all connections share.
pub(crate) type SharedState = Arc<Mutex<State>>;

/// Runs a closure on the state. A handler that panicked leaves a state that tests may still look at.
pub(crate) fn locked<T>(state: &SharedState, work: impl FnOnce(&mut State) -> T) -> T {
    work(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
}

#[derive(Clone)]
struct Front {
    state: SharedState,
    scheme: &'static str,
    latency: Duration,
}

/// Listens on a port of 127.0.0.1.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// Serves until told to stop.
pub(crate) async fn serve<L>(listener: L, state: SharedState, scheme: &'static str, mut stop: watch::Receiver<bool>)
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let latency = locked(&state, |state| state.options.latency);
    let app = Router::new().fallback(answer).with_state(Front { state, scheme, latency });
    let stopping = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let _ = axum::serve(listener, app).with_graceful_shutdown(stopping).await;
}

async fn answer(Shared(front): Shared<Front>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return response(Reply::empty(413));
    };
    if !front.latency.is_zero() {
        tokio::time::sleep(front.latency).await;
    }
    let request = Request::new(parts.method, front.scheme, &parts.uri, parts.headers, body);
    response(locked(&front.state, |state| service::answer(state, &request)))
}

fn response(reply: Reply) -> Response {
    let body = reply.body.map(|body| body.to_string());
    let whole = match (&body, reply.cut_off) {
        (Some(body), true) => cut(body),
        (Some(body), false) => Body::from(body.clone()),
        (None, _) => Body::empty(),
    };
    let mut response = Response::new(whole);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if body.is_some() {
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert("content-type", json);
    }
    if reply.cut_off {
        let length = HeaderValue::from(body.as_ref().map_or(0, String::len));
        response.headers_mut().insert("content-length", length);
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A body that ends in its middle, a moment after its beginning has left.
fn cut(body: &str) -> Body {
    let (half, _) = body.as_bytes().split_at(body.len() / 2);
    let end = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::Error::other("cut off on request"))
    };
    Body::from_stream(stream::iter([Ok(half.to_vec())]).chain(stream::once(end)))
}

/// A listener whose handshakes run beside each other: a silent client holds nobody up.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// Accepts on a TCP listener.
    pub(crate) fn new(listener: TcpListener, acceptor: TlsAcceptor) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            while !sender.is_closed() {
                let Ok((stream, peer)) = listener.accept().await else { continue };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        let _ = sender.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { ready, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
