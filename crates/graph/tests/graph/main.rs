//! Escalation in small accounts: one row, one thing that an account tells and a policy alone does not.

use std::sync::OnceLock;

use serde_json::{Value as Json, json};
use yagura_content::{Catalogue, Layer, shipped};
use yagura_graph::escalation::{ANSWER, Primitives, derive};
use yagura_model::{
    Answer, Cause, Cloud, Estate, EstateBuilder, Kind, Listing, Place, Resource, ResourceId, Scope, Sink, Timestamp,
};

const ACCOUNT: &str = "123456789012";

/// An account as it is described here: members of the documents that `GetAccountAuthorizationDetails` gives.
#[derive(Default)]
struct Account {
    resources: Vec<Resource>,
    failed: Option<&'static str>,
}

fn arn(rest: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:{rest}")
}

fn allow(actions: Json, resource: Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": resource}})
}

fn everything() -> Json {
    allow(json!("*"), json!("*"))
}

impl Account {
    fn add(mut self, kind: &str, id: &str, document: Json) -> Self {
        self.resources.push(Resource {
            id: ResourceId::new(Cloud::Aws, id),
            kind: Kind::new(kind),
            cloud: Cloud::Aws,
            scope: Scope::account(Cloud::Aws, ACCOUNT),
            group: None,
            name: id.into(),
            region: None,
            observed_at: None,
            document: document.into(),
            attached: Vec::new(),
        });
        self
    }

    /// A user with an inline policy and further members.
    fn user(self, name: &str, policy: Json, more: Json) -> Self {
        let mut document = json!({"Path": "/", "GroupList": [], "AttachedManagedPolicies": [], "Tags": [],
            "UserPolicyList": [{"PolicyName": "own", "PolicyDocument": policy}]});
        merge(&mut document, more);
        self.add("AWS::IAM::User", &arn(&format!("user/{name}")), document)
    }

    /// A role with an inline policy, whom it trusts, and further members.
    fn role(self, name: &str, trusted: Json, policy: Json, more: Json) -> Self {
        let trust = json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Principal": trusted, "Action": ["sts:AssumeRole", "sts:AssumeRoleWithSAML"]}});
        let mut document = json!({"Path": "/", "AttachedManagedPolicies": [], "AssumeRolePolicyDocument": trust,
            "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": policy}]});
        merge(&mut document, more);
        self.add("AWS::IAM::Role", &arn(&format!("role/{name}")), document)
    }

    fn group(self, name: &str, policy: Json) -> Self {
        let document = json!({"GroupName": name, "AttachedManagedPolicies": [],
            "GroupPolicyList": [{"PolicyName": "own", "PolicyDocument": policy}]});
        self.add("AWS::IAM::Group", &arn(&format!("group/{name}")), document)
    }

    /// A managed policy whose first version is the default.
    fn policy(self, name: &str, versions: &[Json]) -> Self {
        let versions: Vec<Json> = versions
            .iter()
            .enumerate()
            .map(|(place, document)| json!({"IsDefaultVersion": place == 0, "Document": document}))
            .collect();
        let id = arn(&format!("policy/{name}"));
        self.add("AWS::IAM::ManagedPolicy", &id, json!({"PolicyVersionList": versions}))
    }

    /// What hangs under a resource: the ids of primitives with `?` where they are conditional, or the word for what it
    /// is instead.
    fn answer(self, id: &str) -> String {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        let catalogue = CATALOGUE.get_or_init(|| Catalogue::load(&[Layer { files: shipped(), shipped: true }]).0);
        let mut builder = EstateBuilder::new();
        for kind in ["User", "Role", "Group", "ManagedPolicy"] {
            let listing = match self.failed == Some(kind) {
                true => Listing::Failed(Cause::CallFailed("refused".into())),
                false => Listing::Complete,
            };
            let scope = Scope::account(Cloud::Aws, ACCOUNT);
            builder.listing(Kind::new(format!("AWS::IAM::{kind}")), Place::scope(scope), listing);
        }
        self.resources.into_iter().for_each(|resource| builder.resource(resource));
        let mut estate = builder.finish(catalogue.kinds());
        let now = Timestamp::from_second(1_780_272_000).unwrap();
        let answers = derive(&estate, &Primitives::new(catalogue.escalations()), now);
        estate.derived(answers);
        let resource = estate.by_id(&ResourceId::new(Cloud::Aws, id)).unwrap();
        match resource.attachment(ANSWER) {
            None => "nothing".to_owned(),
            Some(Answer::Absent) => "absent".to_owned(),
            Some(Answer::Failed(cause)) => format!("unknown: {cause}"),
            Some(Answer::Found(document)) => told(&document.root().to_json()),
        }
    }
}

fn merge(document: &mut Json, more: Json) {
    if let (Some(members), Some(more)) = (document.as_object_mut(), more.as_object()) {
        members.extend(more.clone());
    }
}

fn told(found: &Json) -> String {
    if found["administrator"] == true {
        return "administrator".to_owned();
    }
    let ways = found["found"].as_array().unwrap().iter().map(|way| {
        let through: Vec<_> = way["through"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        let names: Vec<_> = through.iter().map(|arn| arn.rsplit(':').next().unwrap_or_default()).collect();
        let mark = if way["conditional"] == true { "?" } else { "" };
        format!("{}{mark} [{}]", way["primitive"].as_str().unwrap(), names.join(" "))
    });
    ways.collect::<Vec<_>>().join(", ")
}

fn check(name: &str, account: Account, judged: &str, expected: &str) {
    assert_eq!(account.answer(&arn(judged)), expected, "{name}");
}

fn service(name: &str) -> Json {
    json!({"Service": format!("{name}.amazonaws.com")})
}

/// A user who may hand roles to new Lambda functions.
fn passing(resource: Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": resource},
        {"Effect": "Allow", "Action": ["lambda:CreateFunction", "lambda:InvokeFunction"], "Resource": "*"},
    ]})
}

#[test]
fn a_passed_role_counts_for_what_it_trusts_and_may_do() {
    let read = || allow(json!("s3:GetObject"), json!("arn:aws:s3:::b/*"));
    let account = || Account::default().user("u", passing(json!("*")), json!({}));
    let none = json!({});
    check("no role at all", account(), "user/u", "");
    check(
        "an administrator that Lambda may take on",
        account().role("boss", service("lambda"), everything(), none.clone()),
        "user/u",
        "lambda-001 [role/boss]",
    );
    check(
        "an administrator that another service may take on",
        account().role("boss", service("ec2"), everything(), none.clone()),
        "user/u",
        "",
    );
    check(
        "a role that reads what the user does not",
        account().role("reader", service("lambda"), read(), none.clone()),
        "user/u",
        "lambda-001 [role/reader]",
    );
    check(
        "a role that has a little more than the user",
        account().role(
            "same",
            service("lambda"),
            allow(json!("lambda:Invoke*"), json!("arn:aws:lambda:*")),
            none.clone(),
        ),
        "user/u",
        "lambda-001 [role/same]",
    );
    check(
        "a role within what the user has",
        account().role("same", service("lambda"), allow(json!("lambda:InvokeFunction"), json!("*")), none.clone()),
        "user/u",
        "",
    );
    check(
        "the permission is for another role",
        Account::default().user("u", passing(json!(arn("role/app-*"))), none.clone()).role(
            "boss",
            service("lambda"),
            everything(),
            none.clone(),
        ),
        "user/u",
        "",
    );
    check(
        "a service-linked role, which nobody can pass",
        account().role("aws-service-role/lambda.amazonaws.com/r", service("lambda"), everything(), none.clone()),
        "user/u",
        "",
    );
    let other = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
            "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}},
        {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"},
    ]});
    check(
        "the permission is for another service; code of functions can be changed all the same",
        Account::default().user("u", other, none.clone()).role("boss", service("lambda"), everything(), none),
        "user/u",
        "lambda-003 [role/boss], lambda-004 [role/boss], lambda-005 [role/boss], \
         prowler-lambda-updatefunctionconfiguration [role/boss]",
    );
}

#[test]
fn what_a_principal_may_change_of_itself_counts() {
    let none = || json!({});
    let attach = |actions: Json| allow(actions, json!("*"));
    let user = |policy: Json, more: Json| Account::default().user("u", policy, more);
    check("its own user", user(attach(json!("iam:PutUserPolicy")), none()), "user/u", "iam-007 []");
    let own = allow(json!("iam:PutUserPolicy"), json!("arn:aws:iam::*:user/${aws:username}"));
    check("its own user by a variable", user(own, none()), "user/u", "iam-007 []");
    let another = allow(json!("iam:PutUserPolicy"), json!(arn("user/other")));
    check("another user alone", user(another, none()), "user/u", "");
    check("a user has no role of its own", user(attach(json!("iam:PutRolePolicy")), none()), "user/u", "");
    let in_group = json!({"GroupList": ["g"]});
    check(
        "its group",
        user(attach(json!("iam:PutGroupPolicy")), in_group.clone()).group("g", allow(json!("s3:*"), json!("*"))),
        "user/u",
        "iam-011 [group/g]",
    );
    check(
        "a permission that the group gives",
        user(allow(json!("s3:*"), json!("*")), in_group).group("g", attach(json!("iam:AttachUserPolicy"))),
        "user/u",
        "iam-008 []",
    );
    let versions = |policy: &str| allow(json!("iam:CreatePolicyVersion"), json!(arn(policy)));
    let holds = json!({"AttachedManagedPolicies": [{"PolicyArn": arn("policy/mine")}]});
    let mine = allow(json!("s3:*"), json!("*"));
    check(
        "a policy that it holds",
        user(versions("policy/mine"), holds.clone()).policy("mine", std::slice::from_ref(&mine)),
        "user/u",
        "iam-001 [policy/mine]",
    );
    check(
        "a policy that it does not hold",
        user(versions("policy/other"), holds.clone()).policy("mine", std::slice::from_ref(&mine)),
        "user/u",
        "",
    );
    let switch = || user(attach(json!("iam:SetDefaultPolicyVersion")), holds.clone());
    check("no other version", switch().policy("mine", std::slice::from_ref(&mine)), "user/u", "");
    check(
        "another version that gives more",
        switch().policy("mine", &[mine, everything()]),
        "user/u",
        "prowler-setdefaultpolicyversion [policy/mine]",
    );
    let limit = json!({"PermissionsBoundary": {"PermissionsBoundaryArn": arn("policy/limit")}});
    let bounded =
        |boundary: Json| user(attach(json!(["iam:PutUserPolicy", "s3:*"])), limit.clone()).policy("limit", &[boundary]);
    check("a boundary that does not allow it", bounded(allow(json!("s3:*"), json!("*"))), "user/u", "");
    check(
        "a boundary that allows nothing more than it has",
        bounded(allow(json!(["iam:PutUserPolicy", "s3:*"]), json!("*"))),
        "user/u",
        "",
    );
    check("a boundary that is none", bounded(everything()), "user/u", "iam-007 []");
    let mfa = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:PutUserPolicy",
        "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}});
    check("with MFA", user(mfa, none()), "user/u", "iam-007? []");
    let readonly = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:AttachUserPolicy",
        "Resource": "*", "Condition": {"ArnLike": {"iam:PolicyARN": "arn:aws:iam::aws:policy/*"}}}});
    check("policies of AWS alone, the strongest among them", user(readonly, none()), "user/u", "iam-008 []");
}

#[test]
fn other_principals_count_when_they_are_stronger() {
    let none = || json!({});
    let keys = |more: Json| Account::default().user("u", allow(json!("iam:CreateAccessKey"), json!("*")), more);
    check("nobody else", keys(none()), "user/u", "");
    check("an administrator", keys(none()).user("boss", everything(), none()), "user/u", "iam-002 [user/boss]");
    check(
        "a user with less",
        keys(none()).user("less", allow(json!("iam:CreateAccessKey"), json!(arn("user/x"))), none()),
        "user/u",
        "",
    );
    let takes = |resource: Json| Account::default().user("u", allow(json!("sts:AssumeRole"), resource), none());
    let root = || json!({"AWS": arn("root")});
    check(
        "a role by a pattern",
        takes(json!("*")).role("boss", root(), everything(), none()),
        "user/u",
        "sts-001 [role/boss]",
    );
    check(
        "a role that is named in full, as it is meant",
        takes(json!(arn("role/boss"))).role("boss", root(), everything(), none()),
        "user/u",
        "",
    );
    check(
        "a role that trusts others",
        takes(json!("*")).role("boss", service("ec2"), everything(), none()),
        "user/u",
        "",
    );
    let raise = allow(json!(["iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"]), json!("*"));
    check(
        "a weak role that is made strong",
        Account::default().user("u", raise, none()).role(
            "weak",
            service("ec2"),
            allow(json!("iam:AttachRolePolicy"), json!("*")),
            none(),
        ),
        "user/u",
        "iam-019 [role/weak]",
    );
    let saml = format!("arn:aws:iam::{ACCOUNT}:saml-provider/idp");
    check(
        "a provider that an administrator trusts",
        Account::default().user("u", allow(json!("iam:UpdateSAMLProvider"), json!("*")), none()).role(
            "boss",
            json!({"Federated": saml}),
            everything(),
            none(),
        ),
        "user/u",
        "aws-x-020 [role/boss]",
    );
    let joins = || Account::default().user("u", allow(json!("iam:AddUserToGroup"), json!("*")), none());
    check("a strong group", joins().group("g", everything()), "user/u", "iam-013 [group/g]");
    check("no group", joins(), "user/u", "");
}

#[test]
fn administrators_are_named_as_such_and_denied_ones_are_none() {
    let none = || json!({});
    let denied = |deny: Json| json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, deny]});
    let user = |policy: Json| Account::default().user("u", policy, none());
    check("everything", user(everything()), "user/u", "administrator");
    check(
        "everything but a bucket",
        user(denied(json!({"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}))),
        "user/u",
        "administrator",
    );
    check(
        "everything and nothing",
        user(denied(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}))),
        "user/u",
        "",
    );
    check(
        "everything without identities, in an account without stronger roles",
        user(denied(json!({"Effect": "Deny", "Action": ["iam:*", "sso:*", "sts:*"], "Resource": "*"}))),
        "user/u",
        "",
    );
}

#[test]
fn what_is_not_known_is_unknown_and_never_nothing() {
    let none = || json!({});
    let passing = || Account::default().user("u", passing(json!("*")), none());
    let refused = |mut account: Account, kind| {
        account.failed = Some(kind);
        account
    };
    check("roles were not listed", refused(passing(), "Role"), "user/u", "unknown: a call failed: refused");
    check(
        "roles were not listed, one that is known does",
        refused(passing().role("boss", service("lambda"), everything(), none()), "Role"),
        "user/u",
        "lambda-001 [role/boss]",
    );
    let lost = json!({"AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/Lost"}]});
    let unknown = "unknown: could not be decided: the document of arn:aws:iam::aws:policy/Lost is not in the estate";
    let reads = allow(json!("s3:GetObject"), json!("*"));
    check(
        "a policy of its own is not there",
        Account::default().user("u", reads.clone(), lost.clone()),
        "user/u",
        unknown,
    );
    check(
        "a policy of a role that it can pass is not there",
        passing().role("r", service("lambda"), allow(json!("lambda:InvokeFunction"), json!("*")), lost.clone()),
        "user/u",
        unknown,
    );
    check(
        "a policy of a role that it cannot reach is not there",
        Account::default().user("u", reads.clone(), none()).role("r", service("lambda"), reads.clone(), lost.clone()),
        "user/u",
        "",
    );
    check(
        "what is there gives a way, which what is not there may deny",
        Account::default().user("u", allow(json!("iam:PutUserPolicy"), json!("*")), lost),
        "user/u",
        "iam-007? []",
    );
    check(
        "a document that is none",
        Account::default().user("u", json!({"Statement": [{"Effect": "Permit"}]}), none()),
        "user/u",
        &format!(
            "unknown: could not be decided: own (inline policy of {}): Statement[0].Effect: is neither Allow nor Deny",
            arn("user/u")
        ),
    );
    check(
        "a user that was merely listed",
        Account::default().add("AWS::IAM::User", &arn("user/u"), json!({"UserName": "u"})),
        "user/u",
        "unknown: GetAccountAuthorizationDetails was never asked for",
    );
    check(
        "a user of an unknown group",
        Account::default().user("u", reads, json!({"GroupList": ["g"]})),
        "user/u",
        "unknown: could not be decided: the group g was not listed",
    );
}

#[test]
fn a_policy_is_judged_as_if_somebody_held_it() {
    let policy = |document: Json| Account::default().policy("p", &[document]);
    let rows = [
        ("its own versions", allow(json!("iam:CreatePolicyVersion"), json!("*")), "iam-001 [policy/p]"),
        ("versions of others", allow(json!("iam:CreatePolicyVersion"), json!(arn("policy/other-*"))), ""),
        ("any role to Lambda", passing(json!("*")), "lambda-001 []"),
        ("roles of a pattern to Lambda", passing(json!("arn:aws:iam::*:role/app-*")), "lambda-001 []"),
        ("a role that is not there", passing(json!(arn("role/app"))), ""),
        ("any role to instances", allow(json!(["iam:PassRole", "ec2:RunInstances"]), json!("*")), "ec2-001 []"),
        (
            "versions and their default",
            allow(json!(["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"]), json!("*")),
            "iam-001 [policy/p]",
        ),
        ("objects of a bucket", allow(json!("s3:GetObject"), json!("arn:aws:s3:::p-data-us-east-1/*")), ""),
        ("nothing of that kind", allow(json!(["s3:GetObject", "logs:*"]), json!("*")), ""),
        ("everything", everything(), "administrator"),
        (
            "functions of one name, of which some denied",
            json!({"Statement": [
                {"Effect": "Allow", "Action": "lambda:UpdateFunctionCode", "Resource": "*"},
                {"Effect": "Deny", "Action": "lambda:*", "Resource": "arn:aws:lambda:*:*:function:prod-*"},
            ]}),
            "lambda-003 []",
        ),
        (
            "functions, of which all denied",
            json!({"Statement": [
                {"Effect": "Allow", "Action": "lambda:UpdateFunctionCode", "Resource": "*"},
                {"Effect": "Deny", "Action": "lambda:*", "Resource": "arn:aws:lambda:*:*:function:*"},
            ]}),
            "",
        ),
    ];
    for (name, document, expected) in rows {
        check(name, policy(document), "policy/p", expected);
    }
    check(
        "a policy of AWS is not judged",
        Account::default().add("AWS::IAM::ManagedPolicy", "arn:aws:iam::aws:policy/p", json!({})).policy("x", &[]),
        "policy/x",
        &format!("unknown: could not be decided: {}: has no default version", arn("policy/x")),
    );
}
