//! The principals of an account of AWS with their policies, as `GetAccountAuthorizationDetails` gives them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use yagura_model::{Cause, Estate, Kind, Listing, Resource, Scope, Value, Within};

use crate::identity::aws::{Caller, Effect, Form, KeyState, Policy, PolicySet, Statement};

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// An IAM user.
    User,
    /// An IAM role.
    Role,
    /// A group: judged as a user that is in it alone.
    Group,
    /// A managed policy: judged as a user or a role that holds it alone.
    Policy,
}

/// A principal, or what is judged as if it stood on one.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Its ARN.
    pub arn: Arc<str>,
    /// What it is.
    pub sort: Sort,
    /// Its inline policies and its managed ones, without those of groups.
    pub own: PolicySet,
    /// ARNs of the managed policies that it holds itself.
    pub attached: Vec<Arc<str>>,
    /// Positions of its groups in [`Account::groups`].
    pub groups: Vec<usize>,
    /// Its permissions boundary.
    pub boundary: Option<PolicySet>,
    /// The trust of a role.
    pub trust: Option<PolicySet>,
    /// Its tags, where the document shows them.
    pub tags: Option<Vec<(String, String)>>,
    /// What is not known of it.
    pub gaps: Vec<Cause>,
}

/// A managed policy.
#[derive(Clone, Debug)]
pub(crate) struct Managed {
    /// The default version, or why it is not known.
    pub(crate) current: Result<Arc<Policy>, Cause>,
    /// Other versions that were read.
    pub(crate) others: Vec<Arc<Policy>>,
}

/// Whether all principals of one sort are known.
pub type Limits = Result<(), Cause>;

/// The principals of one account.
#[derive(Clone, Debug)]
pub struct Account {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Twelve digits.
    pub id: String,
    /// Users, by ARN.
    pub users: Vec<Principal>,
    /// Roles, by ARN.
    pub roles: Vec<Principal>,
    /// Groups, by ARN.
    pub groups: Vec<Principal>,
    /// Whether all users are known.
    pub all_users: Limits,
    /// Whether all roles are known.
    pub all_roles: Limits,
    /// Whether all groups are known.
    pub all_groups: Limits,
    pub(crate) managed: HashMap<Arc<str>, Managed>,
    order: Order,
}

/// Positions of users and roles, those that may do everything first.
#[derive(Clone, Debug, Default)]
struct Order {
    users: Vec<usize>,
    roles: Vec<usize>,
    /// Roles by the services, providers, accounts and ARNs that they trust.
    by_trusted: HashMap<Box<str>, Vec<usize>>,
    /// Roles that may trust anybody, those whose trust is not known among them.
    open: Vec<usize>,
}

pub(crate) const USER: &str = "AWS::IAM::User";
pub(crate) const ROLE: &str = "AWS::IAM::Role";
pub(crate) const GROUP: &str = "AWS::IAM::Group";
pub(crate) const POLICY: &str = "AWS::IAM::ManagedPolicy";
/// The call whose answers hold the policies of principals.
const DETAILS: &str = "GetAccountAuthorizationDetails";

impl Account {
    /// An account of which nothing is known: policies can be judged as if they stood on a principal of it.
    pub fn unknown() -> Self {
        let never = |kind: &str| Err(Cause::NotListed(Kind::new(kind)));
        Self {
            partition: "aws".to_owned(),
            id: "123456789012".to_owned(),
            users: Vec::new(),
            roles: Vec::new(),
            groups: Vec::new(),
            all_users: never(USER),
            all_roles: never(ROLE),
            all_groups: never(GROUP),
            managed: HashMap::new(),
            order: Order::default(),
        }
    }

    /// The principals of one account of an estate.
    pub fn read(estate: &dyn Estate, scope: &Scope) -> Self {
        let of = |kind: &str| estate.of_kind(&Kind::new(kind), Within::Scope(scope));
        let listed = |kind: &str| match estate.listing(&Kind::new(kind), scope, None) {
            Listing::Complete => Ok(()),
            Listing::Never => Err(Cause::NotListed(Kind::new(kind))),
            Listing::Failed(cause) => Err(cause),
        };
        let mut account = Self {
            id: scope.id().to_owned(),
            all_users: listed(USER),
            all_roles: listed(ROLE),
            all_groups: listed(GROUP),
            ..Self::unknown()
        };
        for resource in of(POLICY) {
            account.managed.insert(resource.id.as_str().into(), managed(&resource));
        }
        account.groups = of(GROUP).iter().map(|group| account.principal(group, Sort::Group)).collect();
        account.roles = of(ROLE).iter().map(|role| account.principal(role, Sort::Role)).collect();
        account.users = of(USER).iter().map(|user| account.principal(user, Sort::User)).collect();
        let first = account.roles.iter().chain(&account.users).next();
        if let Some(partition) = first.and_then(|one| one.arn.split(':').nth(1)) {
            account.partition = partition.to_owned();
        }
        account.set_order();
        account
    }

    fn set_order(&mut self) {
        let (users, roles) = (self.strongest_first(&self.users), self.strongest_first(&self.roles));
        let mut order = Order { users, roles, ..Order::default() };
        for place in &order.roles {
            let Some(role) = self.roles.get(*place) else { continue };
            if role.trust.as_ref().is_none_or(|set| set.unreadable > 0) {
                order.open.push(*place);
            }
            let statements = role.trust.iter().flat_map(|set| &set.policies).flat_map(|policy| policy.statements());
            for statement in statements {
                for trusted in statement.trusted() {
                    match trusted {
                        Some(name) => order.by_trusted.entry(name.into()).or_default().push(*place),
                        None => order.open.push(*place),
                    }
                }
            }
        }
        self.order = order;
    }

    fn strongest_first(&self, principals: &[Principal]) -> Vec<usize> {
        let is_weak = |place: &usize| {
            let sets = principals.get(*place).map(|one| self.grants(one)).unwrap_or_default();
            !allows(sets).iter().any(|statement| statement.is_everything())
        };
        let mut places: Vec<usize> = (0..principals.len()).collect();
        places.sort_by_cached_key(is_weak);
        places
    }

    /// Positions of users, those that may do everything first.
    pub(crate) fn strongest_users(&self) -> &[usize] {
        &self.order.users
    }

    /// Positions of roles, those that may do everything first.
    pub(crate) fn strongest_roles(&self) -> &[usize] {
        &self.order.roles
    }

    /// Positions of roles that a service, or somebody a provider signed in, may take on; the strongest first.
    pub(crate) fn trusting(&self, name: &str) -> impl Iterator<Item = usize> {
        let named = self.order.by_trusted.get(name).map(Vec::as_slice).unwrap_or_default();
        named.iter().chain(&self.order.open).copied()
    }

    /// Positions of roles that may trust a user or a role of the account; the strongest first in each of the parts.
    /// Those that trust the account as a whole count for who is allowed to take on roles.
    pub(crate) fn trusting_principal(&self, arn: &str, by_account: bool) -> Vec<usize> {
        let named = |name: &str| self.order.by_trusted.get(name).map(Vec::as_slice).unwrap_or_default();
        let by_account = if by_account { named(&self.id) } else { &[] };
        let mut seen = HashSet::new();
        let all = named(arn).iter().chain(by_account).chain(&self.order.open).copied();
        all.filter(|place| seen.insert(*place)).collect()
    }

    /// A managed policy as if a principal held it alone; an error says why its document is not known.
    pub fn policy(&self, arn: &str) -> Result<Principal, Cause> {
        let Some((arn, managed)) = self.managed.get_key_value(arn) else {
            return Err(Cause::Undecidable(format!("the policy {arn} was not read").into()));
        };
        let mut policy = Principal::of(arn.clone(), Sort::Policy, PolicySet::of([managed.current.clone()?]));
        policy.attached.push(arn.clone());
        Ok(policy)
    }

    fn principal(&self, resource: &Resource, sort: Sort) -> Principal {
        let document = resource.document.root();
        let arn: Arc<str> = resource.id.as_str().into();
        let mut principal = Principal::of(arn, sort, PolicySet::default());
        let list = match sort {
            Sort::User => "UserPolicyList",
            Sort::Role => "RolePolicyList",
            Sort::Group | Sort::Policy => "GroupPolicyList",
        };
        // A user that was merely listed has none of these; of an authorization detail, at least one is there.
        let is_detail = [list, "AttachedManagedPolicies", "GroupList"].iter().any(|name| document.get(name).is_some());
        if !is_detail {
            principal.lose(Cause::NotAsked(DETAILS.into()));
        }
        for inline in document.get(list).into_iter().flat_map(Value::items) {
            principal.add_inline(inline);
        }
        for attached in document.get("AttachedManagedPolicies").into_iter().flat_map(Value::items) {
            let Some(arn) = attached.get("PolicyArn").and_then(Value::as_str) else { continue };
            principal.attached.push(arn.into());
            match self.managed_policy(arn) {
                Ok(policy) => principal.own.policies.push(policy),
                Err(cause) => principal.lose(cause),
            }
        }
        self.add_groups(&mut principal, document);
        let boundary = document.get("PermissionsBoundary").and_then(|set| set.get("PermissionsBoundaryArn"));
        if let Some(arn) = boundary.and_then(Value::as_str) {
            principal.boundary = Some(match self.managed_policy(arn) {
                Ok(policy) => PolicySet::of([policy]),
                Err(cause) => {
                    principal.gaps.push(cause);
                    PolicySet { policies: Vec::new(), unreadable: 1 }
                }
            });
        }
        if sort == Sort::Role {
            principal.trust = Some(trust(&principal.arn, document));
        }
        principal.tags = document.get("Tags").map(|tags| pairs(tags));
        principal
    }

    fn add_groups(&self, principal: &mut Principal, document: Value<'_>) {
        if principal.sort != Sort::User {
            return;
        }
        for name in document.get("GroupList").into_iter().flat_map(Value::items).filter_map(Value::as_str) {
            let place = self.groups.iter().position(|group| group.arn.rsplit('/').next() == Some(name));
            match (place, &self.all_groups) {
                (Some(place), _) => {
                    principal.groups.push(place);
                    principal.gaps.extend(self.groups.get(place).into_iter().flat_map(|group| group.gaps.clone()));
                }
                (None, Err(cause)) => principal.lose(cause.clone()),
                (None, Ok(())) => principal.lose(Cause::Undecidable(format!("the group {name} was not listed").into())),
            }
        }
    }

    fn managed_policy(&self, arn: &str) -> Result<Arc<Policy>, Cause> {
        match self.managed.get(arn) {
            Some(managed) => managed.current.clone(),
            None => Err(Cause::Undecidable(format!("the document of {arn} is not in the estate").into())),
        }
    }

    /// The sets of policies that grant to a principal, its groups' among them.
    pub(crate) fn grants<'a>(&'a self, principal: &'a Principal) -> Vec<&'a PolicySet> {
        let groups = principal.groups.iter().filter_map(|place| self.groups.get(*place)).map(|group| &group.own);
        std::iter::once(&principal.own).chain(groups).collect()
    }

    /// ARNs of all managed policies that a principal holds, through its groups too.
    pub(crate) fn held<'a>(&'a self, principal: &'a Principal) -> impl Iterator<Item = &'a Arc<str>> {
        let groups = principal.groups.iter().filter_map(|place| self.groups.get(*place));
        principal.attached.iter().chain(groups.flat_map(|group| &group.attached))
    }
}

impl Principal {
    /// A principal with these policies and nothing else.
    pub fn of(arn: impl Into<Arc<str>>, sort: Sort, own: PolicySet) -> Self {
        Self {
            arn: arn.into(),
            sort,
            own,
            attached: Vec::new(),
            groups: Vec::new(),
            boundary: None,
            trust: None,
            tags: None,
            gaps: Vec::new(),
        }
    }

    fn lose(&mut self, cause: Cause) {
        self.own.unreadable += 1;
        self.gaps.push(cause);
    }

    fn add_inline(&mut self, inline: Value<'_>) {
        let name = inline.get("PolicyName").and_then(Value::as_str).unwrap_or("unnamed");
        let full = format!("{name} (inline policy of {})", self.arn);
        let document = inline.get("PolicyDocument").ok_or_else(|| "it has no document".to_owned());
        let read = document.and_then(|document| {
            Policy::parse(full.as_str(), document, Form::Identity).map_err(|fault| fault.to_string())
        });
        match read {
            Ok(policy) => self.own.policies.push(Arc::new(policy)),
            Err(fault) => self.lose(Cause::Undecidable(format!("{full}: {fault}").into())),
        }
    }

    /// Who makes its requests.
    pub(crate) fn caller(&self) -> Caller {
        let mut caller = match self.sort {
            Sort::Role => Caller::role(&self.arn, None),
            Sort::User | Sort::Group | Sort::Policy => Caller::user(&self.arn),
        };
        for (name, value) in self.tags.iter().flatten() {
            caller.know(&format!("aws:PrincipalTag/{name}"), KeyState::one(value.as_str()));
        }
        if self.sort == Sort::User && self.tags.is_some() {
            // A session of a role may bring tags of its own; a user has those of the document.
            caller.close("aws:PrincipalTag/");
        }
        caller
    }
}

/// The allows of sets of policies.
pub(crate) fn allows<'a>(sets: impl IntoIterator<Item = &'a PolicySet>) -> Vec<&'a Statement> {
    let statements = sets.into_iter().flat_map(|set| &set.policies).flat_map(|policy| policy.statements());
    statements.filter(|statement| statement.effect == Effect::Allow).collect()
}

/// The denies of sets of policies.
pub(crate) fn denies<'a>(sets: impl IntoIterator<Item = &'a PolicySet>) -> Vec<&'a Statement> {
    let statements = sets.into_iter().flat_map(|set| &set.policies).flat_map(|policy| policy.statements());
    statements.filter(|statement| statement.effect == Effect::Deny).collect()
}

fn managed(resource: &Resource) -> Managed {
    let arn = resource.id.as_str();
    let unknown = |fault: String| Cause::Undecidable(format!("{arn}: {fault}").into());
    let mut found = Managed { current: Err(unknown("has no default version".to_owned())), others: Vec::new() };
    for version in resource.document.root().get("PolicyVersionList").into_iter().flat_map(Value::items) {
        let Some(document) = version.get("Document") else { continue };
        let read = Policy::parse(arn, document, Form::Identity);
        let is_default = version.get("IsDefaultVersion").and_then(Value::as_bool) == Some(true);
        match (is_default, read) {
            (true, Ok(policy)) => found.current = Ok(Arc::new(policy)),
            (true, Err(fault)) => found.current = Err(unknown(fault.to_string())),
            (false, Ok(policy)) => found.others.push(Arc::new(policy)),
            (false, Err(_)) => {}
        }
    }
    found
}

fn trust(arn: &str, document: Value<'_>) -> PolicySet {
    let read = document
        .get("AssumeRolePolicyDocument")
        .map(|document| Policy::parse(format!("trust of {arn}"), document, Form::Resource));
    match read {
        Some(Ok(policy)) => PolicySet::of([Arc::new(policy)]),
        Some(Err(_)) | None => PolicySet { policies: Vec::new(), unreadable: 1 },
    }
}

fn pairs(tags: Value<'_>) -> Vec<(String, String)> {
    let text = |tag: Value<'_>, name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned);
    tags.items().filter_map(|tag| Some((text(tag, "Key")?, text(tag, "Value")?))).collect()
}
