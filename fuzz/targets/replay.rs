//! Recordings: a call whose answer was taken is answered, and with that answer.
//!
//! Input: lines of a recording.
#![no_main]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use yagura_cloud::{Call, CallFailure, Caller as _, Page};
use yagura_connect::live::{Replay, Target};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut replay = Replay::default();
    let mut taken: Vec<(Call, Json)> = Vec::new();
    for line in text.lines() {
        if replay.add(line).is_err() || line.trim().is_empty() {
            continue;
        }
        // An answer that cannot be read is said when it is asked for.
        let Ok(line) = serde_json::from_str::<Json>(line) else { continue };
        // A recorded answer may be written as a list of its members; that says nothing about names.
        let Some(call) = call_of(&line) else { continue };
        taken.retain(|(known, _)| known.key() != call.key());
        taken.push((call, line));
    }
    for (call, line) in &taken {
        check(answer(&replay, call), line);
    }
    let named = replay.targets();
    assert!(named.len() <= text.lines().count() + 1, "{} targets", named.len());
    assert!(named.iter().all(|target| !matches!(target, Target::Aws { home, regions, .. } if !regions.contains(home))));
});

fn call_of(line: &Json) -> Option<Call> {
    let text = |name: &str| line.get(name)?.as_str().map(str::to_owned);
    Some(Call {
        cloud: text("cloud")?.parse().ok()?,
        scope: text("scope")?,
        region: text("region"),
        service: text("service")?,
        operation: text("operation")?,
        params: line.get("params").and_then(Json::as_object).cloned().unwrap_or_default(),
    })
}

fn answer(replay: &Replay, call: &Call) -> Result<Page, CallFailure> {
    let mut asked = pin!(replay.call(call));
    match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a replay waits for nothing"),
    }
}

fn check(answer: Result<Page, CallFailure>, line: &Json) {
    match answer {
        Ok(page) => {
            assert!(line.get("error").is_none(), "an error was answered as a page");
            assert_eq!(page.response, line.get("response").cloned().unwrap_or_default());
            assert!(page.next.is_none_or(|next| !next.is_empty()));
        }
        Err(failure) => assert_ne!(failure.code, "NotRecorded", "{line}"),
    }
}
