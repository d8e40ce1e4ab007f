//! Cloud Asset Inventory fixtures with the violations that a third party's templates find.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value as Json, json};
use yagura_model::Status;
use yagura_posture::{Settings, assess};

use super::table::{Row, check_listed, rows};
use super::{catalogue, estate_of, json_lines, lines_of, now, shared};

/// Templates that find a violation in every asset of a kind: ours is off until somebody turns it on.
const SWITCHED_ON: [(&str, &str); 1] = [("GCPIAMRestrictServiceAccountCreationConstraintV1", "forbidden")];

/// One asset as an export of resources and policies holds it.
fn asset(row: &Json) -> Vec<u8> {
    // Says that policies were exported, so that an asset without one has none.
    let other =
        json!({ "name": "//cloudresourcemanager.googleapis.com/projects/other", "asset_type": "-", "iam_policy": {} });
    lines_of([row, &other])
}

/// What we say of one asset with the parameters of one constraint.
fn ours(row: &Row, assets: &HashMap<String, Json>) -> Option<Status> {
    let place = catalogue().find(&row["template"])?;
    let mut parameters: BTreeMap<String, Json> = serde_json::from_str(&row["parameters"]).unwrap_or_default();
    for (_, name) in SWITCHED_ON.iter().filter(|(template, _)| *template == row["template"]) {
        parameters.insert((*name).to_owned(), true.into());
    }
    let key = catalogue().recommendations()[place].key.clone();
    let settings = Settings { parameters: BTreeMap::from([(key, parameters)]), ..Settings::default() };
    let (estate, _) = estate_of("asset", &asset(&assets[&row["asset_key"]]));
    let assessed = assess(&estate, catalogue(), &settings, now());
    let mut own = assessed.assessments.iter().filter(|own| own.recommendation as usize == place).map(|own| own.status);
    Some(own.next().unwrap_or(Status::NotApplicable))
}

#[test]
fn google_assets_are_judged_as_a_third_party_judges_them() {
    let expected = rows(&std::fs::read_to_string(shared().join("estates/gcp-policy-library/expected.tsv")).unwrap());
    let lines = json_lines("estates/gcp-policy-library/assets.jsonl.zst");
    let assets: HashMap<String, Json> =
        lines.into_iter().map(|row| (row["x_key"].as_str().unwrap().to_owned(), row)).collect();
    let (mut right, mut total) = (0, 0);
    let (mut covered, mut not_covered) = (BTreeSet::new(), BTreeSet::new());
    let mut disagreements = BTreeMap::new();
    for row in &expected {
        let template = row["template"].clone();
        let Some(status) = ours(row, &assets) else {
            not_covered.insert(template);
            continue;
        };
        covered.insert(template);
        total += 1;
        let violates = row["violation"] == "yes";
        if violates == (status == Status::Unhealthy) && status != Status::Unknown {
            right += 1;
            continue;
        }
        let key = format!("{} {} {}", row["template"], row["constraint_name"], row["asset_key"]);
        disagreements.insert(key, format!("{}\t{status}", row["violation"]));
    }
    let share = f64::from(right) * 100.0 / f64::from(total);
    println!("{} templates covered, {} not: {not_covered:?}", covered.len(), not_covered.len());
    println!("agreement: {right} of {total} ({share:.2} %)");
    assert!(covered.len() >= 25 && share >= 95.0, "{disagreements:#?}");
    check_listed("gcp-policy-library.tsv", "row\tviolation\tours\treason", &disagreements);
}
