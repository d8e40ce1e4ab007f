//! The rights that calls need.

use std::fmt;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::Value as Json;
use yagura_model::Cloud;

use crate::diagnostic::Diagnostic;
use crate::files::ContentFile;
use crate::resource_type::ResourceType;

/// What a call needs: `[NAME, ...]`, or `{ none: REASON }` where every caller may make it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Permissions {
    /// Nothing is written.
    #[default]
    Unsaid,
    /// Every caller that is signed in may make the call, for this reason.
    NoneNeeded(String),
    /// All of these, by the cloud's own names: an Azure action or Graph permission, an IAM action, a Google permission.
    Needed(Vec<String>),
}

impl Permissions {
    /// The permissions; empty where none is needed or nothing is said.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Needed(names) => names,
            Self::Unsaid | Self::NoneNeeded(_) => &[],
        }
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("`permissions` is neither a list of names nor `{ none: REASON }`");
        match Json::deserialize(deserializer)? {
            Json::Array(names) if !names.is_empty() => {
                let names = names.iter().map(|name| name.as_str().filter(|name| is_name(name)).map(str::to_owned));
                names.collect::<Option<Vec<_>>>().map(Self::Needed).ok_or_else(wrong)
            }
            Json::Object(said) if said.len() == 1 => match said.get("none").and_then(Json::as_str) {
                Some(reason) if !reason.trim().is_empty() => Ok(Self::NoneNeeded(reason.to_owned())),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }
}

/// Whether a text can be the exact name of a permission: what is generated from names must not be more than names.
fn is_name(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | ':' | '/' | '-' | '_');
    !text.is_empty() && text.len() <= 256 && text.chars().all(plain)
}

/// AWS actions that begin like no other reading action, but change nothing that anyone keeps.
const ALSO_READING: [&str; 1] = [
    // Makes AWS write down who has which credential; the report lives for four hours.
    "iam:GenerateCredentialReport",
];

/// Words that AWS begins reading actions with. `GET` is API Gateway's, whose actions are HTTP methods.
const READING_WORDS: [&str; 8] = ["Get", "List", "Describe", "BatchGet", "Search", "Select", "Lookup", "GET"];

/// Whether a permission only reads, by the way its cloud names permissions.
pub fn only_reads(cloud: Cloud, permission: &str) -> bool {
    match cloud {
        Cloud::Azure => {
            let graph = !permission.contains('/');
            let mut parts = permission.split('.');
            if graph { parts.any(|part| part == "Read") } else { permission.to_ascii_lowercase().ends_with("/read") }
        }
        Cloud::Aws => {
            let action = permission.split_once(':').map_or("", |(_, action)| action);
            ALSO_READING.contains(&permission) || READING_WORDS.iter().any(|word| begins_with_word(action, word))
        }
        Cloud::Gcp => {
            let verb = permission.rsplit('.').next().unwrap_or_default();
            ["get", "list", "search"].iter().any(|word| begins_with_word(verb, word))
        }
    }
}

/// `GetObject` and `Get` begin with the word `Get`, `Getaway` does not.
fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

/// What is wrong with the permissions of a resource type.
pub(crate) fn check(described: &ResourceType, file: &ContentFile) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let missing = |what: fmt::Arguments<'_>| {
        let message = format!("{what} has no `permissions`; write `{{ none: REASON }}` where none is needed");
        Diagnostic::error(&file.path, "permissions-missing", message)
    };
    if !described.list.as_slice().is_empty() && described.permissions == Permissions::Unsaid {
        found.push(missing(format_args!("the list of {}", described.kind)).at_line(file.line_of("list")));
    }
    for (name, call) in &described.attached {
        if !call.derived && call.permissions == Permissions::Unsaid {
            found.push(missing(format_args!("{name}")).at_line(file.line_with(&format!("{name}:"))));
        }
    }
    let attached = described.attached.values().flat_map(|call| call.permissions.names());
    for name in described.permissions.names().iter().chain(attached) {
        if !only_reads(described.cloud, name) {
            let message = format!("`{name}` is no permission that only reads");
            found.push(Diagnostic::error(&file.path, "permission-writes", message).at_line(file.line_with(name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads_is_told_by_the_name() {
        let rows = [
            (Cloud::Azure, "Microsoft.Sql/servers/read", true),
            (Cloud::Azure, "Microsoft.Insights/LogProfiles/Read", true),
            (Cloud::Azure, "Microsoft.Sql/servers/write", false),
            (Cloud::Azure, "Microsoft.Storage/storageAccounts/listKeys/action", false),
            (Cloud::Azure, "RoleManagement.Read.Directory", true),
            (Cloud::Azure, "Application.ReadWrite.All", false),
            (Cloud::Aws, "apigateway:GET", true),
            (Cloud::Aws, "ec2:DescribeInstances", true),
            (Cloud::Aws, "iam:GenerateCredentialReport", true),
            (Cloud::Aws, "iam:GenerateServiceLastAccessedDetails", false),
            (Cloud::Aws, "iam:Getaway", false),
            (Cloud::Aws, "s3:PutBucketPolicy", false),
            (Cloud::Aws, "ec2", false),
            (Cloud::Gcp, "cloudasset.assets.listResource", true),
            (Cloud::Gcp, "resourcemanager.projects.get", true),
            (Cloud::Gcp, "compute.instances.setMetadata", false),
            (Cloud::Gcp, "compute.instances.update", false),
        ];
        for (cloud, permission, wanted) in rows {
            assert_eq!(only_reads(cloud, permission), wanted, "{permission}");
        }
    }

    #[test]
    fn permissions_are_names_or_none_with_a_reason() {
        let rows = [
            (r#"["s3:ListAllMyBuckets"]"#, Some(Permissions::Needed(vec!["s3:ListAllMyBuckets".to_owned()]))),
            (r#"{"none":"everyone may"}"#, Some(Permissions::NoneNeeded("everyone may".to_owned()))),
            (r#"[]"#, None),
            (r#"{}"#, None),
            (r#"{"none":" "}"#, None),
            (r#"{"none":"a","more":"b"}"#, None),
            (r#"["s3:*"]"#, None),
            (r#"["a\nb"]"#, None),
            (r#"[""]"#, None),
            (r#"[1]"#, None),
            (r#""s3:ListAllMyBuckets""#, None),
        ];
        for (text, wanted) in rows {
            assert_eq!(serde_json::from_str::<Permissions>(text).ok(), wanted, "{text}");
        }
    }

    #[test]
    fn calls_without_permissions_and_permissions_that_write_are_refused_by_line() {
        let head = "kind: AWS::S3::Bucket\ncloud: aws\ntitle: { en: Bucket, ja: バケット }\ncategory: storage\n";
        let list = "list: { service: s3, operation: ListBuckets }\n";
        let attached = "attached:\n  GetBucketAcl: { service: s3, operation: GetBucketAcl }\n";
        let rows: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("permissions: { none: everyone may }\n", &[]),
            (
                list,
                &[
                    "a.yaml:5: error[permissions-missing]: the list of AWS::S3::Bucket has no `permissions`; write `{ none: REASON }` where none is needed",
                ],
            ),
            (
                attached,
                &[
                    "a.yaml:6: error[permissions-missing]: GetBucketAcl has no `permissions`; write `{ none: REASON }` where none is needed",
                ],
            ),
            (
                "permissions: [s3:ListAllMyBuckets,\n  s3:DeleteBucket]\n",
                &["a.yaml:6: error[permission-writes]: `s3:DeleteBucket` is no permission that only reads"],
            ),
            (
                "attached:\n  A: { permissions: [s3:PutObject] }\n",
                &["a.yaml:6: error[permission-writes]: `s3:PutObject` is no permission that only reads"],
            ),
        ];
        for (rest, wanted) in rows {
            let file = ContentFile::yaml("a.yaml", format!("{head}{rest}"));
            let described: ResourceType = file.read().unwrap();
            let found: Vec<String> = check(&described, &file).iter().map(Diagnostic::to_string).collect();
            assert_eq!(found, wanted, "{rest}");
        }
    }
}
