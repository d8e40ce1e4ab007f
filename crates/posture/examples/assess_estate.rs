//! Assesses a synthetic estate of 100,000 resources once and prints what that took.
//!
//! `cargo run --release -p yagura-posture --example assess_estate [RESOURCES]`. CPU seconds come from /proc/self/stat and
//! memory from /proc/self/status, so it runs on Linux.

#[path = "../benches/estate/mod.rs"]
mod estate;

use std::collections::BTreeSet;

use yagura_model::Status;
use yagura_posture::{Assessed, Fixes, View, assess, secure_score};

/// Ticks of a second in /proc (`getconf CLK_TCK`; 100 on every Linux of today).
const TICKS: f64 = 100.0;

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let started = cpu_seconds();
    let catalogue = estate::catalogue();
    let settings = estate::settings(&catalogue);
    let loaded = cpu_seconds();
    let estate = estate::estate(&catalogue, count);
    let made = cpu_seconds();
    let before = memory("VmRSS");
    let assessed = assess(&estate, &catalogue, &settings, estate::now());
    let done = cpu_seconds();
    let score = secure_score(&assessed, &catalogue, &settings, View::Adjusted, &Fixes::default());
    let scored = cpu_seconds();

    let bytes: usize = estate.resources().iter().map(|resource| resource.document.size()).sum();
    println!("resources        {} in {} scopes", estate.resources().len(), estate.scopes().len());
    println!("documents        {bytes} bytes without attached answers");
    println!("evaluations      {}", assessed.assessments.len());
    print_verdicts(&assessed, catalogue.recommendations().len());
    println!("secure score     {:?}", score.percentage);
    println!("CPU s            content {:.2}, estate {:.2}", loaded - started, made - loaded);
    println!("CPU s assess     {:.2}", done - made);
    println!("CPU s score      {:.2}", scored - done);
    println!("memory           {:.0} MiB before the assessment, {:.0} MiB at the peak", before, memory("VmHWM"));
}

/// How often each verdict came out, and how many recommendations gave it at least once.
fn print_verdicts(assessed: &Assessed, recommendations: usize) {
    let evaluated: BTreeSet<u32> = assessed.assessments.iter().map(|assessment| assessment.recommendation).collect();
    println!("  evaluated were {} of {recommendations} recommendations", evaluated.len());
    for (name, status) in [
        ("healthy", Status::Healthy),
        ("unhealthy", Status::Unhealthy),
        ("not applicable", Status::NotApplicable),
        ("unknown", Status::Unknown),
    ] {
        let own = || assessed.assessments.iter().filter(|assessment| assessment.status == status);
        let recommendations: BTreeSet<u32> = own().map(|assessment| assessment.recommendation).collect();
        println!("  {name:<14} {:>7} by {} recommendations", own().count(), recommendations.len());
    }
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15; the second one, the name, may hold blanks and ends with a bracket.
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

/// A memory figure of /proc/self/status in MiB.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kibibytes.unwrap_or_default() / 1024.0
}
