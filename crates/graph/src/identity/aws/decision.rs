//! Whether a request is allowed, and by which statements.

use std::sync::Arc;

use super::context::{Context, KeyState, Keys};
use super::policy::{Effect, Named, Policy, Principals, Statement, account_of};
use crate::truth::Truth;

/// Who makes a request, with the condition keys that follow from it.
#[derive(Clone, Debug)]
pub struct Caller {
    identity: Identity,
    keys: Keys,
}

#[derive(Clone, Debug)]
enum Identity {
    User { arn: Box<str> },
    Role { arn: Box<str>, session: Option<Box<str>> },
    Root { account: Box<str> },
    Service { name: Box<str> },
    Federated { provider: Box<str> },
}

impl Caller {
    /// An IAM user, by its ARN.
    pub fn user(arn: &str) -> Self {
        let mut keys = Keys::new();
        keys.set("aws:PrincipalArn", KeyState::one(arn));
        keys.set("aws:PrincipalType", KeyState::one("User"));
        keys.set("aws:username", KeyState::one(last_part(arn)));
        set_account(&mut keys, account_of(arn));
        Self { identity: Identity::User { arn: arn.into() }, keys }
    }

    /// A session of an IAM role, by the ARN of the role; that of the session where a certain one is meant.
    pub fn role(arn: &str, session: Option<&str>) -> Self {
        let mut keys = Keys::new();
        keys.set("aws:PrincipalArn", KeyState::one(arn));
        keys.set("aws:PrincipalType", KeyState::one("AssumedRole"));
        keys.set("aws:username", KeyState::Absent);
        set_account(&mut keys, account_of(arn));
        Self { identity: Identity::Role { arn: arn.into(), session: session.map(Box::from) }, keys }
    }

    /// The root user of an account, by the twelve digits of the account.
    pub fn root(account: &str) -> Self {
        let mut keys = Keys::new();
        keys.set("aws:PrincipalType", KeyState::one("Account"));
        keys.set("aws:username", KeyState::Absent);
        set_account(&mut keys, Some(account));
        Self { identity: Identity::Root { account: account.into() }, keys }
    }

    /// A service of AWS: `lambda.amazonaws.com`.
    pub fn service(name: &str) -> Self {
        let mut keys = Keys::new();
        keys.set("aws:PrincipalIsAWSService", KeyState::one("true"));
        keys.set("aws:PrincipalServiceName", KeyState::one(name));
        keys.set("aws:username", KeyState::Absent);
        Self { identity: Identity::Service { name: name.into() }, keys }
    }

    /// Someone whom an identity provider signed in, by the ARN or the domain of the provider.
    pub fn federated(provider: &str) -> Self {
        let mut keys = Keys::new();
        keys.set("aws:FederatedProvider", KeyState::one(provider));
        keys.set("aws:username", KeyState::Absent);
        Self { identity: Identity::Federated { provider: provider.into() }, keys }
    }

    /// Says what is known of a further key of the caller, for instance `aws:PrincipalTag/team`.
    pub fn know(&mut self, key: &str, state: KeyState) {
        self.keys.set(key, state);
    }

    /// Says that all keys that begin so are known: others of them are absent.
    pub fn close(&mut self, beginning: &str) {
        self.keys.close(beginning);
    }

    /// The ARN of the user or the role.
    pub fn arn(&self) -> Option<&str> {
        match &self.identity {
            Identity::User { arn } | Identity::Role { arn, .. } => Some(arn),
            _ => None,
        }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn account(&self) -> Option<&str> {
        match &self.identity {
            Identity::User { arn } | Identity::Role { arn, .. } => account_of(arn),
            Identity::Root { account } => Some(account),
            Identity::Service { .. } | Identity::Federated { .. } => None,
        }
    }

    /// Whether it is of no account, so that resources alone say what it may do.
    fn is_foreign(&self) -> bool {
        matches!(self.identity, Identity::Service { .. } | Identity::Federated { .. })
    }

    /// How `*` names it.
    fn as_everyone(&self) -> Naming {
        match &self.identity {
            // A user named by `*` is named itself. Of a role, the session is not: its limits count.
            Identity::User { .. } | Identity::Root { .. } => Naming::Unbounded,
            Identity::Role { .. } => Naming::Limited,
            Identity::Service { .. } | Identity::Federated { .. } => Naming::Session,
        }
    }

    fn named_by(&self, entry: &Named) -> (Naming, Truth) {
        let when = |fits: bool, naming: Naming| if fits { (naming, Truth::Yes) } else { (Naming::No, Truth::No) };
        match (entry, &self.identity) {
            (Named::Everyone, _) => (self.as_everyone(), Truth::Yes),
            (Named::Account(account), Identity::Root { account: own }) => when(account == own, Naming::Unbounded),
            (Named::Account(account), _) => when(self.account() == Some(account), Naming::Account),
            (Named::Arn(named), Identity::User { arn }) => when(named == arn, Naming::Unbounded),
            (Named::Arn(named), Identity::Role { arn, session }) => match session {
                Some(session) if named == session => (Naming::Session, Truth::Yes),
                None if is_session_of(named, arn) => (Naming::Session, Truth::Unknown),
                _ => when(named == arn, Naming::Limited),
            },
            (Named::Service(named), Identity::Service { name }) => when(named == name, Naming::Session),
            (Named::Federated(named), Identity::Federated { provider }) => when(named == provider, Naming::Session),
            // Which account or user a canonical id stands for is not in it.
            (Named::Canonical, _) => (self.as_everyone(), Truth::Unknown),
            _ => (Naming::No, Truth::No),
        }
    }

    /// How a statement names it, and whether it surely does.
    fn named_in(&self, statement: &Statement) -> (Naming, Truth) {
        let entries = match statement.principals() {
            Principals::Own => return (Naming::No, Truth::No),
            Principals::These(entries) | Principals::AllBut(entries) => entries,
        };
        let mut best = (Naming::No, Truth::No);
        for entry in entries {
            let (naming, holds) = self.named_by(entry);
            if holds == Truth::Yes && (best.1 != Truth::Yes || naming > best.0) || best.1 == Truth::No {
                best = (naming, holds);
            }
        }
        match (statement.principals(), best) {
            (Principals::AllBut(_), (_, Truth::No)) => (self.as_everyone(), Truth::Yes),
            // Whether naming an account spares those of it depends on the service.
            (Principals::AllBut(_), (Naming::Account, _) | (_, Truth::Unknown)) => (self.as_everyone(), Truth::Unknown),
            (Principals::AllBut(_), _) => (Naming::No, Truth::No),
            (_, best) => best,
        }
    }
}

fn set_account(keys: &mut Keys, account: Option<&str>) {
    let state = account.map_or(KeyState::Unknown, KeyState::one);
    keys.set("aws:PrincipalAccount", state);
    keys.set("aws:PrincipalIsAWSService", KeyState::one("false"));
    keys.set("aws:PrincipalServiceName", KeyState::Absent);
}

fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Whether `session` is the ARN of a session of that role. It holds the name of the role without its path.
fn is_session_of(session: &str, role: &str) -> bool {
    let name = session.splitn(6, ':').nth(5).and_then(|rest| rest.strip_prefix("assumed-role/"));
    name.and_then(|rest| rest.split('/').next()) == Some(last_part(role)) && account_of(session) == account_of(role)
}

/// Policy documents of one place, with how many of them could not be read.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// Those that were read.
    pub policies: Vec<Arc<Policy>>,
    /// Documents that are attached and could not be read or are missing. They leave open what they say.
    pub unreadable: usize,
}

impl PolicySet {
    /// A set of documents that were all read.
    pub fn of(policies: impl IntoIterator<Item = Arc<Policy>>) -> Self {
        Self { policies: policies.into_iter().collect(), unreadable: 0 }
    }
}

/// All policies that speak of a request.
#[derive(Clone, Debug, Default)]
pub struct Layers<'a> {
    /// Policies of the identity itself and of its groups.
    pub identity: Vec<&'a PolicySet>,
    /// The permissions boundary.
    pub boundary: Option<&'a PolicySet>,
    /// Policies given when the session was made. Together they allow what one of them allows.
    pub session: Option<&'a PolicySet>,
    /// Service control policies of the caller's account, level by level from the root of the organization.
    /// Empty for the management account, for service-linked roles and outside of organizations: nothing limits these.
    pub service_control: &'a [PolicySet],
    /// Resource control policies of the resource's account, level by level.
    pub resource_control: &'a [PolicySet],
    /// The resource and its own policy.
    pub resource: ResourceSide<'a>,
}

/// What is known of the side of the resource.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResourceSide<'a> {
    /// The account of the resource; none = that of the caller.
    pub account: Option<&'a str>,
    /// The policy of the resource.
    pub policy: Option<&'a PolicySet>,
    /// Nothing is allowed without the resource's policy, not even in its own account: KMS keys, trust of roles.
    pub policy_required: bool,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// `service:Action`, in any case.
    pub action: &'a str,
    /// The ARN of the resource, or `*`.
    pub resource: &'a str,
    /// What is known of the condition keys.
    pub context: Context<'a>,
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed.
    Allow,
    /// Hangs on conditions or documents that are not known.
    Conditional,
    /// Nothing allows it, or a limit does not.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
}

/// A statement, by its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementAt {
    /// The name of the policy.
    pub policy: Arc<str>,
    /// Its position in the policy, from 0.
    pub statement: usize,
    /// Its `Sid`.
    pub sid: Option<Box<str>>,
}

/// The end of a request and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The end.
    pub outcome: Outcome,
    /// Statements that allow it. Where none surely does, those that may.
    pub allowing: Vec<StatementAt>,
    /// Statements that deny it. Where none surely does, those that may.
    pub denying: Vec<StatementAt>,
}

/// How a statement of a resource's policy names the caller. The order is that of how directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Naming {
    No,
    /// Its account, which may hand the permission on.
    Account,
    /// The caller itself, within the limits of its boundary and its session.
    Limited,
    /// The caller itself; a boundary does not limit it.
    Unbounded,
    /// The very session; neither boundary nor session policies limit it.
    Session,
}

/// Statements found, and what they come to.
#[derive(Clone, Debug)]
struct Found {
    holds: Truth,
    statements: Vec<(Truth, StatementAt)>,
}

impl Default for Found {
    fn default() -> Self {
        Self { holds: Truth::No, statements: Vec::new() }
    }
}

impl Found {
    fn add(&mut self, holds: Truth, place: StatementAt) {
        self.holds = self.holds.or(holds);
        self.statements.push((holds, place));
    }

    fn leave_open(&mut self) {
        self.holds = self.holds.or(Truth::Unknown);
    }

    /// Those that surely hold; where there is none, those that may.
    fn telling(self) -> Vec<StatementAt> {
        let surely = self.statements.iter().any(|(holds, _)| *holds == Truth::Yes);
        let kept = self.statements.into_iter().filter(|(holds, _)| !surely || *holds == Truth::Yes);
        kept.map(|(_, place)| place).collect()
    }
}

impl Request<'_> {
    /// Decides the request.
    pub fn decide(&self, layers: &Layers<'_>) -> Decision {
        let context = self.context.of_caller(self.caller.keys());
        let action = self.action.to_ascii_lowercase();
        let asked = Asked { caller: self.caller, action: &action, resource: self.resource, context };
        asked.decide(layers)
    }
}

/// A request with its action in lower case.
struct Asked<'a> {
    caller: &'a Caller,
    action: &'a str,
    resource: &'a str,
    context: Context<'a>,
}

/// What the resource's policy allows, by how directly it names the caller.
#[derive(Clone, Copy)]
struct Granted {
    account: Truth,
    limited: Truth,
    unbounded: Truth,
    session: Truth,
}

impl Granted {
    const NOTHING: Self = Self { account: Truth::No, limited: Truth::No, unbounded: Truth::No, session: Truth::No };

    fn add(&mut self, naming: Naming, holds: Truth) {
        let place = match naming {
            Naming::No => return,
            Naming::Account => &mut self.account,
            Naming::Limited => &mut self.limited,
            Naming::Unbounded => &mut self.unbounded,
            Naming::Session => &mut self.session,
        };
        *place = place.or(holds);
    }

    fn leave_open(&mut self) {
        for naming in [Naming::Account, Naming::Limited, Naming::Unbounded, Naming::Session] {
            self.add(naming, Truth::Unknown);
        }
    }

    fn any(&self) -> Truth {
        Truth::any([self.account, self.limited, self.unbounded, self.session])
    }
}

impl Asked<'_> {
    fn decide(&self, layers: &Layers<'_>) -> Decision {
        let (mut allowing, mut denying) = (Found::default(), Found::default());
        for set in &layers.identity {
            self.read(set, &mut allowing, &mut denying);
        }
        let identity = match self.caller.identity {
            // The root user needs no policy in its own account.
            Identity::Root { .. } => Truth::Yes,
            _ => allowing.holds,
        };
        let limit = |set: Option<&PolicySet>, denying: &mut Found| match set {
            None => Truth::Yes,
            Some(set) => self.limit(set, denying),
        };
        let boundary = limit(layers.boundary, &mut denying);
        let session = limit(layers.session, &mut denying);
        let mut control = Truth::Yes;
        if !self.caller.is_foreign() {
            for level in layers.service_control {
                control = control.and(self.limit(level, &mut denying));
            }
        }
        let mut granted = Granted::NOTHING;
        if let Some(set) = layers.resource.policy {
            granted = self.granted(set, &mut allowing, &mut denying);
        }
        for level in layers.resource_control {
            control = control.and(self.granted(level, &mut Found::default(), &mut denying).any());
        }
        let by_identity = identity.and(boundary).and(session);
        let by_resource =
            granted.session.or(granted.unbounded.and(session)).or(granted.limited.and(boundary).and(session));
        let same_account = layers.resource.account.is_none_or(|account| self.caller.account() == Some(account));
        let grants = match (self.caller.is_foreign(), same_account, layers.resource.policy_required) {
            (true, _, _) => by_resource,
            (false, true, false) => by_resource.or(by_identity),
            (false, true, true) => by_resource.or(by_identity.and(granted.any())),
            (false, false, _) => by_identity.and(granted.any()),
        };
        let outcome = match (denying.holds, grants.and(control)) {
            (Truth::Yes, _) => Outcome::ExplicitDeny,
            (_, Truth::No) => Outcome::ImplicitDeny,
            (Truth::No, Truth::Yes) => Outcome::Allow,
            _ => Outcome::Conditional,
        };
        Decision { outcome, allowing: allowing.telling(), denying: denying.telling() }
    }

    /// Reads documents that grant to the caller itself.
    fn read(&self, set: &PolicySet, allowing: &mut Found, denying: &mut Found) {
        for policy in &set.policies {
            for (position, statement) in policy.statements().iter().enumerate() {
                let holds = self.holds(statement);
                if holds == Truth::No {
                    continue;
                }
                let found = if statement.effect == Effect::Allow { &mut *allowing } else { &mut *denying };
                found.add(holds, place(policy, position, statement));
            }
        }
        if set.unreadable > 0 {
            allowing.leave_open();
            denying.leave_open();
        }
    }

    /// Reads documents that limit: what they allow counts, the statements that do are no grants.
    fn limit(&self, set: &PolicySet, denying: &mut Found) -> Truth {
        let mut allowing = Found::default();
        self.read(set, &mut allowing, denying);
        allowing.holds
    }

    /// Reads documents that name principals.
    fn granted(&self, set: &PolicySet, allowing: &mut Found, denying: &mut Found) -> Granted {
        let mut granted = Granted::NOTHING;
        for policy in &set.policies {
            for (position, statement) in policy.statements().iter().enumerate() {
                let (naming, named) = self.caller.named_in(statement);
                let holds = if named == Truth::No { Truth::No } else { named.and(self.holds(statement)) };
                if holds == Truth::No {
                    continue;
                }
                if statement.effect == Effect::Deny {
                    denying.add(holds, place(policy, position, statement));
                    continue;
                }
                granted.add(naming, holds);
                allowing.add(holds, place(policy, position, statement));
            }
        }
        if set.unreadable > 0 {
            granted.leave_open();
            denying.leave_open();
        }
        granted
    }

    fn holds(&self, statement: &Statement) -> Truth {
        if !statement.names_action(self.action, &self.context) {
            return Truth::No;
        }
        let resource = statement.names_resource(self.resource, &self.context);
        if resource == Truth::No {
            return Truth::No;
        }
        resource.and(statement.conditions_hold(&self.context))
    }
}

fn place(policy: &Policy, position: usize, statement: &Statement) -> StatementAt {
    StatementAt { policy: policy.name().clone(), statement: position, sid: statement.sid.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use yagura_model::Document;

    use super::super::context::Rest;
    use super::super::policy::Form;
    use super::*;

    const ALICE: &str = "arn:aws:iam::111111111111:user/alice";
    const APP: &str = "arn:aws:iam::111111111111:role/team/app";
    const SESSION: &str = "arn:aws:sts::111111111111:assumed-role/app/s1";

    fn set(form: Form, statements: Json) -> PolicySet {
        let document = Document::from(json!({"Version": "2012-10-17", "Statement": statements}));
        PolicySet::of([Arc::new(Policy::parse("p", document.root(), form).unwrap())])
    }

    fn own(statements: Json) -> PolicySet {
        set(Form::Identity, statements)
    }

    fn everything() -> PolicySet {
        own(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))
    }

    fn decide(caller: &Caller, layers: &Layers<'_>) -> Decision {
        let context = Context::new(&[], Rest::Unknown);
        Request { caller, action: "s3:GetObject", resource: "arn:aws:s3:::b/k", context }.decide(layers)
    }

    fn check(name: &str, caller: &Caller, layers: &Layers<'_>, expected: Outcome) {
        assert_eq!(decide(caller, layers).outcome, expected, "{name}");
    }

    #[test]
    fn a_resource_policy_names_its_callers_more_or_less_directly() {
        let nothing = PolicySet::default();
        let statement =
            |principal: Json| json!({"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": "*"});
        let alice = Caller::user(ALICE);
        let app = Caller::role(APP, None);
        let session = Caller::role(APP, Some(SESSION));
        let root = Caller::root("111111111111");
        let service = Caller::service("logs.amazonaws.com");
        let rows = [
            ("a user by its ARN", &alice, json!({"AWS": ALICE}), Outcome::Allow),
            (
                "a user by an id that AWS wrote when it was deleted",
                &alice,
                json!({"AWS": "AIDAEXAMPLE"}),
                Outcome::ImplicitDeny,
            ),
            ("a user by a canonical id", &alice, json!({"CanonicalUser": "0f"}), Outcome::Conditional),
            ("a role by its ARN, its boundary allows nothing", &app, json!({"AWS": APP}), Outcome::ImplicitDeny),
            ("a session, where it is not known which", &app, json!({"AWS": SESSION}), Outcome::Conditional),
            ("that session", &session, json!({"AWS": SESSION}), Outcome::Allow),
            ("another session", &session, json!({"AWS": format!("{SESSION}2")}), Outcome::ImplicitDeny),
            ("the root user by its account", &root, json!({"AWS": "111111111111"}), Outcome::Allow),
            ("a service by its name", &service, json!({"Service": ["logs.amazonaws.com"]}), Outcome::Allow),
            ("a service by another name", &service, json!({"Service": "ec2.amazonaws.com"}), Outcome::ImplicitDeny),
            ("a service by everyone", &service, json!("*"), Outcome::Allow),
        ];
        for (name, caller, principal, expected) in rows {
            let policy = set(Form::Resource, statement(principal));
            let resource = ResourceSide { account: None, policy: Some(&policy), policy_required: false };
            check(name, caller, &Layers { boundary: Some(&nothing), resource, ..Layers::default() }, expected);
        }
    }

    #[test]
    fn not_principal_spares_whom_it_names() {
        let alice = Caller::user(ALICE);
        let rows = [
            (json!({"AWS": [ALICE, "111111111111"]}), Outcome::Allow),
            (json!({"AWS": "arn:aws:iam::111111111111:user/bob"}), Outcome::ExplicitDeny),
            (json!({"AWS": "111111111111"}), Outcome::Conditional),
            (json!({"CanonicalUser": "0f"}), Outcome::Conditional),
        ];
        let allowed = everything();
        for (names, expected) in rows {
            let name = names.to_string();
            let policy =
                set(Form::Resource, json!({"Effect": "Deny", "NotPrincipal": names, "Action": "*", "Resource": "*"}));
            let resource = ResourceSide { account: None, policy: Some(&policy), policy_required: false };
            check(&name, &alice, &Layers { identity: vec![&allowed], resource, ..Layers::default() }, expected);
        }
    }

    #[test]
    fn what_could_not_be_read_leaves_the_end_open() {
        let alice = Caller::user(ALICE);
        let (allowed, lost) = (everything(), PolicySet { policies: Vec::new(), unreadable: 1 });
        let denied = own(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}));
        let rows = [
            ("nothing else", vec![&lost], None, Outcome::Conditional),
            ("an allow, which may be denied", vec![&allowed, &lost], None, Outcome::Conditional),
            ("a deny, which stands", vec![&denied, &lost], None, Outcome::ExplicitDeny),
            ("a boundary that allows nothing", vec![&lost], Some(PolicySet::default()), Outcome::ImplicitDeny),
            ("a lost boundary", vec![&allowed], Some(lost.clone()), Outcome::Conditional),
        ];
        for (name, identity, boundary, expected) in rows {
            check(name, &alice, &Layers { identity, boundary: boundary.as_ref(), ..Layers::default() }, expected);
        }
    }

    #[test]
    fn resource_control_policies_limit_and_deny() {
        let alice = Caller::user(ALICE);
        let allowed = everything();
        let everyone = |effect: &str, action: &str| {
            set(Form::Resource, json!({"Effect": effect, "Principal": "*", "Action": action, "Resource": "*"}))
        };
        let rows = [
            ("all levels allow", vec![everyone("Allow", "*"), everyone("Allow", "s3:*")], Outcome::Allow),
            ("one level does not", vec![everyone("Allow", "*"), everyone("Allow", "sqs:*")], Outcome::ImplicitDeny),
            ("one level denies", vec![everyone("Allow", "*"), everyone("Deny", "s3:Get*")], Outcome::ExplicitDeny),
        ];
        for (name, levels, expected) in rows {
            let layers = Layers { identity: vec![&allowed], resource_control: &levels, ..Layers::default() };
            check(name, &alice, &layers, expected);
        }
    }

    #[test]
    fn an_unknown_condition_is_neither_allow_nor_deny() {
        let alice = Caller::user(ALICE);
        let mfa = json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}});
        let statement = |effect: &str| json!({"Sid": effect, "Effect": effect, "Action": "s3:*", "Resource": "*", "Condition": mfa});
        let plain = json!({"Sid": "Plain", "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        let rows = [
            (json!([statement("Allow")]), Outcome::Conditional, vec!["Allow"], vec![]),
            (json!([statement("Deny")]), Outcome::ImplicitDeny, vec![], vec!["Deny"]),
            (json!([statement("Allow"), statement("Deny")]), Outcome::Conditional, vec!["Allow"], vec!["Deny"]),
            (json!([plain, statement("Allow")]), Outcome::Allow, vec!["Plain"], vec![]),
            (json!([plain, statement("Deny")]), Outcome::Conditional, vec!["Plain"], vec!["Deny"]),
        ];
        for (statements, outcome, allowing, denying) in rows {
            let identity = own(statements.clone());
            let decision = decide(&alice, &Layers { identity: vec![&identity], ..Layers::default() });
            let sids = |found: &[StatementAt]| {
                found.iter().map(|at| at.sid.clone().unwrap_or_default().into_string()).collect::<Vec<_>>()
            };
            assert_eq!(decision.outcome, outcome, "{statements}");
            assert_eq!((sids(&decision.allowing), sids(&decision.denying)), (strings(allowing), strings(denying)));
        }
    }

    fn strings(sids: Vec<&str>) -> Vec<String> {
        sids.into_iter().map(str::to_owned).collect()
    }
}
