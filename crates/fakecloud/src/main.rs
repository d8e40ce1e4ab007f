//! `yagura-fakecloud`: the fake cloud as a process, for clients in other languages.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use yagura_fakecloud::{FakeCloud, Options};

/// An Azure (and Google asset inventory) on 127.0.0.1 that real clients accept. Prints where it is and runs until it is
/// interrupted or terminated.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Port of HTTPS; 0 = any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where to write the certificate of the authority
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,
    /// Resources to start with
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: usize,
    /// Answer every nth call with 429 and Retry-After
    #[arg(long, value_name = "N")]
    throttle: Option<u64>,
    /// Answer every nth call with 500 or 503
    #[arg(long, value_name = "N")]
    fail: Option<u64>,
    /// Items of one page of a list
    #[arg(long, value_name = "N", default_value_t = 100)]
    page_size: usize,
    /// Take any bearer token that is not a JWT
    #[arg(long)]
    any_token: bool,
    /// Check the signatures of this client's or service account's assertions with its public key (PKCS#1, DER)
    #[arg(long = "key", value_name = "NAME=FILE")]
    keys: Vec<String>,
}

/// The public keys by the names of their owners.
fn keys(given: &[String]) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let one = |pair: &String| {
        let (name, file) = pair.split_once('=').ok_or_else(|| std::io::Error::other("--key wants NAME=FILE"))?;
        Ok((name.to_owned(), std::fs::read(file)?))
    };
    given.iter().map(one).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ca = arguments
        .ca_out
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("yagura-fakecloud-{}.pem", std::process::id())));
    let keys = match keys(&arguments.keys) {
        Ok(keys) => keys,
        Err(error) => {
            eprintln!("yagura-fakecloud: {error}");
            return ExitCode::FAILURE;
        }
    };
    let options = Options {
        keys,
        port: arguments.port,
        seed: arguments.seed,
        throttle_every: arguments.throttle,
        fail_every: arguments.fail,
        page_size: arguments.page_size,
        any_token: arguments.any_token,
        ..Options::default()
    };
    let running = match FakeCloud::start(options).and_then(|running| running.write_ca(&ca).map(|()| running)) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("yagura-fakecloud: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("base_url={}", running.base_url);
    println!("plain_url={}", running.plain_url);
    println!("ca_file={}", ca.display());
    let _ = std::io::stdout().flush();
    interrupted().await;
    running.stop();
    ExitCode::SUCCESS
}

/// Waits for an interrupt or, where there is such a thing, a request to terminate.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! { _ = tokio::signal::ctrl_c() => (), _ = terminate.recv() => () }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
