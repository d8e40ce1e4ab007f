//! Definitions of rights made of content.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use yagura_connect::permissions::{
    Access, DefinitionError, GcpLevel, GcpRole, Partition, aws_policies, azure_role, cloudformation, gcp_role, needs,
};
use yagura_content::{Catalogue, ContentFile, Layer, only_reads, shipped};
use yagura_model::Cloud;

const SUBSCRIPTION: &str = "/subscriptions/11111111-1111-1111-1111-111111111111";

/// Kind and the rest of a small resource type.
const TYPES: [(&str, &str, &str); 12] = [
    ("azure", "Microsoft.Sql/servers", "list: { table: resources }\npermissions: [Microsoft.Sql/servers/read]"),
    (
        "azure",
        "Microsoft.Sql/servers/firewallRules",
        "list: { arm: '{parent}/firewallRules', api_version: 2021-11-01, parent: Microsoft.Sql/servers }\npermissions: [Microsoft.Sql/servers/firewallRules/read]",
    ),
    (
        "azure",
        "Microsoft.KeyVault/vaults/certificates",
        "list: { url: 'https://{name}.vault.azure.net/certificates', parent: Microsoft.KeyVault/vaults }\npermissions: [Microsoft.KeyVault/vaults/certificates/read]",
    ),
    ("azure", "Microsoft.Graph/users", "list: { graph: users }\npermissions: [User.Read.All]"),
    ("azure", "Microsoft.Network/routes", ""),
    (
        "aws",
        "AWS::S3::Bucket",
        "list: { service: s3, operation: ListBuckets, scope: global, items: Buckets }\npermissions: ['s3:ListAllMyBuckets']\nattached:\n  GetBucketAcl: { service: s3, operation: GetBucketAcl, permissions: ['s3:GetBucketAcl'] }",
    ),
    (
        "aws",
        "AWS::AccessAnalyzer::Analyzer",
        "list: { service: accessanalyzer, operation: ListAnalyzers, items: analyzers }\npermissions: ['access-analyzer:ListAnalyzers']",
    ),
    (
        "aws",
        "AWS::ApiGateway::RestApi",
        "list: { service: apigateway, operation: GetRestApis, items: items }\npermissions: ['apigateway:GET']",
    ),
    (
        "aws",
        "AWS::Account::Account",
        "list: { service: sts, operation: GetCallerIdentity, items: '@' }\npermissions: { none: everyone may }",
    ),
    (
        "gcp",
        "storage.googleapis.com/Bucket",
        "list: { asset: storage.googleapis.com/Bucket, content: [RESOURCE, IAM_POLICY] }\npermissions: [cloudasset.assets.listResource]\nattached:\n  iamPolicy: { content: IAM_POLICY, permissions: [cloudasset.assets.listIamPolicy] }",
    ),
    (
        "gcp",
        "cloudresourcemanager.googleapis.com/Project",
        "list: { asset: cloudresourcemanager.googleapis.com/Project, content: [RESOURCE] }\npermissions: [cloudasset.assets.listResource, resourcemanager.projects.get, resourcemanager.projects.list]\nattached:\n  other: { service: other, operation: get, url: 'https://other.googleapis.com/v1/{name}', permissions: [other.settings.get] }",
    ),
    (
        "gcp",
        "cloudresourcemanager.googleapis.com/Organization",
        "list: { asset: cloudresourcemanager.googleapis.com/Organization, content: [RESOURCE] }\npermissions: [cloudasset.assets.listResource]\nattached:\n  essentialContacts: { service: essentialcontacts, operation: organizations.contacts.list, url: 'https://essentialcontacts.googleapis.com/v1/{name}/contacts', permissions: [essentialcontacts.contacts.list] }",
    ),
];

/// Cloud, slug, kind and patch of a small recommendation.
const RECOMMENDATIONS: [(&str, &str, &str, &str); 4] = [
    ("azure", "sql-tls", "Microsoft.Sql/servers", ", patch: { properties: { minimalTlsVersion: '1.2' } }"),
    ("azure", "rule-by-hand", "Microsoft.Sql/servers/firewallRules", ""),
    ("azure", "user-patch", "Microsoft.Graph/users", ", patch: { accountEnabled: false }"),
    ("aws", "bucket", "AWS::S3::Bucket", ", patch: { Public: false }"),
];

fn small() -> Catalogue {
    let mut files = vec![ContentFile::yaml("plans.yaml", "plans: [{ id: free, title: { en: Free } }]")];
    for (place, (cloud, kind, rest)) in TYPES.iter().enumerate() {
        let head = format!("kind: {kind}\ncloud: {cloud}\ntitle: {{ en: A }}\ncategory: other\n");
        files.push(ContentFile::yaml(format!("resource-types/{cloud}/t/{place}.yaml"), format!("{head}{rest}\n")));
    }
    for (cloud, slug, kind, patch) in RECOMMENDATIONS {
        let text = format!(
            "slug: {slug}\ntitle: {{ en: A }}\nseverity: low\napplies_to: {kind}\nwhy: {{ en: A }}\nfix: {{ steps: {{ en: [A] }}{patch} }}\nunhealthy_when: {{ field: a, equals: 1 }}\ntests: [{{ expect: healthy }}, {{ expect: unhealthy }}]\n"
        );
        files.push(ContentFile::yaml(format!("recommendations/{cloud}/t/{slug}.yaml"), text));
    }
    let (catalogue, diagnostics) = Catalogue::load(&[Layer { files, shipped: false }]);
    assert_eq!(diagnostics, []);
    catalogue
}

fn whole() -> Catalogue {
    let (catalogue, diagnostics) = Catalogue::load(&[Layer { files: shipped(), shipped: true }]);
    assert_eq!(diagnostics, []);
    catalogue
}

fn scopes() -> Vec<String> {
    vec![SUBSCRIPTION.to_owned()]
}

#[test]
fn every_permission_says_what_it_is_for() {
    let all: Vec<_> = [Cloud::Azure, Cloud::Aws, Cloud::Gcp]
        .into_iter()
        .flat_map(|cloud| [Access::Read, Access::Write].map(|access| needs(&small(), cloud, access)))
        .collect();
    insta::assert_json_snapshot!(all);
}

#[test]
fn a_role_of_azure_is_what_az_takes() {
    insta::assert_json_snapshot!("azure-read", azure_role(&small(), Access::Read, &scopes()).unwrap());
    insta::assert_json_snapshot!("azure-write", azure_role(&small(), Access::Write, &scopes()).unwrap());
}

#[test]
fn policies_of_aws_are_what_aws_takes() {
    let policies = aws_policies(&small(), Access::Read, &"aws-cn".parse().unwrap()).unwrap();
    insta::assert_json_snapshot!("aws-policies", policies);
    insta::assert_snapshot!("aws-cloudformation", cloudformation(&small(), Access::Read).unwrap());
}

#[test]
fn a_role_of_google_is_what_gcloud_takes_at_each_level() {
    for (name, level) in [("gcp-project", GcpLevel::Project), ("gcp-organization", GcpLevel::Organization)] {
        let role = gcp_role(&small(), Access::Read, level).unwrap();
        insta::assert_snapshot!(format!("{name}-role"), role.definition);
        insta::assert_json_snapshot!(name, GcpRole { definition: String::new(), ..role });
    }
}

#[test]
fn where_no_right_to_write_is_known_there_is_a_reason_and_no_definition() {
    let catalogue = small();
    let nothing = [
        aws_policies(&catalogue, Access::Write, &Partition::default()).unwrap_err(),
        cloudformation(&catalogue, Access::Write).unwrap_err(),
        gcp_role(&catalogue, Access::Write, GcpLevel::Organization).unwrap_err(),
    ];
    for error in nothing {
        assert!(matches!(&error, DefinitionError::Nothing(reason) if !reason.is_empty()), "{error}");
    }
}

#[test]
fn nothing_of_the_shipped_content_that_reads_writes() {
    let catalogue = whole();
    for cloud in [Cloud::Azure, Cloud::Aws, Cloud::Gcp] {
        let read = needs(&catalogue, cloud, Access::Read);
        assert!(!read.needs.is_empty(), "{cloud}");
        let writing: Vec<_> = read.needs.iter().filter(|need| !only_reads(cloud, &need.permission)).collect();
        assert!(writing.is_empty(), "{writing:?}");
        assert!(read.needs.iter().all(|need| !need.permission.contains('*') && !need.purposes.is_empty()));
    }
    let read = azure_role(&catalogue, Access::Read, &scopes()).unwrap();
    let write = azure_role(&catalogue, Access::Write, &scopes()).unwrap();
    let actions = |role: &Json| -> BTreeSet<String> {
        role["Actions"].as_array().unwrap().iter().map(|action| action.as_str().unwrap().to_ascii_lowercase()).collect()
    };
    assert!(actions(&read.definition).is_disjoint(&actions(&write.definition)));
    assert!(actions(&write.definition).iter().all(|action| action.ends_with("/write")));
    assert_eq!(write.graph, []);
}

/// Characters without whitespace, as AWS counts.
fn characters(document: &Json) -> usize {
    serde_json::to_string(document).unwrap().chars().filter(|letter| !letter.is_whitespace()).count()
}

/// All actions of policy documents in their order.
fn actions<'d>(documents: impl IntoIterator<Item = &'d Json>) -> Vec<String> {
    let statements = documents.into_iter().flat_map(|document| document["Statement"].as_array().unwrap());
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[test]
fn policies_of_the_shipped_content_are_within_the_limits_and_complete() {
    let catalogue = whole();
    let wanted: Vec<String> =
        needs(&catalogue, Cloud::Aws, Access::Read).needs.into_iter().map(|need| need.permission).collect();
    for partition in ["aws", "aws-us-gov"] {
        let policies = aws_policies(&catalogue, Access::Read, &partition.parse().unwrap()).unwrap();
        for policy in &policies {
            assert!(characters(&policy.document) <= 6144, "{} has {}", policy.name, characters(&policy.document));
            let sids: Vec<&str> = policy.document["Statement"]
                .as_array()
                .unwrap()
                .iter()
                .map(|statement| statement["Sid"].as_str().unwrap())
                .collect();
            assert_eq!(sids.len(), sids.iter().collect::<BTreeSet<_>>().len(), "statement ids are unique: {sids:?}");
        }
        assert!(policies.len() <= 10);
        assert_eq!(actions(policies.iter().map(|policy| &policy.document)), wanted);
    }
}

#[test]
fn many_actions_are_split_over_policies_without_a_loss() {
    let names: Vec<String> = (0..600).map(|place| format!("service{:02}:GetThing{place:03}", place / 20)).collect();
    let text = format!(
        "kind: AWS::T::Thing\ncloud: aws\ntitle: {{ en: A }}\ncategory: other\nlist: {{ service: t, operation: List }}\npermissions: [{}]\n",
        names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
    );
    let files = vec![ContentFile::yaml("resource-types/aws/t/thing.yaml", text)];
    let (catalogue, _) = Catalogue::load(&[Layer { files, shipped: false }]);
    let policies = aws_policies(&catalogue, Access::Read, &Partition::default()).unwrap();
    assert!((3..=10).contains(&policies.len()), "{}", policies.len());
    assert_eq!(actions(policies.iter().map(|policy| &policy.document)), names);
    for policy in &policies[..policies.len() - 1] {
        assert!((6000..=6144).contains(&characters(&policy.document)), "{}", characters(&policy.document));
    }
}

#[test]
fn the_cloudformation_template_of_the_shipped_content_has_the_structure_of_one() {
    let catalogue = whole();
    let text = cloudformation(&catalogue, Access::Read).unwrap();
    assert!(text.len() < 51_200, "{} bytes are too many for a template body", text.len());
    let template: Json = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(template["AWSTemplateFormatVersion"], "2010-09-09");
    let parameters = template["Parameters"].as_object().unwrap();
    assert_eq!(parameters.keys().collect::<Vec<_>>(), ["ExternalId", "RoleName", "TrustedAccount", "TrustedPrincipal"]);
    let resources = template["Resources"].as_object().unwrap();
    let (mut documents, mut policies) = (Vec::new(), Vec::new());
    for (name, resource) in resources.iter().filter(|(name, _)| *name != "Role") {
        assert_eq!(resource["Type"], "AWS::IAM::ManagedPolicy");
        let document = &resource["Properties"]["PolicyDocument"];
        assert_eq!(document["Version"], "2012-10-17");
        assert!(characters(document) <= 6144 + 200, "substitutions are written longer than what they become");
        documents.push(document);
        policies.push(name.as_str());
    }
    let role = &resources["Role"];
    assert_eq!(role["Type"], "AWS::IAM::Role");
    let arns = role["Properties"]["ManagedPolicyArns"].as_array().unwrap();
    assert_eq!(arns.iter().map(|arn| arn["Ref"].as_str().unwrap()).collect::<Vec<_>>(), policies);
    let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Condition"]["StringEquals"]["sts:ExternalId"]["Ref"], "ExternalId");
    let wanted: Vec<String> =
        needs(&catalogue, Cloud::Aws, Access::Read).needs.into_iter().map(|need| need.permission).collect();
    assert_eq!(actions(documents), wanted);
    assert!(!text.contains("arn:aws:"), "the partition is AWS's to fill");
}

#[test]
fn the_roles_of_google_for_the_shipped_content_are_whole() {
    let catalogue = whole();
    let project = gcp_role(&catalogue, Access::Read, GcpLevel::Project).unwrap();
    let organization = gcp_role(&catalogue, Access::Read, GcpLevel::Organization).unwrap();
    assert_eq!(organization.left_out, []);
    assert_eq!(organization.in_no_predefined, Vec::<String>::new());
    let included = |text: &str| -> Vec<String> {
        let role: Json = serde_saphyr::from_str(text).unwrap();
        serde_json::from_value(role["includedPermissions"].clone()).unwrap()
    };
    let mut both = included(&project.definition);
    both.extend(project.left_out.iter().map(|left| left.permission.clone()));
    both.sort_by_key(|permission| permission.to_ascii_lowercase());
    assert_eq!(both, included(&organization.definition));
}

#[test]
fn the_document_names_what_the_shipped_content_needs() {
    let document = include_str!("../../../../../docs/permissions.md");
    let catalogue = whole();
    let role = gcp_role(&catalogue, Access::Read, GcpLevel::Organization).unwrap();
    let azure = azure_role(&catalogue, Access::Read, &scopes()).unwrap();
    let mut wanted: Vec<String> = azure.graph.into_iter().map(|graph| format!("| `{}` |", graph.permission)).collect();
    let graph =
        wanted.iter().map(|row| row.trim_matches(|letter| "|` ".contains(letter))).collect::<Vec<_>>().join(" ");
    wanted.push(format!("for name in {graph}; do"));
    wanted.push(format!("gcloud services enable {}", enabled(&role.apis)));
    wanted.extend(role.predefined.iter().map(|predefined| format!("`{}`", predefined.role)));
    for words in wanted {
        assert!(document.contains(&words), "docs/permissions.md does not say: {words}");
    }
}

/// The APIs as the document writes them: the inventory first.
fn enabled(apis: &[String]) -> String {
    let (first, others): (Vec<&str>, Vec<&str>) =
        apis.iter().map(String::as_str).partition(|api| *api == "cloudasset.googleapis.com");
    [first, others].concat().join(" ")
}
