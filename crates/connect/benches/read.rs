//! How fast exports become resources, beside `serde_json` parsing the same bytes into `serde_json::Value`.
//!
//! `cargo bench -p yagura-connect`. First both are run in turn on each export and their ratio is printed (the goal: at
//! least 25 % of the speed of `serde_json`), then criterion measures each by itself. The exports are the sample estate's
//! rows many times over, about 50 MB each, with ids of their own; the same in every run.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde_json::value::RawValue;
use yagura_connect::export::{ReadOptions, ReadSummary, read_stream};
use yagura_content::{Catalogue, Layer, ResourceType, shipped};
use yagura_model::{EstateBuilder, Kind};

/// Bytes of an export.
const SIZE: usize = 50_000_000;
/// How often both are run in turn.
const ROUNDS: usize = 7;
/// Subscriptions in place of each one of the sample estate.
const SUBSCRIPTIONS: usize = 10;

/// An export, one row a line.
struct Export {
    name: &'static str,
    text: String,
}

fn read(criterion: &mut Criterion) {
    let (catalogue, _) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
    let types = catalogue.resource_types();
    for export in exports() {
        compare(&export, types);
        let mut group = criterion.benchmark_group(export.name);
        group.sample_size(10).throughput(Throughput::Bytes(export.text.len() as u64));
        group.bench_function("yagura", |bencher| {
            bencher.iter_batched_ref(EstateBuilder::new, |sink| ours(&export, types, sink), BatchSize::PerIteration);
        });
        group.bench_function("serde_json", |bencher| bencher.iter(|| theirs(&export)));
        group.finish();
    }
}

/// Reads the export into a builder.
fn ours(export: &Export, types: &BTreeMap<Kind, ResourceType>, sink: &mut EstateBuilder) -> ReadSummary {
    read_stream(export.name, export.text.as_bytes(), types, sink, &ReadOptions::default())
}

/// Parses the same rows into trees of values, each dropped when it is read; their count.
fn theirs(export: &Export) -> u64 {
    // In an object around the rows, its first and last line hold none and commas end the others.
    let rows =
        export.text.lines().map(|line| line.trim_end_matches(',')).filter(|line| line.ends_with('}') && line.len() > 2);
    let parsed = rows.map(|row| {
        let value: serde_json::Value = serde_json::from_slice(row.as_bytes()).expect("the row is JSON");
        black_box(value);
    });
    parsed.count() as u64
}

/// Runs both in turn and prints the throughput of each and the ratio.
fn compare(export: &Export, types: &BTreeMap<Kind, ResourceType>) {
    let (mut own, mut other) = (Vec::new(), Vec::new());
    let (mut summary, mut parsed) = (ReadSummary::default(), 0);
    for _ in 0..ROUNDS {
        let mut sink = EstateBuilder::new();
        own.push(timed(|| summary = ours(export, types, &mut sink)));
        drop(sink);
        other.push(timed(|| parsed = theirs(export)));
    }
    assert_eq!(summary.records, parsed, "both read every row");
    let bytes = export.text.len();
    println!("\n{}: {bytes} bytes, {} records, {} resources", export.name, summary.records, summary.resources);
    println!("  yagura      {}", speeds(bytes, &mut own));
    println!("  serde_json  {}", speeds(bytes, &mut other));
    let ratio = other[ROUNDS / 2].as_secs_f64() / own[ROUNDS / 2].as_secs_f64();
    println!("  yagura reaches {:.0} % of the speed of serde_json (medians of {ROUNDS})\n", ratio * 100.0);
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// Sorts the times and writes them as throughput.
fn speeds(bytes: usize, times: &mut [Duration]) -> String {
    times.sort_unstable();
    let speed = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e6;
    let (slowest, fastest) = (times[times.len() - 1], times[0]);
    format!(
        "{:.0} / {:.0} / {:.0} MB/s (min, median, max)",
        speed(slowest),
        speed(times[times.len() / 2]),
        speed(fastest)
    )
}

fn exports() -> [Export; 3] {
    let rows = azure_rows();
    [
        Export { name: "azure-lines", text: rows.join("\n") },
        Export { name: "azure-data", text: format!("{{\"data\":[\n{}\n]}}", rows.join(",\n")) },
        Export { name: "gcp-lines", text: gcp_rows().join("\n") },
    ]
}

/// A file of the sample estate.
fn sample(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/contoso").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Rows of Resource Graph: the sample's, with resource groups and subscriptions of their own.
fn azure_rows() -> Vec<String> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    let text = sample("azure/resources.json");
    let page: Page<'_> = serde_json::from_str(&text).expect("the sample is a page of rows");
    let rows: Vec<&str> = page.data.iter().map(|row| row.get()).collect();
    copied(&rows, |row, copy| {
        let in_group = row.contains("/resourceGroups/");
        (in_group || copy < SUBSCRIPTIONS).then(|| other_subscription(&other_groups(row, copy), copy))
    })
}

/// `/resourceGroups/rg-web` becomes `/resourceGroups/rg-web-17`.
fn other_groups(row: &str, copy: usize) -> String {
    const MARK: &str = "/resourceGroups/";
    let mut parts = row.split(MARK);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', '"']).unwrap_or(part.len());
        let (group, rest) = part.split_at(end);
        let _ = write!(text, "{MARK}{group}-{copy}{rest}");
    }
    text
}

fn other_subscription(row: &str, copy: usize) -> String {
    let place = copy % SUBSCRIPTIONS;
    row.replace("11111111-1111-", &format!("1111111{place}-1111-"))
        .replace("22222222-2222-", &format!("2222222{place}-2222-"))
}

/// Rows of Cloud Asset Inventory: the sample's, each copy a project of its own.
fn gcp_rows() -> Vec<String> {
    let text = sample("gcp/resources.jsonl");
    let rows: Vec<&str> = text.lines().filter(|row| !row.is_empty()).collect();
    copied(&rows, |row, copy| {
        let renamed = row
            .replace("contoso-web-prod", &format!("contoso-web-prod-{copy}"))
            .replace("contoso-gcp-", &format!("contoso-gcp-{copy}-"))
            .replace("111111111111", &format!("1{copy:011}"));
        (renamed != row || copy == 0).then_some(renamed)
    })
}

/// Copies rows until they are an export's size.
fn copied(rows: &[&str], renamed: impl Fn(&str, usize) -> Option<String>) -> Vec<String> {
    let mut copies = Vec::new();
    let mut size = 0;
    for copy in 0.. {
        for row in rows {
            let Some(row) = renamed(row, copy) else { continue };
            size += row.len() + 1;
            copies.push(row);
            if size >= SIZE {
                return copies;
            }
        }
    }
    copies
}

criterion_group!(benches, read);
criterion_main!(benches);
