//! Escalation in accounts of others: what they and we find in the same policies.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use yagura_graph::escalation::{ANSWER, Primitives, derive};
use yagura_model::{Answer, Cloud, Estate, MemoryEstate, ResourceId};

use super::{catalogue, estate_of, lines_of, now, unpacked};

/// The estate of an answer of `GetAccountAuthorizationDetails`, with what follows from it.
fn judged(account: &str, details: &Json) -> MemoryEstate {
    let recorded = json!({
        "cloud": "aws", "scope": account, "service": "iam", "operation": "GetAccountAuthorizationDetails",
        "params": {}, "response": details,
    });
    let (mut estate, lost) = estate_of("details.jsonl", &lines_of([&recorded]));
    assert_eq!(lost, []);
    let answers = derive(&estate, &Primitives::new(catalogue().escalations()), now());
    estate.derived(answers);
    estate
}

/// Whether escalation is possible there; none where nothing was judged or it is not known.
fn finding(estate: &MemoryEstate, arn: &str) -> Option<bool> {
    let resource = estate.by_id(&ResourceId::new(Cloud::Aws, arn))?;
    let Some(Answer::Found(found)) = resource.attachment(ANSWER) else { return None };
    let administrator = found.root().get("administrator")?.as_bool()?;
    Some(administrator || !found.root().get("found")?.is_empty())
}

#[test]
fn customer_policies_are_judged_as_another_tool_judges_them() {
    let details: Json =
        serde_json::from_slice(&unpacked("estates/aws-cloudsplaining/authorization-details.json.zst")).unwrap();
    let estate = judged("200611803367", &details);
    let text = String::from_utf8(unpacked("estates/aws-cloudsplaining/expected.tsv")).unwrap();
    let (mut compared, mut differing) = (0, BTreeMap::new());
    for row in text.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>()) {
        if row[0] != "customer_managed_policies" || row[4] != "PrivilegeEscalation" {
            continue;
        }
        compared += 1;
        let ours = finding(&estate, row[2]);
        let word = match ours {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        if word != row[7] {
            differing.insert(row[3].to_owned(), format!("{}\t{word}", row[7]));
        }
    }
    println!("{compared} policies, {} differ", differing.len());
    assert_eq!(compared, 38);
    super::table::check_listed("aws-escalation.tsv", "policy\ttheirs\tours\treason", &differing);
}
