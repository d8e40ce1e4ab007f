//! Starting a fake cloud, telling it what there is, asking it what it saw.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::faults::Fault;
use crate::options::Options;
use crate::server::{SharedState, TlsListener, listen, locked, serve};
use crate::state::State;
use crate::tls::{Identity, identity};
use crate::{login, seed};

/// A cloud on this machine.
pub struct FakeCloud;

impl FakeCloud {
    /// Starts a cloud on a thread of its own; it ends with [`Running::stop`] or when that is dropped.
    pub fn start(options: Options) -> io::Result<Running> {
        let identity = identity(&options.names)?;
        let ca_pem = identity.ca_pem.clone();
        let (seed, port) = (options.seed, options.port);
        let state = Arc::new(Mutex::new(State::new(options)));
        locked(&state, |state| seed::fill(state, seed));
        let (stop, stopped) = watch::channel(false);
        let (told, ports) = channel();
        let shared = state.clone();
        let thread = std::thread::Builder::new()
            .name("fakecloud".to_owned())
            .spawn(move || run(port, identity, shared, stopped, told))?;
        let (secure, plain) = ports.recv().map_err(|_| io::Error::other("the fake cloud did not start"))??;
        Ok(Running {
            base_url: format!("https://127.0.0.1:{secure}"),
            plain_url: format!("http://127.0.0.1:{plain}"),
            ca_pem,
            state,
            stop,
            thread: Some(thread),
        })
    }
}

type Ports = io::Result<(u16, u16)>;

fn run(port: u16, identity: Identity, state: SharedState, stopped: watch::Receiver<bool>, told: Sender<Ports>) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(told.send(Err(error))),
    };
    runtime.block_on(async move {
        let opened = open(port, identity).await;
        let (secure, plain, ports) = match opened {
            Ok(opened) => opened,
            Err(error) => return drop(told.send(Err(error))),
        };
        let _ = told.send(Ok(ports));
        let mut end = stopped.clone();
        let both = async {
            tokio::join!(
                serve(secure, state.clone(), "https", stopped.clone()),
                serve(plain, state.clone(), "http", stopped.clone()),
            )
        };
        // Clients that keep their connections open do not keep the cloud up.
        let ended = async move {
            let _ = end.wait_for(|stop| *stop).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        tokio::select! { _ = both => (), () = ended => () }
    });
}

async fn open(port: u16, identity: Identity) -> io::Result<(TlsListener, tokio::net::TcpListener, (u16, u16))> {
    let (secure, plain) = (listen(port).await?, listen(0).await?);
    let ports = (secure.local_addr()?.port(), plain.local_addr()?.port());
    Ok((TlsListener::new(secure, TlsAcceptor::from(identity.server))?, plain, ports))
}

/// One request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The method.
    pub method: String,
    /// The decoded path.
    pub path: String,
    /// The decoded parameters.
    pub query: Vec<(String, String)>,
    /// What it was answered with.
    pub status: u16,
}

/// Requests per `METHOD /path`.
pub(crate) fn counts(log: &[Logged]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for logged in log {
        *counts.entry(format!("{} {}", logged.method, logged.path)).or_default() += 1;
    }
    counts
}

/// A cloud that runs. All questions and changes go straight to its memory, without its faults and waiting.
pub struct Running {
    /// `https://127.0.0.1:port`: every service of the fake.
    pub base_url: String,
    /// `http://127.0.0.1:port`: the same without TLS, for metadata services and tests of HTTP itself.
    pub plain_url: String,
    /// The certificate of the authority that clients must trust.
    pub ca_pem: String,
    state: SharedState,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Stops the cloud and waits until it has.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Writes the authority's certificate for clients that want a file (`REQUESTS_CA_BUNDLE`).
    pub fn write_ca(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, &self.ca_pem)
    }

    /// How the cloud was set up.
    pub fn options(&self) -> Options {
        locked(&self.state, |state| state.options.clone())
    }

    /// A token for an audience (`https://management.azure.com/`), as the token endpoint gives it.
    pub fn token(&self, audience: &str) -> String {
        locked(&self.state, |state| login::issue(state, audience, "33333333-3333-3333-3333-333333333333"))
    }

    /// Moves the fake's time on: tokens expire, quotas refill.
    pub fn advance(&self, by: Duration) {
        locked(&self.state, |state| state.clock.advance(by));
    }

    /// Puts an ARM resource there as it is, with inline children becoming resources; its parents need not exist.
    pub fn put(&self, id: &str, document: Json) {
        locked(&self.state, |state| state.arm.store.put_plain(id, document));
    }

    /// An ARM resource as GET answers it.
    pub fn get(&self, id: &str) -> Option<Json> {
        locked(&self.state, |state| state.arm.store.rendered(id))
    }

    /// Takes an ARM resource away with all below it.
    pub fn remove(&self, id: &str) -> bool {
        locked(&self.state, |state| state.arm.store.remove(id))
    }

    /// The ids of all ARM resources.
    pub fn ids(&self) -> Vec<String> {
        locked(&self.state, |state| state.arm.store.ids())
    }

    /// Further rows of a Resource Graph table, for what is no ARM resource.
    pub fn add_rows(&self, table: &str, rows: Vec<Json>) {
        locked(&self.state, |state| state.arm.rows.entry(table.to_lowercase()).or_default().extend(rows));
    }

    /// Sets a collection (`users`) or a single object (`policies/authorizationPolicy`) of Microsoft Graph.
    pub fn set_directory(&self, path: &str, content: Json) {
        locked(&self.state, |state| state.directory.set(path, content));
    }

    /// Sets who is in a group or a directory role: `set_members("groups", id, [ids of users, groups, servicePrincipals])`.
    pub fn set_members(&self, collection: &str, id: &str, members: &[&str]) {
        locked(&self.state, |state| state.directory.set_members(collection, id, members));
    }

    /// An asset of Cloud Asset Inventory: `name`, `assetType`, `ancestors`, and `resource`, `iamPolicy` or both.
    pub fn add_asset(&self, asset: Json) {
        locked(&self.state, |state| state.google.add(asset));
    }

    /// Says which number a project has, so that assets below `projects/<number>` are found by its id.
    pub fn add_project(&self, id: &str, number: u64) {
        locked(&self.state, |state| state.google.add_project(id, number));
    }

    /// Cloud Asset Inventory does not know this type of assets from now on.
    pub fn refuse_asset_type(&self, asset_type: &str) {
        locked(&self.state, |state| state.google.refuse(asset_type));
    }

    /// What goes wrong from now on.
    pub fn fault(&self, fault: Fault) {
        locked(&self.state, |state| state.faults.add(fault));
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        locked(&self.state, |state| state.faults.clear());
    }

    /// The next long-running operation on this kind of resource ends as `Failed`.
    pub fn fail_operation(&self, kind: &str, code: &str, message: &str) {
        locked(&self.state, |state| state.arm.fail_next(kind, code, message));
    }

    /// A fixed answer to a method and path, for what the fake does not play.
    pub fn answer(&self, method: &str, path: &str, status: u16, body: Json) {
        let key = (method.to_owned(), path.to_lowercase());
        locked(&self.state, |state| state.canned.insert(key, (status, body)));
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Logged> {
        locked(&self.state, |state| state.log.clone())
    }

    /// Requests per `METHOD /path`.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        locked(&self.state, |state| counts(&state.log))
    }

    /// How often a path (compared without case) was asked with a method.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let same = |logged: &&Logged| logged.method == method && logged.path.eq_ignore_ascii_case(path);
        locked(&self.state, |state| state.log.iter().filter(same).count())
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        locked(&self.state, |state| state.log.clear());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
