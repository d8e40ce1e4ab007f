//! Describe calls of a demonstration account, hand-edited by their authors.

use serde_json::{Value as Json, json};

use super::{estate_of, json_lines, lines_of};

/// Their lines as recorded answers. `args` is the file path below the call: what the call was made for.
fn recorded(line: &Json, parameter: Option<&str>) -> Json {
    let mut params = serde_json::Map::new();
    if let (Some(name), Some(value)) = (parameter, line["args"][0].as_str()) {
        params.insert(name.to_owned(), value.into());
    }
    json!({
        "cloud": "aws", "scope": "123456789012", "region": line["region"], "service": line["service"],
        "operation": line["operation"], "params": params, "response": line["data"],
    })
}

/// The parameter that a call is made with, by operation.
fn parameter(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "GetBucketAcl" | "GetBucketPolicy" | "GetBucketLocation" | "GetBucketTagging" => "Bucket",
        "GetPolicy" => "FunctionName",
        "GetTopicAttributes" => "TopicArn",
        "GetQueueAttributes" => "QueueUrl",
        "DescribeListeners" | "DescribeTargetGroups" | "DescribeLoadBalancerAttributes" => "LoadBalancerArn",
        _ => return None,
    })
}

#[test]
fn describe_calls_of_a_demonstration_account_load_without_loss() {
    let lines = json_lines("estates/aws-cloudmapper/describe.jsonl");
    let converted: Vec<Json> =
        lines.iter().map(|line| recorded(line, parameter(line["operation"].as_str().unwrap_or_default()))).collect();
    let (estate, lost) = estate_of("describe.jsonl", &lines_of(&converted));
    println!("{} lines, {} resources", lines.len(), estate.resources().len());
    assert_eq!(lost, []);
    let count = |kind: &str| estate.resources_of(&yagura_model::Kind::new(kind)).len();
    let instances = |line: &Json| -> usize {
        let reservations = line["data"]["Reservations"].as_array();
        reservations.into_iter().flatten().filter_map(|own| own["Instances"].as_array()).map(Vec::len).sum()
    };
    assert_eq!(count("AWS::EC2::Instance"), lines.iter().map(instances).sum::<usize>());
    let groups = |line: &Json| line["data"]["SecurityGroups"].as_array().map_or(0, Vec::len);
    assert_eq!(count("AWS::EC2::SecurityGroup"), lines.iter().map(groups).sum::<usize>());
    let roles = |line: &Json| line["data"]["RoleDetailList"].as_array().map_or(0, Vec::len);
    assert_eq!(count("AWS::IAM::Role"), lines.iter().map(roles).sum::<usize>());
}
