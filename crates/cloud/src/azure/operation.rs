//! Long-running operations: asking until what a 202 or a write has started is done.
//!
//! Source: Microsoft, "Track asynchronous Azure operations" (`Azure-AsyncOperation`, `Location`, `Retry-After`, the states
//! `Succeeded`, `Failed` and `Canceled`).

use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::errors::AzureError;
use super::wire::{Answer, Ask, Wire};
use crate::call::{CallFailure, FailureKind};
use crate::retry::retry_after;

/// How long to wait for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often to ask at most.
    pub polls: u32,
    /// How long to wait in all.
    pub total: Duration,
    /// The wait between two questions when the cloud names none.
    pub wait: Duration,
    /// The longest wait between two questions, whatever the cloud says.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            polls: 200,
            total: Duration::from_secs(600),
            wait: Duration::from_secs(2),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// The end of what an answer began; an answer that began nothing is its own end.
///
/// Follows `Azure-AsyncOperation` until it says that it succeeded, and then reads the result: at `Location`, else at the
/// address of a PUT or PATCH, else what the status itself holds. Without it, follows `Location` until that answers
/// something else than 202. An operation that fails, is canceled or does not end in time is an error. Addresses on other
/// hosts are refused.
pub(super) async fn settle(wire: &Wire, ask: &Ask, first: Answer, patience: Patience) -> Result<Answer, CallFailure> {
    let started = Instant::now();
    let status_at = first.header("azure-asyncoperation").map(str::to_owned);
    let mut result_at = first.header("location").map(str::to_owned);
    if status_at.is_none() && first.status != StatusCode::ACCEPTED {
        return Ok(first);
    }
    let mut last = first;
    for _ in 0..patience.polls {
        let asked = retry_after(&last.headers, Timestamp::now()).unwrap_or(patience.wait);
        let wait = asked.min(patience.longest_wait);
        if started.elapsed().saturating_add(wait) > patience.total {
            break;
        }
        tokio::time::sleep(wait).await;
        let Some(next) = status_at.as_deref().or(result_at.as_deref()) else {
            let message = format!("{} was accepted without saying where its end is told", ask.key.operation);
            return Err(failure(FailureKind::Unreadable, "NoOperation", message));
        };
        last = get(wire, ask, next).await?;
        match &status_at {
            None if last.status != StatusCode::ACCEPTED => return Ok(last),
            None => result_at = last.header("location").map(str::to_owned).or(result_at),
            Some(_) => match state_of(&last.body) {
                State::Running => (),
                State::Succeeded => return result(wire, ask, result_at.as_deref(), last).await,
                State::Ended(state) => return Err(ended(ask, &state, &last.body)),
            },
        }
    }
    let message = format!("{} was begun and has not ended in time", ask.key.operation);
    Err(failure(FailureKind::Unavailable, "Timeout", message))
}

async fn result(wire: &Wire, ask: &Ask, at: Option<&str>, status: Answer) -> Result<Answer, CallFailure> {
    let is_write = ask.method == Method::PUT || ask.method == Method::PATCH;
    match at {
        Some(at) => get(wire, ask, at).await,
        None if is_write => get(wire, ask, ask.url.as_str()).await,
        None => Ok(status),
    }
}

async fn get(wire: &Wire, ask: &Ask, at: &str) -> Result<Answer, CallFailure> {
    let url = wire.endpoints.link(ask.api, at)?;
    wire.ask(&Ask { method: Method::GET, url, body: None, ..ask.clone() }).await
}

enum State {
    Running,
    Succeeded,
    Ended(String),
}

/// Every state but these three means that it is still running.
fn state_of(status: &Json) -> State {
    let state = status.get("status").and_then(Json::as_str).unwrap_or_default();
    match state.to_ascii_lowercase().as_str() {
        "succeeded" => State::Succeeded,
        "failed" | "canceled" | "cancelled" => State::Ended(state.to_owned()),
        _ => State::Running,
    }
}

fn ended(ask: &Ask, state: &str, status: &Json) -> CallFailure {
    let error = AzureError::of(status);
    let code = if error.code.is_empty() { state.to_owned() } else { error.code };
    let message = format!("{} ended as {state}: {}", ask.key.operation, error.message);
    failure(FailureKind::Refused, &code, message.trim_end_matches([' ', ':']).to_owned())
}

fn failure(kind: FailureKind, code: &str, message: String) -> CallFailure {
    CallFailure { kind, code: code.to_owned(), message }
}

#[cfg(test)]
mod tests;
