//! Real answers of the clouds, recorded by a third party: every item of an answer that a resource type reads arrives.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use yagura_connect::export::{ReadOptions, read_stream};
use yagura_model::{Cloud, EstateBuilder};

use super::{catalogue, json_lines, lines_of};

/// The recorder names services by their endpoint; boto3's names where they differ.
const SERVICES: [(&str, &str); 8] = [
    ("access-analyzer", "accessanalyzer"),
    ("api.ecr", "ecr"),
    ("autoscaling", "autoscaling"),
    ("elasticfilesystem", "efs"),
    ("es", "opensearch"),
    ("monitoring", "cloudwatch"),
    ("states", "stepfunctions"),
    ("tagging", "resourcegroupstaggingapi"),
];

fn service_of(line: &Json) -> String {
    let endpoint = line["service"].as_str().unwrap();
    if endpoint == "elasticloadbalancing" {
        // Both generations answer under one endpoint; only the classic one has these members.
        let classic = ["LoadBalancerDescriptions", "LoadBalancerAttributes", "InstanceStates"];
        let is_classic = classic.iter().any(|member| line["data"].get(member).is_some());
        return if is_classic { "elb" } else { "elbv2" }.to_owned();
    }
    let known = SERVICES.iter().find(|(name, _)| *name == endpoint);
    known.map_or(endpoint, |(_, name)| name).to_owned()
}

/// How many items stand at `Reservations[].Instances[]`, `[A,B][]`, `cluster`, `@`: counted without our reader.
fn count_at(path: &str, answer: &Json) -> usize {
    if path == "@" {
        return 1;
    }
    if let Some(names) = path.strip_prefix('[').and_then(|rest| rest.strip_suffix("][]")) {
        return names.split(',').map(|name| count_at(name.trim(), answer)).sum();
    }
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = &answer[first.trim_end_matches("[]")];
    let inner: Vec<&Json> = match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.iter().filter(|item| !item.is_null()).collect(),
        other => vec![other],
    };
    match rest {
        None => inner.len(),
        Some(rest) => inner.iter().map(|item| count_at(rest, item)).sum(),
    }
}

/// Items of an answer by all list calls that read it; none when nobody does.
fn wanted(service: &str, operation: &str, answer: &Json) -> Option<usize> {
    let mut count = None;
    for described in catalogue().resource_types().values().filter(|described| described.cloud == Cloud::Aws) {
        for list in described.list.as_slice().iter().filter(|list| !list.names_only) {
            let is_it = list.service.as_deref() == Some(service) && list.operation.as_deref() == Some(operation);
            let path = list.items.as_deref().unwrap_or("@");
            if is_it
                && !path.starts_with("@csv")
                && list.params.values().all(|value| value.as_str().is_some_and(|text| text.contains('{')))
            {
                *count.get_or_insert(0) += count_at(path, answer);
            }
        }
    }
    count
}

/// The recorder left parameters out; ids that are made of one get a placeholder.
fn params(service: &str, operation: &str) -> Json {
    let mut params = serde_json::Map::new();
    for described in catalogue().resource_types().values().filter(|described| described.cloud == Cloud::Aws) {
        let mut lists = described.list.as_slice().iter();
        if !lists.any(|list| list.service.as_deref() == Some(service) && list.operation.as_deref() == Some(operation)) {
            continue;
        }
        for part in described.id.as_deref().unwrap_or_default().split("{param.").skip(1) {
            params.insert(part.split('}').next().unwrap().to_owned(), "placeholder".into());
        }
    }
    Json::Object(params)
}

#[test]
fn every_item_of_a_recorded_aws_answer_arrives() {
    let (mut answers, mut items) = (0, 0);
    let mut lost = BTreeMap::new();
    for line in json_lines("corpora/recorded/aws.jsonl.zst") {
        let (service, operation) = (service_of(&line), line["operation"].as_str().unwrap());
        let Some(wanted) = wanted(&service, operation, &line["data"]) else { continue };
        let recorded = json!({
            "cloud": "aws", "scope": "111111111111", "region": "us-east-1", "service": service, "operation": operation,
            "params": params(&service, operation), "response": line["data"],
        });
        let mut builder = EstateBuilder::new();
        let text = lines_of([&recorded]);
        let summary = read_stream("aws", &*text, catalogue().resource_types(), &mut builder, &ReadOptions::default());
        answers += 1;
        items += wanted;
        if summary.resources != wanted as u64 {
            let estate = builder.finish(catalogue().kinds());
            let why: Vec<String> = estate.problems().iter().map(|problem| problem.message.clone()).collect();
            let scenario = format!("{service}:{operation} {}", line["scenario"].as_str().unwrap_or_default());
            lost.insert(scenario, format!("{} of {wanted}: {}", summary.resources, why.join("; ")));
        }
    }
    println!("{answers} recorded AWS answers with {items} items read, {} with a loss", lost.len());
    super::table::check_listed("recorded-aws.tsv", "answer\tread\treason", &lost);
}

#[test]
fn every_resource_of_a_recorded_azure_answer_arrives() {
    let (mut answers, mut items) = (0, 0);
    for line in json_lines("corpora/recorded/azure.jsonl.zst") {
        let body = &line["body"];
        let single = [body.clone()];
        let rows = body["value"].as_array().map_or(&single[..], Vec::as_slice);
        let is_resource =
            |row: &&Json| row["id"].as_str().is_some_and(|id| id.starts_with('/')) && row["type"].is_string();
        let rows: Vec<&Json> = rows.iter().filter(is_resource).collect();
        if rows.is_empty() {
            continue;
        }
        let mut builder = EstateBuilder::new();
        let text = lines_of(rows.iter().copied());
        let summary = read_stream("azure", &*text, catalogue().resource_types(), &mut builder, &ReadOptions::default());
        answers += 1;
        items += rows.len();
        assert_eq!(summary.resources, rows.len() as u64, "{}", line["op"]);
    }
    println!("{answers} recorded Azure answers with {items} resources read without loss");
    assert!(answers > 100, "{answers}");
}
