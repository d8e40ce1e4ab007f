//! Telemetry that others recorded: every record is an event, passed over for a reason, or refused by name.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use serde_json::{Value as Json, json};
use yagura_connect::events::plan::{How, plan};
use yagura_connect::events::{Parsed, Passed, Refusal, Watch, aws, azure};
use yagura_connect::live::Target;

use super::{catalogue, shared};

/// The lines of a gzip file.
fn lines(path: &PathBuf) -> Vec<Json> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a corpus came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    records: u64,
    events: u64,
    passed: BTreeMap<Passed, u64>,
    refused: BTreeMap<String, u64>,
    plans: BTreeMap<How, u64>,
}

impl Tally {
    fn add(&mut self, parsed: Result<Parsed, Refusal>) {
        self.records += 1;
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(refusal) => return *self.refused.entry(refusal.to_string()).or_default() += 1,
        };
        let outcomes = parsed.events.len() + parsed.refused.len() + parsed.passed.values().sum::<u64>() as usize;
        assert_eq!(outcomes, 1, "one record, one outcome");
        self.events += parsed.events.len() as u64;
        for (why, count) in parsed.passed {
            *self.passed.entry(why).or_default() += count;
        }
        for refusal in parsed.refused {
            *self.refused.entry(refusal.to_string()).or_default() += 1;
        }
        for event in parsed.events {
            let targets = [Target::Aws {
                account: event.scope.clone(),
                regions: event.region.iter().cloned().collect(),
                home: "us-east-1".into(),
            }];
            let watch = Watch::new(&targets, catalogue().resource_types());
            for plan in plan(&event, &watch) {
                *self.plans.entry(plan.how).or_default() += 1;
            }
        }
    }
}

/// A record as EventBridge delivers it.
fn delivered(record: &Json) -> String {
    json!({"version": "0", "id": "x", "detail-type": "AWS API Call via CloudTrail", "source": "aws.x", "region": "x",
        "account": record.get("recipientAccountId"), "time": record.get("eventTime"), "detail": record})
    .to_string()
}

#[test]
fn cloudtrail_records_are_read_or_refused_by_name() {
    let folder = shared().join("corpora/telemetry/aws-cloudtrail");
    let mut files = vec![folder.join("invictus-2023-07-10.jsonl.gz")];
    let techniques = std::fs::read_dir(folder.join("stratus")).unwrap();
    files.extend(techniques.map(|entry| entry.unwrap().path()));
    files.sort();
    let watch = Watch::new(&[], catalogue().resource_types());
    let (mut real, mut edited) = (Tally::default(), Tally::default());
    for record in files.iter().flat_map(lines) {
        real.add(aws::parse(&delivered(&record), &watch.triggers));
    }
    for row in lines(&shared().join("corpora/telemetry/labelled-unit/aws-cloudtrail.jsonl.gz")) {
        edited.add(aws::parse(&delivered(&row["event"]), &watch.triggers));
    }
    println!("recorded: {real:?}\nunit tests of others: {edited:?}");
    assert_eq!(real.refused, BTreeMap::new(), "every record of a real trail is read");
    assert!(real.records > 3000 && real.events > 150, "{real:?}");
    assert!(real.plans[&How::Narrow] > real.plans[&How::Relist], "{real:?}");
    let lacking = edited.refused.values().sum::<u64>();
    assert!(lacking * 2 < edited.records, "{edited:?}");
}

#[test]
fn activity_log_records_are_read_or_refused_by_name() {
    let mut tally = Tally::default();
    for row in lines(&shared().join("corpora/telemetry/labelled-unit/azure-activity.jsonl.gz")) {
        tally.add(azure::parse(&row["event"].to_string()));
    }
    println!("{tally:?}");
    assert!(tally.events > 50, "{tally:?}");
    assert!(tally.refused.keys().all(|refusal| refusal.starts_with("has no usable")), "{tally:?}");
}
