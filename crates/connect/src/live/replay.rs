//! A cloud made of recorded answers: `--replay` serves what `--record` wrote.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use yagura_cloud::{Call, CallFailure, Caller, FailureKind, Page};
use yagura_model::{Cloud, Problem, Timestamp};

use super::plan::Target;

/// The longest line of a recording, in bytes; longer ones are said and left out.
const LONGEST_LINE: u64 = 256 << 20;

/// Recorded answers by the keys of their calls. The answers stay in their files and are read when they are asked for.
#[derive(Debug, Default)]
pub struct Replay {
    files: Vec<Mutex<File>>,
    answers: HashMap<String, Stored>,
    accounts: BTreeMap<String, Regions>,
    azure: Option<(Option<String>, BTreeSet<String>)>,
    gcp: BTreeSet<String>,
    newest: Timestamp,
}

/// Where an answer is.
#[derive(Debug)]
enum Stored {
    Line(String),
    File { file: usize, start: u64, length: usize },
}

#[derive(Debug, Default)]
struct Regions {
    seen: BTreeSet<String>,
    home: Option<String>,
}

/// A recorded answer, the answer itself left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    cloud: Cloud,
    scope: String,
    #[serde(default)]
    region: Option<String>,
    service: String,
    operation: String,
    #[serde(default)]
    params: Map<String, Json>,
    #[serde(default)]
    observed_at: Option<Timestamp>,
}

/// What the recorded collection could not find out.
#[derive(Deserialize)]
struct Lost {
    lost: String,
    source: String,
}

impl Replay {
    /// Reads every `.jsonl` file of a folder. What is no recorded answer is said and left out.
    pub fn read(folder: &Path) -> std::io::Result<(Self, Vec<Problem>)> {
        let (mut replay, mut problems) = (Self::default(), Vec::new());
        let mut paths: Vec<_> =
            std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")) {
            replay.file(path, &mut problems)?;
        }
        Ok((replay, problems))
    }

    fn file(&mut self, path: &Path, problems: &mut Vec<Problem>) -> std::io::Result<()> {
        let (file, mut start) = (self.files.len(), 0);
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let length = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            let mut lost =
                |reason: String| problems.push(Problem::lost(path.display().to_string(), Some(number), reason));
            if length as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
                lost(format!("is longer than {LONGEST_LINE} bytes"));
                start += length as u64 + skip_line(&mut lines)?;
                continue;
            }
            if let Ok(Lost { lost: message, source }) = serde_json::from_slice(&line) {
                problems.push(Problem::lost(source, None, message));
            } else if !line.trim_ascii().is_empty()
                && let Err(reason) = self.index(&line, Stored::File { file, start, length })
            {
                lost(reason);
            }
            start += length as u64;
        }
        self.files.push(Mutex::new(File::open(path)?));
        Ok(())
    }

    /// Adds one line.
    pub fn add(&mut self, line: &str) -> Result<(), String> {
        if line.trim().is_empty() {
            return Ok(());
        }
        self.index(line.as_bytes(), Stored::Line(line.to_owned()))
    }

    fn index(&mut self, line: &[u8], stored: Stored) -> Result<(), String> {
        let head: Head =
            serde_json::from_slice(line).map_err(|error| format!("could not be read as a recorded answer: {error}"))?;
        self.newest = self.newest.max(head.observed_at.unwrap_or_default());
        let call = Call {
            cloud: head.cloud,
            scope: head.scope,
            region: head.region,
            service: head.service,
            operation: head.operation,
            params: head.params,
        };
        self.reaches(&call);
        self.answers.insert(call.key(), stored);
        Ok(())
    }

    fn reaches(&mut self, call: &Call) {
        match call.cloud {
            Cloud::Aws => {
                let Some(region) = &call.region else { return };
                let regions = self.accounts.entry(call.scope.clone()).or_default();
                regions.seen.insert(region.clone());
                // STS says who the account is; it is asked in the region of global services.
                if call.service == "sts" {
                    regions.home = Some(region.clone());
                }
            }
            Cloud::Azure => {
                let (tenant, subscriptions) = self.azure.get_or_insert_default();
                match call.service.as_str() {
                    "graph" => *tenant = Some(call.scope.clone()),
                    "resourcegraph" => {
                        let named = call.params.get("subscriptions").and_then(Json::as_array);
                        let named = named.into_iter().flatten().filter_map(Json::as_str);
                        subscriptions.extend(named.map(str::to_owned));
                    }
                    _ => {}
                }
            }
            Cloud::Gcp if call.service == "cloudasset" => {
                self.gcp.insert(call.scope.clone());
            }
            Cloud::Gcp => {}
        }
    }

    /// What the recorded collection read.
    pub fn targets(&self) -> Vec<Target> {
        let aws = self.accounts.iter().map(|(account, regions)| Target::Aws {
            account: account.clone(),
            regions: regions.seen.iter().cloned().collect(),
            home: regions.home.clone().or_else(|| regions.seen.first().cloned()).unwrap_or_default(),
        });
        let azure = self.azure.iter().map(|(tenant, subscriptions)| Target::Azure {
            tenant: tenant.clone(),
            subscriptions: subscriptions.iter().cloned().collect(),
        });
        let gcp = self.gcp.iter().map(|scope| Target::Gcp { scope: scope.clone() });
        aws.chain(azure).chain(gcp).collect()
    }

    /// When the newest answer was observed.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// What a call was answered.
    fn answer(&self, call: &Call) -> Result<Page, CallFailure> {
        let failure = |kind, code: &str, message: String| CallFailure { kind, code: code.to_owned(), message };
        let Some(stored) = self.answers.get(&call.key()) else {
            return Err(failure(FailureKind::Unavailable, "NotRecorded", format!("{call} was not recorded")));
        };
        let line = self.line(stored).map_err(|error| failure(FailureKind::Unreadable, "Recording", error))?;
        let answer: Json = serde_json::from_slice(&line)
            .map_err(|error| failure(FailureKind::Unreadable, "Recording", error.to_string()))?;
        if let Some(error) = answer.get("error") {
            let part = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default();
            let kind = match error.get("notOffered").and_then(Json::as_bool) {
                Some(true) => FailureKind::NotOffered,
                _ => FailureKind::Denied,
            };
            return Err(failure(kind, part("code"), part("message").to_owned()));
        }
        let next = answer.get("next").and_then(Json::as_object).cloned();
        let next: Option<Map<String, Json>> = next.filter(|next| !next.is_empty());
        Ok(Page { response: answer.get("response").cloned().unwrap_or(Json::Null), next })
    }

    fn line(&self, stored: &Stored) -> Result<Vec<u8>, String> {
        let (file, start, length) = match stored {
            Stored::Line(line) => return Ok(line.clone().into_bytes()),
            Stored::File { file, start, length } => (*file, *start, *length),
        };
        let file = self.files.get(file).ok_or("its file is gone")?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = vec![0; length];
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut line));
        read.map_err(|error| format!("could not be read again: {error}"))?;
        Ok(line)
    }
}

/// Passes over the rest of a line; gives its length with its end.
fn skip_line(lines: &mut impl BufRead) -> std::io::Result<u64> {
    lines.skip_until(b'\n').map(|length| length as u64)
}

impl Caller for Replay {
    async fn call(&self, call: &Call) -> Result<Page, CallFailure> {
        self.answer(call)
    }
}
