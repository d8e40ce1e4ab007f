//! Yagura's policy engine beside regorus: the same Azure Policy definitions over the same resources in one process.
//!
//! Checks that both give the same verdict for every pair, then prints the CPU time of each and the ratio. README.md says
//! what is measured.

mod cpu;
mod ours;
mod resources;
mod theirs;

use std::path::Path;

use anyhow::{Context, Result};

use crate::cpu::Times;

/// Resources that both engines look at.
const RESOURCES: usize = 10_000;
/// How often both are measured in turn.
const ROUNDS: usize = 9;
/// How often each does its work in one measurement, since the kernel may count CPU time in ticks of some milliseconds.
const REPEATS: usize = 10;
/// Disagreements that are shown one by one.
const SHOWN: usize = 20;

/// A definition: its name, its display name and the text of its file.
struct Definition {
    name: String,
    title: String,
    text: String,
}

/// What an engine says of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The condition holds: the resource does not comply.
    Triggered,
    /// It does not hold.
    Not,
    /// The engine cannot tell.
    Undecided,
}

fn main() -> Result<()> {
    let definitions = definitions()?;
    let texts = resources::texts(RESOURCES);
    let ours = ours::Engine::new(&definitions)?;
    let mut theirs = theirs::Engine::new(&definitions)?;
    let (estate, inputs) = (ours.estate(&texts)?, theirs.inputs(&texts)?);
    println!("{} definitions, {} resources, {} pairs", definitions.len(), texts.len(), definitions.len() * texts.len());
    check(&definitions, &texts, &ours, &estate, &mut theirs, &inputs)?;
    println!("\nCPU ms: min / median / max of {ROUNDS} rounds, each the mean of {REPEATS}");

    let (mut own, mut other) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        own.take(REPEATS, || ours.estate(&texts))?;
        other.take(REPEATS, || theirs.inputs(&texts))?;
    }
    report("make the resources ready from JSON text", &own, &other);

    let (mut own, mut other) = (Times::default(), Times::default());
    let (mut own_by_kind, mut other_by_kind) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        let triggered = own.take(REPEATS, || Ok(ours.count(&estate)))?;
        let triggered_there = other.take(REPEATS, || theirs.count(&inputs))?;
        anyhow::ensure!(triggered == triggered_there, "{triggered} and {triggered_there} pairs are triggered");
        own_by_kind.take(REPEATS, || Ok(ours.count_by_kind(&estate)))?;
        other_by_kind.take(REPEATS, || theirs.count_by_kind(&inputs))?;
    }
    report("evaluate every pair", &own, &other);
    report("evaluate the pairs whose kind is the definition's, both behind an index", &own_by_kind, &other_by_kind);
    report("each as it comes: yagura behind its index by kind, regorus every pair", &own_by_kind, &other);
    Ok(())
}

fn report(what: &str, own: &Times, other: &Times) {
    println!("\n{what}");
    println!("  yagura   {own}");
    println!("  regorus  {other}");
    println!("  ratio    {:.1} (of medians)", other.median() / own.median());
}

/// The definitions in the folder beside, by name.
fn definitions() -> Result<Vec<Definition>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions");
    let mut definitions = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let json: serde_json::Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let name = json["name"].as_str().unwrap_or_default().to_owned();
        let title = json["properties"]["displayName"].as_str().unwrap_or_default().to_owned();
        definitions.push(Definition { name, title, text });
    }
    definitions.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(definitions)
}

/// Asks both about every pair and prints what they say and where they disagree.
fn check(
    definitions: &[Definition],
    texts: &[String],
    ours: &ours::Engine,
    estate: &ours::Ready,
    theirs: &mut theirs::Engine,
    inputs: &[theirs::Input],
) -> Result<()> {
    let mut disagreements = 0;
    println!("\ntriggered  disagree  definition");
    for (place, definition) in definitions.iter().enumerate() {
        let (mut triggered, mut differ) = (0, 0);
        for (number, text) in texts.iter().enumerate() {
            let own = ours.answer(place, estate, number);
            let other = theirs.answer(place, &inputs[number])?;
            triggered += usize::from(own == Answer::Triggered);
            if own == other {
                continue;
            }
            differ += 1;
            disagreements += 1;
            if disagreements <= SHOWN {
                eprintln!("{}: yagura {own:?}, regorus {other:?}: {text}", definition.title);
            }
        }
        println!("{triggered:>9}  {differ:>8}  {} {}", &definition.name[..8], definition.title);
    }
    println!("{disagreements} disagreements in {} pairs", definitions.len() * texts.len());
    Ok(())
}
