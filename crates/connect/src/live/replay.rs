//! A cloud made of recorded answers: `--replay` serves what `--record` wrote.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value as Json};
use yagura_cloud::{Call, CallFailure, Caller, FailureKind, Page};
use yagura_model::{Cloud, Problem};

/// Recorded answers by the keys of their calls.
#[derive(Debug, Default)]
pub struct Replay {
    answers: HashMap<String, Json>,
}

impl Replay {
    /// Reads every `.jsonl` file of a folder. What is no recorded answer is said and left out.
    pub fn read(folder: &Path) -> std::io::Result<(Self, Vec<Problem>)> {
        let (mut replay, mut problems) = (Self::default(), Vec::new());
        let mut paths: Vec<_> =
            std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")) {
            let file = BufReader::new(std::fs::File::open(path)?);
            for (number, line) in file.lines().enumerate() {
                let line = line?;
                if let Err(reason) = replay.add(&line) {
                    problems.push(Problem::lost(path.display().to_string(), Some(number as u64 + 1), reason));
                }
            }
        }
        Ok((replay, problems))
    }

    /// Adds one line.
    pub fn add(&mut self, line: &str) -> Result<(), String> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let answer: Json = serde_json::from_str(line).map_err(|error| format!("could not be read as JSON: {error}"))?;
        let text = |name: &str| answer.get(name).and_then(Json::as_str).ok_or_else(|| format!("has no `{name}`"));
        let call = Call {
            cloud: text("cloud")?.parse::<Cloud>()?,
            scope: text("scope")?.to_owned(),
            region: answer.get("region").and_then(Json::as_str).map(str::to_owned),
            service: text("service")?.to_owned(),
            operation: text("operation")?.to_owned(),
            params: answer.get("params").and_then(Json::as_object).cloned().unwrap_or_default(),
        };
        self.answers.insert(call.key(), answer);
        Ok(())
    }

    /// What a call was answered.
    fn answer(&self, call: &Call) -> Result<Page, CallFailure> {
        let failure = |kind, code: &str, message: String| CallFailure { kind, code: code.to_owned(), message };
        let Some(answer) = self.answers.get(&call.key()) else {
            return Err(failure(FailureKind::Unavailable, "NotRecorded", format!("{call} was not recorded")));
        };
        if let Some(error) = answer.get("error") {
            let part = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default();
            return Err(failure(FailureKind::Denied, part("code"), part("message").to_owned()));
        }
        let next = answer.get("next").and_then(Json::as_object).cloned();
        let next: Option<Map<String, Json>> = next.filter(|next| !next.is_empty());
        Ok(Page { response: answer.get("response").cloned().unwrap_or(Json::Null), next })
    }
}

impl Caller for Replay {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        self.answer(call)
    }
}
