//! An Azure estate with the verdicts of a third party's rules.

use std::collections::{BTreeMap, HashMap};

use yagura_model::Status;
use yagura_posture::{Settings, assess};

use super::table::{Row, check_listed, rows};
use super::{catalogue, estate_of, now, shared, unpacked};

/// Statuses by recommendation and lower-case resource id.
type Verdicts = HashMap<usize, BTreeMap<String, Status>>;

fn verdicts() -> Verdicts {
    let (estate, lost) = estate_of("resources.jsonl", &unpacked("estates/azure-psrule/resources.jsonl.zst"));
    assert_eq!(lost, [], "every row is read");
    let assessed = assess(&estate, catalogue(), &Settings::default(), now());
    let mut verdicts = Verdicts::new();
    for assessment in &assessed.assessments {
        let own = verdicts.entry(assessment.recommendation as usize).or_default();
        own.insert(assessment.resource.id.as_str().to_ascii_lowercase(), assessment.status);
    }
    verdicts
}

/// What we say where the row speaks; `notapplicable` where we have no assessment.
fn ours(row: &Row, verdicts: &Verdicts) -> Result<&'static str, String> {
    let key = if row["assessment_key"].is_empty() { &row["policy_definition_id"] } else { &row["assessment_key"] };
    let place = catalogue().find(key).ok_or_else(|| format!("no recommendation covers {key}"))?;
    let empty = BTreeMap::new();
    let own = verdicts.get(&place).unwrap_or(&empty);
    let id = row["resource_id"].to_ascii_lowercase();
    let scope = row["scope"].as_str();
    if scope.starts_with("any-child") {
        // Their rule rates the parent, ours each child: one unhealthy child makes the parent unhealthy.
        let below = own.iter().filter(|(child, _)| child.starts_with(&format!("{id}/")));
        let unhealthy = below.map(|(_, status)| *status).any(|status| status == Status::Unhealthy);
        return Ok(if unhealthy { "unhealthy" } else { "healthy" });
    }
    let assessed = if scope == "subscription" { id.split('/').take(3).collect::<Vec<_>>().join("/") } else { id };
    Ok(match own.get(&assessed) {
        Some(Status::Healthy) => "healthy",
        Some(Status::Unhealthy) => "unhealthy",
        Some(Status::Unknown) => "unknown",
        Some(Status::NotApplicable) | None => "notapplicable",
    })
}

#[test]
fn an_azure_estate_is_judged_as_a_third_party_judges_it() {
    let expected = rows(&std::fs::read_to_string(shared().join("estates/azure-psrule/expected.tsv")).unwrap());
    let verdicts = verdicts();
    let mut agreed: BTreeMap<bool, (usize, usize)> = BTreeMap::new();
    let mut disagreements = BTreeMap::new();
    for row in &expected {
        let ours = ours(row, &verdicts).unwrap();
        let sure = row["confidence"] != "low";
        let counts = agreed.entry(sure).or_default();
        counts.1 += 1;
        if ours == row["expected"] {
            counts.0 += 1;
            continue;
        }
        let key = format!("{} {} {}", row["rule"], row["resource_id"], row["assessment_key"]);
        disagreements.insert(key, format!("{}\t{ours}\t{}", row["expected"], row["confidence"]));
    }
    let (sure, total_sure) = agreed[&true];
    let (all, total) = (sure + agreed[&false].0, total_sure + agreed[&false].1);
    println!("high and medium confidence: {sure} of {total_sure} ({:.2} %)", share(sure, total_sure));
    println!("all rows: {all} of {total} ({:.2} %)", share(all, total));
    assert!(share(sure, total_sure) >= 97.0, "{sure} of {total_sure}");
    check_listed("azure-psrule.tsv", "row\tthird party\tours\tconfidence\treason", &disagreements);
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole as f64
}
