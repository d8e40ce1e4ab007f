//! IAM policies, and a CloudFormation template that makes a role with them.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use yagura_content::Catalogue;
use yagura_model::Cloud;

use super::{Access, DefinitionError, description, needs};

/// Characters of a managed policy, whitespace not counted (IAM and AWS STS quotas).
const MOST_CHARACTERS: usize = 6144;

/// Managed policies of a role without a raised quota (IAM and AWS STS quotas).
const MOST_POLICIES: usize = 10;

/// Actions that would read more than is asked for if they were allowed everywhere, with the resources that are enough.
const NARROWED: [(&str, &[&str]); 1] = [
    // API Gateway's actions are HTTP methods: GET on everything reads the values of API keys too.
    ("apigateway:GET", &["/apis", "/apis/*", "/restapis", "/restapis/*"]),
];

/// A managed policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AwsPolicy {
    /// Its name: `YaguraRead1`.
    pub name: String,
    /// What `aws iam create-policy --policy-document file://FILE` takes.
    pub document: Json,
}

impl AwsPolicy {
    /// The document as text for a file.
    pub fn text(&self) -> Result<String, DefinitionError> {
        serde_json::to_string_pretty(&self.document).map_err(|error| DefinitionError::Unwritable(error.to_string()))
    }
}

/// The part of AWS that accounts live in, as ARNs name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition(String);

impl Default for Partition {
    fn default() -> Self {
        Self("aws".to_owned())
    }
}

impl FromStr for Partition {
    type Err = DefinitionError;

    fn from_str(text: &str) -> Result<Self, DefinitionError> {
        let is_part = |part: &str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_lowercase());
        let mut parts = text.split('-');
        if text.len() <= 16 && parts.next() == Some("aws") && parts.all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(DefinitionError::Partition(text.to_owned()))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Managed policies for an access, each below the limit of AWS, actions sorted and grouped by service.
pub fn aws_policies(
    catalogue: &Catalogue,
    access: Access,
    partition: &Partition,
) -> Result<Vec<AwsPolicy>, DefinitionError> {
    let documents = documents(catalogue, access, &partition.0)?;
    let word = match access {
        Access::Read => "Read",
        Access::Write => "Write",
    };
    let named = documents.into_iter().enumerate();
    Ok(named.map(|(place, document)| AwsPolicy { name: format!("Yagura{word}{}", place + 1), document }).collect())
}

fn documents(catalogue: &Catalogue, access: Access, partition: &str) -> Result<Vec<Json>, DefinitionError> {
    let needs = needs(catalogue, Cloud::Aws, access);
    if let Some(reason) = needs.nothing {
        return Err(DefinitionError::Nothing(reason));
    }
    let mut documents = Vec::new();
    let mut statements: Vec<Statement> = Vec::new();
    for need in &needs.needs {
        let before = statements.clone();
        add(&mut statements, &need.permission, partition);
        if size(&document(&statements)) > MOST_CHARACTERS && !before.is_empty() {
            documents.push(document(&before));
            statements.clear();
            add(&mut statements, &need.permission, partition);
        }
    }
    documents.push(document(&statements));
    if documents.len() > MOST_POLICIES {
        return Err(DefinitionError::TooManyPolicies { needed: documents.len(), most: MOST_POLICIES });
    }
    Ok(documents)
}

#[derive(Clone)]
struct Statement {
    sid: String,
    actions: Vec<String>,
    /// Empty = everything.
    resources: Vec<String>,
}

fn add(statements: &mut Vec<Statement>, action: &str, partition: &str) {
    let (service, verb) = action.split_once(':').unwrap_or((action, ""));
    if let Some((_, paths)) = NARROWED.iter().find(|(narrowed, _)| *narrowed == action) {
        let resources = paths.iter().map(|path| format!("arn:{partition}:{service}:*::{path}")).collect();
        let sid = format!("{}{}", sid_of(service), sid_of(&verb.to_ascii_lowercase()));
        return statements.push(Statement { sid, actions: vec![action.to_owned()], resources });
    }
    let sid = sid_of(service);
    match statements.iter_mut().find(|statement| statement.sid == sid) {
        Some(statement) => statement.actions.push(action.to_owned()),
        None => statements.push(Statement { sid, actions: vec![action.to_owned()], resources: Vec::new() }),
    }
}

/// `access-analyzer` as `AccessAnalyzer`: ids of statements are letters and digits.
fn sid_of(service: &str) -> String {
    let mut sid = String::new();
    for part in service.split('-') {
        let mut letters = part.chars().filter(char::is_ascii_alphanumeric);
        sid.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        sid.extend(letters);
    }
    sid
}

fn document(statements: &[Statement]) -> Json {
    let statement = |statement: &Statement| {
        let resource = if statement.resources.is_empty() { json!("*") } else { json!(statement.resources) };
        json!({ "Sid": statement.sid, "Effect": "Allow", "Action": statement.actions, "Resource": resource })
    };
    json!({ "Version": "2012-10-17", "Statement": statements.iter().map(statement).collect::<Vec<_>>() })
}

/// Characters as AWS counts them: whitespace is free, and no name holds any.
fn size(document: &Json) -> usize {
    document.to_string().chars().filter(|letter| !letter.is_whitespace()).count()
}

/// A CloudFormation template, as YAML: a role with the managed policies, trusted by an account or one principal that
/// shows an external id. Works in every partition, alone or as a StackSet.
pub fn cloudformation(catalogue: &Catalogue, access: Access) -> Result<String, DefinitionError> {
    let documents = documents(catalogue, access, "${AWS::Partition}")?;
    let mut resources = Map::new();
    let mut arns = Vec::new();
    for (place, document) in documents.into_iter().enumerate() {
        let name = format!("Policy{}", place + 1);
        arns.push(json!({ "Ref": name }));
        let properties = json!({ "Description": description(access), "PolicyDocument": with_substitutions(document) });
        resources.insert(name, json!({ "Type": "AWS::IAM::ManagedPolicy", "Properties": properties }));
    }
    resources.insert("Role".to_owned(), role(access, arns));
    let template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description(access),
        "Parameters": parameters(access),
        "Conditions": { "OnePrincipal": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "TrustedPrincipal" }, ""] }] } },
        "Resources": resources,
        "Outputs": {
            "RoleArn": {
                "Description": "What the connector assumes",
                "Value": { "Fn::GetAtt": ["Role", "Arn"] },
            },
        },
    });
    super::yaml(&template)
}

fn role(access: Access, policies: Vec<Json>) -> Json {
    let account = json!({ "Fn::Sub": "arn:${AWS::Partition}:iam::${TrustedAccount}:root" });
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "AWS": { "Fn::If": ["OnePrincipal", { "Ref": "TrustedPrincipal" }, account] } },
            "Condition": { "StringEquals": { "sts:ExternalId": { "Ref": "ExternalId" } } },
        }],
    });
    json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": { "Ref": "RoleName" },
            "Description": description(access),
            "MaxSessionDuration": 3600,
            "AssumeRolePolicyDocument": trust,
            "ManagedPolicyArns": policies,
        },
    })
}

fn parameters(access: Access) -> Json {
    let default_name = match access {
        Access::Read => "YaguraRead",
        Access::Write => "YaguraWrite",
    };
    json!({
        "TrustedAccount": {
            "Type": "String",
            "Description": "Number of the account that Yagura signs in with",
            "AllowedPattern": "[0-9]{12}",
        },
        "TrustedPrincipal": {
            "Type": "String",
            "Description": "ARN of the one user or role that may assume this role; empty = all of the trusted account that are allowed to",
            "Default": "",
            "AllowedPattern": "(arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/[A-Za-z0-9+=,.@_/-]+)?",
        },
        "ExternalId": {
            "Type": "String",
            "Description": "The external id of the connector",
            "MinLength": 2,
            "MaxLength": 1224,
            "AllowedPattern": "[A-Za-z0-9_+=,.@:/-]*",
        },
        "RoleName": {
            "Type": "String",
            "Description": "Name of the role, the same in every account",
            "Default": default_name,
            "AllowedPattern": "[A-Za-z0-9_+=,.@-]{1,64}",
        },
    })
}

/// Texts that name a pseudo parameter become substitutions.
fn with_substitutions(value: Json) -> Json {
    match value {
        Json::String(text) if text.contains("${") => json!({ "Fn::Sub": text }),
        Json::Array(items) => items.into_iter().map(with_substitutions).collect(),
        Json::Object(members) => {
            members.into_iter().map(|(name, value)| (name, with_substitutions(value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_those_of_arns() {
        for (text, wanted) in [
            ("aws", true),
            ("aws-cn", true),
            ("aws-us-gov", true),
            ("", false),
            ("aws-", false),
            ("amazon", false),
            ("aws:*", false),
            ("aws-*", false),
        ] {
            assert_eq!(text.parse::<Partition>().is_ok(), wanted, "{text}");
        }
    }

    #[test]
    fn statements_are_named_by_their_service() {
        for (service, wanted) in
            [("ec2", "Ec2"), ("access-analyzer", "AccessAnalyzer"), ("resource-explorer-2", "ResourceExplorer2")]
        {
            assert_eq!(sid_of(service), wanted);
        }
    }
}
