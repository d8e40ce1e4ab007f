//! What the suites need that is written in Python: one environment, an emulated AWS, the clouds' own clients.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::steps::{Outcome, has, workspace};

/// How long an emulated AWS may take, from the installation of its packages to its estate.
const LONGEST_START: Duration = Duration::from_secs(15 * 60);

/// A script of tests/clients. Each makes the environment of all if it is not there yet, and waits for it if another one
/// is making it.
fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(workspace().join("tests").join("clients").join(name)).current_dir(workspace());
    command
}

fn started(mut command: Command) -> Result<Child, String> {
    if !has("python3", "--version") {
        return Err("python3 is not here: the suites against emulators and real clients need it".to_owned());
    }
    command.spawn().map_err(|error| format!("could not start {:?}: {error}", command.get_program()))
}

/// The interpreter of the environment.
pub fn interpreter() -> Result<PathBuf, String> {
    let child = started(with_pipes(script("environment.py")))?;
    let output = child.wait_with_output().map_err(|error| format!("could not wait for environment.py: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(PathBuf::from(said.trim()))
}

fn with_pipes(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// An emulated AWS that starts while other things are done. It ends when this is dropped, and, since it reads its
/// standard input, also when this process ends in a way that drops nothing.
pub struct Emulator {
    child: Child,
    said: mpsc::Receiver<Result<String, String>>,
}

impl Emulator {
    /// Begins to start it.
    pub fn start() -> Result<Self, String> {
        let mut command = script("aws_emulator.py");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = started(command)?;
        let (Some(out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("the emulated AWS has no output".to_owned());
        };
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            // What was read before an error is all there is to show.
            let _ = err.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let (say, said) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(out).read_line(&mut line);
            let url = line.trim().strip_prefix("url=").map(str::to_owned);
            let answer = match (read, url) {
                (Ok(_), Some(url)) => Ok(url),
                _ => Err(format!("{line}{}", errors.join().unwrap_or_default())),
            };
            // Nobody listens any more once an earlier suite has failed.
            let _ = say.send(answer);
        });
        Ok(Self { child, said })
    }

    /// Waits until its estate is there; its URL.
    pub fn url(&self) -> Result<String, String> {
        let answer = self.said.recv_timeout(LONGEST_START);
        answer
            .unwrap_or_else(|error| Err(error.to_string()))
            .map_err(|why| format!("the emulated AWS did not start: {why}"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It is gone already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client script that runs while other things are done.
pub struct Client {
    name: &'static str,
    running: Option<thread::JoinHandle<Outcome>>,
}

impl Client {
    /// Starts it against the fake cloud in a folder of binaries, with the `yagura` that stands there too.
    pub fn start(name: &'static str, binaries: &std::path::Path) -> Result<Self, String> {
        let mut command = with_pipes(script(name));
        command.env("YAGURA_FAKECLOUD", binaries.join("yagura-fakecloud"));
        command.env("YAGURA_BINARY", binaries.join("yagura"));
        let child = started(command)?;
        let running = thread::spawn(move || {
            let output = child.wait_with_output().map_err(|error| format!("could not wait for {name}: {error}"))?;
            if output.status.success() {
                return Ok(());
            }
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            Err(format!("tests/clients/{name} failed ({}):\n{out}{err}", output.status))
        });
        Ok(Self { name, running: Some(running) })
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let ended = self.running.take().map(thread::JoinHandle::join);
        ended.and_then(Result::ok).unwrap_or_else(|| Err(format!("{} was not waited for", self.name)))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The script stops its fake cloud when it ends, and not when it is killed: so it is waited for.
        let _ = self.running.take().map(thread::JoinHandle::join);
    }
}
