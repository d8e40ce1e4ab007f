//! Tokens of the Azure CLI, for those who are signed in with it.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;

use super::credentials::Step;
use super::login::failed;
use super::token::AzureToken;
use crate::call::CallFailure;

/// The name that the CLI is installed under.
pub(super) const PROGRAM: &str = if cfg!(windows) { "az.cmd" } else { "az" };
const LONGEST_RUN: Duration = Duration::from_secs(30);
const LONGEST_OUTPUT: u64 = 1 << 20;

/// Runs `az account get-access-token`, without a shell.
pub(super) async fn token(
    program: &OsStr,
    tenant: Option<&str>,
    audience: &str,
    longest: Duration,
) -> Result<Step, CallFailure> {
    let mut command = tokio::process::Command::new(program);
    command.args(["account", "get-access-token", "--output", "json", "--scope", &format!("{audience}/.default")]);
    if let Some(tenant) = tenant {
        command.args(["--tenant", tenant]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Step::Absent(format!("the Azure CLI cannot be run: {error}"))),
    };
    let mut output = zeroize::Zeroizing::new(Vec::new());
    let running = async {
        if let Some(stdout) = child.stdout.take() {
            stdout.take(LONGEST_OUTPUT).read_to_end(&mut output).await?;
        }
        child.wait().await
    };
    let broken = |why: String| Err(failed("NoCredentials", format!("the Azure CLI {why}")));
    let status = match tokio::time::timeout(longest, running).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return broken(format!("broke off: {error}")),
        Err(_) => return broken(format!("gave no token within {} s", longest.as_secs_f32())),
    };
    if !status.success() {
        return broken(format!("gave no token ({status}): sign in with `az login`"));
    }
    match AzureToken::read(&output, Timestamp::now()) {
        Some(token) => Ok(Step::Token(token)),
        None => broken("gave no token that can be read".to_owned()),
    }
}

/// As [`token`], with the installed CLI and a bounded time.
pub(super) async fn installed(tenant: Option<&str>, audience: &str) -> Result<Step, CallFailure> {
    token(OsStr::new(PROGRAM), tenant, audience, LONGEST_RUN).await
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    async fn run(script: &str, tenant: Option<&str>, longest: u64) -> Result<Step, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("az");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        loop {
            let found = token(path.as_os_str(), tenant, "https://a", Duration::from_secs(longest)).await;
            match found {
                // Another test's fork may still hold the file open for writing.
                Ok(Step::Absent(why)) if why.contains("busy") => tokio::time::sleep(Duration::from_millis(20)).await,
                other => return other.map_err(|failure| failure.message),
            }
        }
    }

    #[tokio::test]
    async fn the_cli_is_asked_for_the_scope_and_tenant() {
        let script = r#"printf '{"accessToken":"%s","expires_on":%s}' "$*" 99999999999"#;
        let found = run(script, Some("t"), 30).await.unwrap();
        let Step::Token(token) = found else { panic!("no token") };
        let asked = "account get-access-token --output json --scope https://a/.default --tenant t";
        assert_eq!(token.secret.expose(), asked);
    }

    #[tokio::test]
    async fn what_goes_wrong_is_bounded_and_said() {
        for (script, longest, part) in [
            ("echo hunter2 >&2; exit 1", 30, "az login"),
            ("echo hunter2", 30, "no token that can be read"),
            ("echo '{}'", 30, "no token that can be read"),
            ("exec sleep 60", 1, "within 1 s"),
            ("exec cat /dev/zero", 30, "gave no token"),
        ] {
            let message = run(script, None, longest).await.err().unwrap();
            assert!(message.contains(part) && !message.contains("hunter2"), "{script}: {message}");
        }
        let absent = token(OsStr::new("/nonexistent/az"), None, "https://a", Duration::from_secs(1)).await;
        assert!(matches!(absent, Ok(Step::Absent(why)) if why.contains("cannot be run")));
    }
}
