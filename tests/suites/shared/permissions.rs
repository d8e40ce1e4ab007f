//! The permissions of the content against lists of what clouds know: IAM actions with their access levels, Azure's
//! built-in roles, Google's permissions and predefined roles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use yagura_connect::permissions::{Access, GcpLevel, Partition, aws_policies, gcp_role, needs};
use yagura_content::{Permissions, ResourceType};
use yagura_model::Cloud;

use super::{catalogue, table, unpacked};

fn text(path: &str) -> String {
    String::from_utf8(unpacked(&format!("reference/identity/{path}"))).unwrap()
}

fn types(cloud: Cloud) -> impl Iterator<Item = &'static ResourceType> {
    catalogue().resource_types().values().filter(move |described| described.cloud == cloud)
}

fn permissions(cloud: Cloud, access: Access) -> Vec<String> {
    needs(catalogue(), cloud, access).needs.into_iter().map(|need| need.permission).collect()
}

/// IAM actions with access level and dependent actions, by action.
fn iam_actions() -> BTreeMap<String, (String, String)> {
    let rows = table::rows(&text("aws_actions.tsv"));
    let row =
        |row: &table::Row| (row["action"].clone(), (row["access_level"].clone(), row["dependent_actions"].clone()));
    rows.iter().map(row).collect()
}

/// Actions that others may depend on, and why reading does without.
const NOT_DEPENDED_ON: [(&str, &str, &str); 1] = [(
    "ec2:DescribeLaunchTemplateVersions",
    "ssm:GetParameters",
    "only with ResolveAlias, which is not asked for; it would read the values of parameters",
)];

#[test]
fn every_iam_action_exists_and_reads_or_lists() {
    let known = iam_actions();
    let needed = permissions(Cloud::Aws, Access::Read);
    for action in &needed {
        let (level, dependent) = known.get(action).unwrap_or_else(|| panic!("{action} is no IAM action"));
        assert!(level == "Read" || level == "List", "{action} is of level {level}");
        for other in dependent.split([' ', ',', ';']).filter(|other| !other.is_empty()) {
            let excused = NOT_DEPENDED_ON.iter().any(|(on, what, _)| on == action && *what == other);
            assert!(excused || needed.iter().any(|own| own == other), "{action} depends on {other}");
        }
    }
    let policies = aws_policies(catalogue(), Access::Read, &Partition::default()).unwrap();
    let sizes: Vec<usize> = policies.iter().map(|policy| policy.document.to_string().len()).collect();
    println!("{} IAM actions in {} policies of {sizes:?} characters", needed.len(), policies.len());
}

/// Actions of level Read that give out what customers keep, and not how it is configured.
const READS_DATA: [&str; 14] = [
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "ecr:GetAuthorizationToken",
    "kinesis:GetRecords",
    "kms:Decrypt",
    "lambda:GetFunction",
    "logs:FilterLogEvents",
    "logs:GetLogEvents",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
];

#[test]
fn no_iam_action_gives_out_data() {
    let (known, needed) = (iam_actions(), permissions(Cloud::Aws, Access::Read));
    for action in READS_DATA {
        assert!(known.contains_key(action), "{action} is no IAM action");
        assert!(!needed.iter().any(|own| own.eq_ignore_ascii_case(action)), "{action}");
    }
}

/// What IAM calls a service, where it is not boto3's name.
const PREFIXES: [(&str, &str); 10] = [
    ("accessanalyzer", "access-analyzer"),
    ("apigatewayv2", "apigateway"),
    ("efs", "elasticfilesystem"),
    ("elb", "elasticloadbalancing"),
    ("elbv2", "elasticloadbalancing"),
    ("opensearch", "es"),
    ("resourcegroupstaggingapi", "tag"),
    ("s3control", "s3"),
    ("stepfunctions", "states"),
    ("wafv2", "wafv2"),
];

/// What IAM calls an operation, where it has another name there.
const RENAMED: [(&str, &str); 10] = [
    ("apigateway:GetRestApis", "apigateway:GET"),
    ("apigateway:GetStages", "apigateway:GET"),
    ("apigatewayv2:GetApis", "apigateway:GET"),
    ("apigatewayv2:GetStages", "apigateway:GET"),
    ("s3:GetBucketEncryption", "s3:GetEncryptionConfiguration"),
    ("s3:GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    ("s3:GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    ("s3:ListBuckets", "s3:ListAllMyBuckets"),
    ("s3control:GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock"),
    ("sts:GetCallerIdentity", ""),
];

#[test]
fn every_aws_call_has_the_iam_action_of_its_operation() {
    let known = iam_actions();
    let mut calls = 0;
    let mut check = |described: &ResourceType, service: &str, operation: &str, permissions: &Permissions| {
        calls += 1;
        let call = format!("{service}:{operation}");
        let prefix = PREFIXES.iter().find(|(name, _)| *name == service).map_or(service, |(_, prefix)| prefix);
        let renamed = RENAMED.iter().find(|(own, _)| *own == call).map(|(_, action)| (*action).to_owned());
        let action = renamed.unwrap_or_else(|| format!("{prefix}:{operation}"));
        if action.is_empty() {
            return assert!(matches!(permissions, Permissions::NoneNeeded(_)), "{call}");
        }
        assert!(known.contains_key(&action), "{call}: {action} is no IAM action");
        assert!(permissions.names().contains(&action), "{}: {call} needs {action}", described.kind);
    };
    for described in types(Cloud::Aws) {
        for list in described.list.as_slice() {
            let (Some(service), Some(operation)) = (&list.service, &list.operation) else { continue };
            check(described, service, operation, &described.permissions);
        }
        for call in described.attached.values() {
            let (Some(service), Some(operation)) = (&call.service, &call.operation) else { continue };
            check(described, service, operation, &call.permissions);
        }
    }
    println!("{calls} AWS calls have the IAM action of their operation");
    assert!(calls > 150, "{calls}");
}

#[test]
fn paths_of_api_gateway_are_those_that_are_asked_for() {
    let policies = aws_policies(catalogue(), Access::Read, &Partition::default()).unwrap();
    let statements = policies.iter().flat_map(|policy| policy.document["Statement"].as_array().unwrap());
    let gateway = statements.clone().find(|statement| statement["Action"] == serde_json::json!(["apigateway:GET"]));
    let allowed: BTreeSet<&str> = gateway.unwrap()["Resource"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arn| arn.as_str().unwrap().strip_prefix("arn:aws:apigateway:*::").unwrap())
        .collect();
    let models = std::fs::read(super::workspace().join("crates/cloud/models/aws.json")).unwrap();
    let models: Json = serde_json::from_slice(&models).unwrap();
    let mut used = BTreeSet::new();
    for described in types(Cloud::Aws) {
        let lists = described.list.as_slice().iter().map(|list| (&list.service, &list.operation));
        let attached = described.attached.values().map(|call| (&call.service, &call.operation));
        for (service, operation) in lists.chain(attached) {
            let (Some(service), Some(operation)) = (service, operation) else { continue };
            if !service.starts_with("apigateway") {
                continue;
            }
            let path = models["services"][service]["operations"][operation]["uri"].as_str().unwrap();
            let path = path.strip_prefix("/v2").unwrap_or(path);
            let first = path.split('/').nth(1).unwrap();
            let below = path.matches('/').count() > 1;
            used.insert(if below { format!("/{first}/*") } else { format!("/{first}") });
        }
    }
    assert_eq!(allowed, used.iter().map(String::as_str).collect());
}

#[test]
fn every_google_permission_exists_and_predefined_roles_give_what_is_said() {
    let listing = text("gcp_permissions.txt");
    let known: Vec<&str> = listing.lines().collect();
    for permission in permissions(Cloud::Gcp, Access::Read) {
        assert!(known.contains(&permission.as_str()), "{permission} is no permission of Google");
    }
    let roles = table::rows(&text("gcp_predefined_roles.tsv"));
    let role = gcp_role(catalogue(), Access::Read, GcpLevel::Organization).unwrap();
    assert!(!role.predefined.is_empty());
    for predefined in role.predefined {
        let row = roles.iter().find(|row| row["role"] == predefined.role);
        let indexes = &row.unwrap_or_else(|| panic!("{} is no role of Google", predefined.role))["permission_indexes"];
        let given: BTreeSet<&str> = indexes.split(',').flat_map(|range| in_range(range, &known)).collect();
        for permission in &predefined.gives {
            assert!(given.contains(permission.as_str()), "{} does not give {permission}", predefined.role);
        }
    }
}

/// The permissions of `3-5` or `7`.
fn in_range<'k>(range: &str, known: &'k [&'k str]) -> Vec<&'k str> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    known[first.parse().unwrap()..=last.parse().unwrap()].to_vec()
}

/// Actions of all built-in roles of Azure in lower case, but for those that speak of every provider.
fn azure_actions() -> BTreeSet<String> {
    let roles: Json = serde_json::from_str(&text("azure_builtin_roles.json")).unwrap();
    let blocks = roles.as_array().unwrap().iter().flat_map(|role| role["permissions"].as_array().unwrap());
    let actions = blocks.flat_map(|block| block["actions"].as_array().into_iter().flatten());
    let actions = actions.map(|action| action.as_str().unwrap().to_ascii_lowercase());
    actions.filter(|action| !action.starts_with('*')).collect()
}

/// Whether a text is matched by a pattern with `*`.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(text) = text.strip_prefix(first) else { return false };
    (0..=text.len()).any(|start| text.is_char_boundary(start) && is_like(&text[start..], rest))
}

#[test]
fn every_azure_action_is_in_a_built_in_role_or_has_a_reason() {
    let known = azure_actions();
    let mut literal = 0;
    let mut checked = BTreeMap::new();
    let mut not_found = BTreeMap::new();
    for (access, word) in [(Access::Read, "read"), (Access::Write, "write")] {
        for action in permissions(Cloud::Azure, access).iter().filter(|action| action.contains('/')) {
            *checked.entry(word).or_insert(0) += 1;
            let lower = action.to_ascii_lowercase();
            literal += usize::from(known.contains(&lower));
            if !known.iter().any(|pattern| is_like(&lower, pattern)) {
                not_found.insert(action.clone(), word.to_owned());
            }
        }
    }
    println!("Azure actions {checked:?}: {literal} stand in built-in roles, {} in none", not_found.len());
    table::check_listed("azure-permissions.tsv", "action\taccess\treason", &not_found);
}

#[test]
fn permissions_of_microsoft_graph_read_one_thing_each() {
    let graph: Vec<String> =
        permissions(Cloud::Azure, Access::Read).into_iter().filter(|name| !name.contains('/')).collect();
    assert!(!graph.is_empty());
    for name in &graph {
        assert!(name.split('.').any(|part| part == "Read"), "{name}");
        assert!(!name.starts_with("Directory."), "{name} reads the whole directory");
    }
}
