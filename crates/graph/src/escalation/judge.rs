//! Which primitives are open to one principal.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use yagura_content::{Effect, NeededPermission, Target, Text};
use yagura_model::{Cause, Template};

use super::account::{Account, Limits, Principal, Sort, allows, denies};
use super::primitives::{Bits, Primitives, Ready};
use crate::identity::aws::{
    Caller, Context, KeyState, Keys, Layers, Outcome, Pattern, PolicySet, Request, ResourceSide, Rest, Statement,
    arn_parts,
};
use crate::truth::Truth;

/// So many targets are named; more of them tell nothing new.
const MOST_TARGETS: usize = 5;
/// After so many that hang on a condition no surer one is looked for: conditions hardly ever differ by target.
const MOST_UNSURE: usize = 50;
/// The name of what nobody has named yet: a resource to be made, a principal that could hold a policy.
const ANY_NAME: &str = "any-name";

/// What became of one principal.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// It may do everything, which is more than any escalation gives. No primitive is looked for.
    pub administrator: bool,
    /// What is open to it, by id of the primitive.
    pub found: Vec<Escalation>,
    /// What is not known and could open more.
    pub gaps: Vec<Cause>,
}

/// One primitive that is open.
#[derive(Clone, Debug)]
pub struct Escalation {
    /// The id of the primitive.
    pub primitive: String,
    /// What is done.
    pub name: Text,
    /// What it leads to.
    pub effect: Effect,
    /// The permissions it takes, with what grants each.
    pub permissions: Vec<HeldPermission>,
    /// Principals and policies it leads through, the strongest first, at most five. Empty where none is named.
    pub through: Vec<String>,
    /// Hangs on a condition or a document that is not known.
    pub conditional: bool,
}

/// A permission with the statement that grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPermission {
    /// The action.
    pub action: String,
    /// The policy that grants it.
    pub policy: Arc<str>,
    /// Its statement: the `Sid`, or its position from 0.
    pub statement: String,
}

/// Judges a principal of an account against all primitives at a moment.
pub fn judge(account: &Account, principal: &Principal, primitives: &Primitives, now: Timestamp) -> Judged {
    let mut named = Bits::default();
    for set in account.grants(principal) {
        for policy in &set.policies {
            named.add(&primitives.named(policy));
        }
    }
    let mut judged = Judged { gaps: principal.gaps.clone(), ..Judged::default() };
    for standing in Standing::of(account, principal) {
        let judge = Judge::new(account, principal, standing, now);
        if judge.is_administrator() {
            judged.administrator = true;
            continue;
        }
        for ready in primitives.possible(&named) {
            if judged.found.iter().any(|known| known.primitive == ready.primitive.id && !known.conditional) {
                continue;
            }
            let Some(found) = judge.way(ready) else { continue };
            judged.found.retain(|known| known.primitive != found.primitive);
            judged.found.push(found);
        }
        judged.gaps.extend(judge.gaps.into_inner());
    }
    if judged.administrator {
        judged.found.clear();
    }
    judged.found.sort_by(|left, right| left.primitive.cmp(&right.primitive));
    judged
}

/// Who a principal is while it is judged.
#[derive(Clone, Debug)]
enum Standing {
    User(Principal),
    Role(Principal),
}

impl Standing {
    /// A user and a role are themselves; a group stands on a user, a policy on a user or a role, each of any name.
    fn of(account: &Account, principal: &Principal) -> Vec<Self> {
        let named = |sort: Sort, kind: &str| {
            let arn = format!("arn:{}:iam::{}:{kind}/{ANY_NAME}", account.partition, account.id);
            Principal { arn: arn.into(), sort, tags: None, ..principal.clone() }
        };
        match principal.sort {
            Sort::User => vec![Self::User(principal.clone())],
            Sort::Role => vec![Self::Role(principal.clone())],
            Sort::Group => vec![Self::User(named(Sort::User, "user"))],
            Sort::Policy => vec![Self::User(named(Sort::User, "user")), Self::Role(named(Sort::Role, "role"))],
        }
    }

    fn principal(&self) -> &Principal {
        match self {
            Self::User(principal) | Self::Role(principal) => principal,
        }
    }
}

/// How a part of a primitive stands.
#[derive(Clone, Debug)]
struct Hold {
    truth: Truth,
    permissions: Vec<HeldPermission>,
    through: Vec<String>,
}

impl Hold {
    fn no() -> Self {
        Self { truth: Truth::No, permissions: Vec::new(), through: Vec::new() }
    }

    fn yes() -> Self {
        Self { truth: Truth::Yes, ..Self::no() }
    }

    fn and(mut self, other: Self) -> Self {
        self.truth = self.truth.and(other.truth);
        self.permissions.extend(other.permissions);
        self.through.extend(other.through);
        self
    }

    /// The better of two ways; the first where they are equal.
    fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        if self.truth == Truth::Yes {
            return self;
        }
        let other = other();
        match (self.truth, other.truth) {
            (Truth::No, _) | (_, Truth::Yes) => other,
            _ => self,
        }
    }
}

/// Targets that were found to do, one after the other.
struct Targets {
    hold: Hold,
    unsure: usize,
}

impl Targets {
    fn new() -> Self {
        Self { hold: Hold::no(), unsure: 0 }
    }

    /// Takes a target; true when enough are known.
    fn add(&mut self, arn: &str, hold: Hold) -> bool {
        self.unsure += usize::from(hold.truth == Truth::Unknown);
        match (hold.truth, self.hold.truth) {
            (Truth::No, _) | (Truth::Unknown, Truth::Yes) => return false,
            (Truth::Yes, Truth::Unknown) | (_, Truth::No) => {
                self.hold = Hold { through: vec![arn.to_owned()], ..hold };
            }
            _ if self.hold.through.len() < MOST_TARGETS => self.hold.through.push(arn.to_owned()),
            _ => {}
        }
        let is_sure = self.hold.truth == Truth::Yes;
        is_sure && self.hold.through.len() >= MOST_TARGETS || self.unsure >= MOST_UNSURE
    }
}

struct Judge<'a> {
    account: &'a Account,
    principal: &'a Principal,
    standing: Standing,
    caller: Caller,
    /// All policies that were read; what is missing makes every answer conditional.
    known: PolicySet,
    boundary: Option<PolicySet>,
    is_complete: bool,
    allows: Vec<&'a Statement>,
    denies: Vec<&'a Statement>,
    limits: Option<Vec<&'a Statement>>,
    environment: Keys,
    stronger: RefCell<HashMap<(Sort, usize), Truth>>,
    /// Roles that may trust the principal.
    trusting: OnceCell<Vec<usize>>,
    /// What was asked already: many primitives take the same permission.
    asked: RefCell<HashMap<String, Hold>>,
    gaps: RefCell<Vec<Cause>>,
}

impl<'a> Judge<'a> {
    fn new(account: &'a Account, principal: &'a Principal, standing: Standing, now: Timestamp) -> Self {
        let sets = account.grants(principal);
        let known = PolicySet::of(sets.iter().flat_map(|set| set.policies.iter().cloned()));
        let limits = principal.boundary.as_ref();
        let lost = sets.iter().map(|set| set.unreadable).sum::<usize>() + limits.map_or(0, |set| set.unreadable);
        Self {
            account,
            principal,
            caller: standing.principal().caller(),
            standing,
            known,
            boundary: principal.boundary.clone(),
            is_complete: lost == 0,
            denies: denies(sets.iter().copied().chain(limits)),
            allows: allows(sets),
            limits: limits.map(|set| allows([set])),
            environment: environment(now),
            stronger: RefCell::default(),
            trusting: OnceCell::new(),
            asked: RefCell::default(),
            gaps: RefCell::default(),
        }
    }

    fn is_hypothetical(&self) -> bool {
        self.principal.sort == Sort::Policy
    }

    fn is_user(&self) -> bool {
        matches!(self.standing, Standing::User(_))
    }

    fn form(&self, kind: &str) -> String {
        format!("arn:{}:iam::{}:{kind}/{ANY_NAME}", self.account.partition, self.account.id)
    }

    /// A grant of everything that nothing takes the administration of identities from.
    fn is_administrator(&self) -> bool {
        if !self.allows.iter().any(|statement| statement.is_everything()) {
            return false;
        }
        let probes = [("iam:CreateUser", "user"), ("iam:PutUserPolicy", "user"), ("iam:AttachRolePolicy", "role")];
        probes.iter().all(|(action, kind)| self.ask(action, &self.form(kind)).truth != Truth::No)
    }

    fn way(&self, ready: &Ready) -> Option<Escalation> {
        let on = |targets: &[Target]| -> Vec<&NeededPermission> {
            ready.permissions.iter().filter(|permission| targets.contains(&permission.on)).collect()
        };
        let (users, roles) = (on(&[Target::OtherUser]), on(&[Target::OtherRole, Target::PolicyOfRole]));
        let passed = on(&[Target::PassedRole]);
        let mut hold = Hold::yes();
        for permission in &ready.permissions {
            hold = hold.and(self.separate(permission));
            if hold.truth == Truth::No {
                return None;
            }
        }
        if !users.is_empty() {
            hold = hold.and(self.on_users(&users, ready));
        }
        if !roles.is_empty() && hold.truth != Truth::No {
            hold = hold.and(self.on_roles(&roles, ready));
        }
        if !passed.is_empty() && hold.truth != Truth::No {
            let actions: String = passed.iter().map(|one| one.action.as_str()).collect();
            let question = format!("{actions} to {}", ready.primitive.role_trusts.join(" "));
            hold = hold.and(self.once(question, || self.on_passed_roles(&passed, ready)));
        } else if !ready.primitive.role_trusts.is_empty() && hold.truth != Truth::No {
            let question = format!("a role of {}", ready.primitive.role_trusts.join(" "));
            hold = hold.and(self.once(question, || self.some_role(ready)));
        }
        if hold.truth == Truth::No {
            return None;
        }
        hold.through.dedup();
        Some(Escalation {
            primitive: ready.primitive.id.clone(),
            name: ready.primitive.name.clone(),
            effect: ready.primitive.effect,
            permissions: hold.permissions,
            through: hold.through,
            conditional: hold.truth == Truth::Unknown || !self.is_complete,
        })
    }

    /// A permission that needs no target in common with others.
    fn separate(&self, permission: &NeededPermission) -> Hold {
        let action = permission.action.as_str();
        match permission.on {
            Target::OtherUser | Target::OtherRole | Target::PolicyOfRole | Target::PassedRole => Hold::yes(),
            Target::Named => self.named(action, permission.resource.as_deref()),
            Target::OwnUser if self.is_user() => self.on_self(action, "user"),
            Target::OwnRole if !self.is_user() => self.on_self(action, "role"),
            Target::OwnGroup if self.is_user() => self.on_own_group(action),
            Target::OwnPolicy => self.on_own_policy(action),
            Target::OtherGroup if self.is_user() => self.on_other_group(action),
            Target::TrustedProvider => self.on_provider(action),
            Target::OwnUser | Target::OwnRole | Target::OwnGroup | Target::OtherGroup => Hold::no(),
        }
    }

    fn once(&self, question: String, ask: impl FnOnce() -> Hold) -> Hold {
        if let Some(known) = self.asked.borrow().get(&question) {
            return known.clone();
        }
        let hold = ask();
        self.asked.borrow_mut().insert(question, hold.clone());
        hold
    }

    /// Whether an action is allowed on some resource of the form.
    fn named(&self, action: &str, form: Option<&str>) -> Hold {
        self.once(format!("{action} on {}", form.unwrap_or("*")), || self.named_anew(action, form))
    }

    fn named_anew(&self, action: &str, form: Option<&str>) -> Hold {
        let Some(form) = form else { return self.ask(action, "*") };
        let filled = self.fill(form);
        self.candidates(action, &filled, true)
            .into_iter()
            .fold(Hold::no(), |best, candidate| best.or_else(|| self.ask(action, &candidate)))
    }

    fn fill(&self, form: &str) -> String {
        let value = |hole: &str| match hole {
            "partition" => Some(self.account.partition.clone()),
            "account" => Some(self.account.id.clone()),
            "region" => Some("us-east-1".to_owned()),
            _ => Some(ANY_NAME.to_owned()),
        };
        let filled = Template::parse(form).ok().and_then(|template| template.fill(value).ok());
        filled.unwrap_or_else(|| "*".to_owned())
    }

    /// Resources of that form that the policies speak of: the plain one, and one for each of their patterns.
    fn candidates(&self, action: &str, form: &str, also_plain: bool) -> Vec<String> {
        let context = self.context_of_none();
        let action = action.to_ascii_lowercase();
        let mut candidates = vec![form.to_owned()];
        let statements = self.allows.iter().chain(self.limits.iter().flatten());
        for statement in statements.filter(|statement| statement.names_action(&action, &context)) {
            for pattern in statement.named_resources() {
                if pattern.is_plain() && !also_plain {
                    continue;
                }
                candidates.extend(adapted(pattern, form, &self.caller).filter(|arn| !candidates.contains(arn)));
            }
        }
        candidates
    }

    fn context_of_none(&self) -> Context<'static> {
        Context::new(&[], Rest::Unknown)
    }

    fn on_self(&self, action: &str, kind: &str) -> Hold {
        if !self.may_rise(action) {
            return Hold::no();
        }
        if !self.is_named_only() {
            return self.ask(action, &self.principal.arn);
        }
        // Whoever holds the policy may have any name that its patterns cover.
        let candidates = self.candidates(action, &self.form(kind), true);
        candidates.into_iter().fold(Hold::no(), |best, arn| {
            best.or_else(|| {
                let caller = if kind == "user" { Caller::user(&arn) } else { Caller::role(&arn, None) };
                self.ask_as(&caller, action, &arn, ResourceSide::default(), &[])
            })
        })
    }

    /// Whether it stands on a principal of which nothing but the policies is known.
    fn is_named_only(&self) -> bool {
        matches!(self.principal.sort, Sort::Policy | Sort::Group)
    }

    /// Whether more policies, or the loss of its boundary, would give the principal more.
    fn may_rise(&self, action: &str) -> bool {
        let removes_boundary = action.eq_ignore_ascii_case("iam:DeleteUserPermissionsBoundary");
        match &self.limits {
            None => !removes_boundary || self.is_named_only(),
            Some(limits) if removes_boundary => !self.allows.iter().all(|statement| statement.is_within(limits)),
            // The boundary stays: it is all that more policies can give.
            Some(limits) => !limits.iter().all(|statement| statement.is_within(&self.allows)),
        }
    }

    fn on_own_group(&self, action: &str) -> Hold {
        let own = match self.principal.sort {
            Sort::Group => vec![self.principal.arn.to_string()],
            Sort::Policy => self.candidates(action, &self.form("group"), true),
            _ => self.groups().map(|(_, group)| group.arn.to_string()).collect(),
        };
        if !self.may_rise(action) {
            return Hold::no();
        }
        self.first_of(action, own)
    }

    fn groups(&self) -> impl Iterator<Item = (usize, &'a Principal)> {
        let account = self.account;
        self.principal.groups.iter().filter_map(move |place| Some((*place, account.groups.get(*place)?)))
    }

    /// Asks for each of these and names those that do.
    fn first_of(&self, action: &str, arns: impl IntoIterator<Item = String>) -> Hold {
        let mut targets = Targets::new();
        for arn in arns {
            let hold = self.ask(action, &arn);
            if targets.add(&arn, hold) {
                break;
            }
        }
        targets.hold
    }

    fn on_own_policy(&self, action: &str) -> Hold {
        if !self.may_rise(action) {
            return Hold::no();
        }
        if self.is_hypothetical() && self.principal.attached.is_empty() {
            return self.first_of(action, self.candidates(action, &self.form("policy"), true));
        }
        let switches = action.eq_ignore_ascii_case("iam:SetDefaultPolicyVersion");
        let held = self.account.held(self.principal).filter(|arn| !is_of_aws(arn));
        let raising = held.filter(|arn| !switches || self.has_stronger_version(arn));
        self.first_of(action, raising.map(|arn| arn.to_string()))
    }

    /// Whether another version of a policy gives more than the principal has.
    fn has_stronger_version(&self, arn: &Arc<str>) -> bool {
        let others = self.account.managed.get(arn).map(|managed| managed.others.as_slice()).unwrap_or_default();
        let statements = others.iter().flat_map(|policy| policy.statements());
        let mut granting = statements.filter(|statement| statement.effect == crate::identity::aws::Effect::Allow);
        granting.any(|statement| !self.has(statement))
    }

    fn on_other_group(&self, action: &str) -> Hold {
        let mut targets = Targets::new();
        for (place, group) in self.account.groups.iter().enumerate() {
            if self.principal.groups.contains(&place) || group.arn == self.principal.arn {
                continue;
            }
            let worth = self.is_stronger(Sort::Group, place, group);
            if targets.add(&group.arn, self.weigh(worth, group, || self.ask(action, &group.arn))) {
                break;
            }
        }
        targets.hold.or_else(|| self.on_someone(action, "group", &self.account.all_groups))
    }

    fn on_provider(&self, action: &str) -> Hold {
        let kind = if action.to_ascii_lowercase().contains("saml") { "saml-provider" } else { "oidc-provider" };
        let mark = format!(":{kind}/");
        let mut targets = Targets::new();
        for place in self.account.strongest_roles() {
            let Some(role) = self.account.roles.get(*place) else { continue };
            let statements = role.trust.iter().flat_map(|set| &set.policies).flat_map(|policy| policy.statements());
            let trusted = statements.flat_map(Statement::providers).filter(|provider| provider.contains(&mark));
            for provider in trusted {
                let worth = self.is_stronger(Sort::Role, *place, role);
                let hold = self.weigh(worth, role, || self.ask(action, provider));
                if targets.add(&role.arn, hold) {
                    return targets.hold;
                }
            }
        }
        targets.hold.or_else(|| self.on_someone(action, kind, &self.account.all_roles))
    }

    /// Where not all targets are known, or a policy is judged by itself: whether it is allowed on one that there may be.
    fn on_someone(&self, action: &str, kind: &str, all: &Limits) -> Hold {
        if !self.is_hypothetical() {
            self.note_gap(all);
            return Hold::no();
        }
        // One that is named in full is known, or is not there.
        let candidates = self.candidates(action, &self.form(kind), all.is_err());
        let hold = self.first_of(action, candidates);
        Hold { through: Vec::new(), ..hold }
    }

    /// Keeps why targets are not all known.
    fn note_gap(&self, all: &Limits) {
        if let Err(cause) = all {
            self.gaps.borrow_mut().push(cause.clone());
        }
    }

    fn on_users(&self, permissions: &[&NeededPermission], ready: &Ready) -> Hold {
        let mut targets = Targets::new();
        for place in self.account.strongest_users() {
            let Some(user) = self.account.users.get(*place) else { continue };
            if user.arn == self.principal.arn {
                continue;
            }
            let worth = match ready.primitive.raises {
                true => Truth::Yes,
                false => self.is_stronger(Sort::User, *place, user),
            };
            let hold = self
                .weigh(worth, user, || self.all_on(permissions, |permission| self.ask(&permission.action, &user.arn)));
            if targets.add(&user.arn, hold) {
                break;
            }
        }
        targets.hold.or_else(|| {
            self.all_on(permissions, |permission| self.on_someone(&permission.action, "user", &self.account.all_users))
        })
    }

    fn all_on(&self, permissions: &[&NeededPermission], ask: impl Fn(&NeededPermission) -> Hold) -> Hold {
        let mut hold = Hold::yes();
        for permission in permissions {
            hold = hold.and(ask(permission));
            if hold.truth == Truth::No {
                break;
            }
        }
        hold
    }

    fn on_roles(&self, permissions: &[&NeededPermission], ready: &Ready) -> Hold {
        let names = |action: &str| permissions.iter().any(|one| one.action.eq_ignore_ascii_case(action));
        let rewrites_trust = names("iam:UpdateAssumeRolePolicy");
        let removes_boundary = names("iam:DeleteRolePermissionsBoundary");
        let mut targets = Targets::new();
        let candidates = match names("sts:AssumeRole") && !rewrites_trust {
            true => self.trusting.get_or_init(|| {
                let context = self.context_of_none();
                let takes_on = self.allows.iter().any(|one| one.names_action("sts:assumerole", &context));
                self.account.trusting_principal(&self.principal.arn, takes_on)
            }),
            false => self.account.strongest_roles(),
        };
        for place in candidates {
            let Some(role) = self.account.roles.get(*place) else { continue };
            if role.arn == self.principal.arn || is_service_linked(&role.arn) {
                continue;
            }
            let is_meant =
                ready.primitive.broad_only && !permissions.iter().any(|one| self.is_broad(&one.action, &role.arn));
            if is_meant {
                continue;
            }
            let worth = match (removes_boundary, ready.primitive.raises) {
                (true, _) if role.boundary.is_none() => Truth::No,
                (true, _) => self.compare(role, false),
                (false, true) => Truth::Yes,
                (false, false) => self.is_stronger(Sort::Role, *place, role),
            };
            let hold = self.weigh(worth, role, || {
                self.all_on(permissions, |permission| self.on_role(permission, role, rewrites_trust))
            });
            if targets.add(&role.arn, hold) {
                break;
            }
        }
        targets.hold.or_else(|| {
            self.all_on(permissions, |permission| {
                let kind = if permission.on == Target::PolicyOfRole { "policy" } else { "role" };
                self.on_someone(&permission.action, kind, &self.account.all_roles)
            })
        })
    }

    fn on_role(&self, permission: &NeededPermission, role: &Principal, rewrites_trust: bool) -> Hold {
        let action = permission.action.as_str();
        if permission.on == Target::PolicyOfRole {
            let own = role.attached.iter().filter(|arn| !is_of_aws(arn));
            return Hold { through: Vec::new(), ..self.first_of(action, own.map(|arn| arn.to_string())) };
        }
        let takes_on = action.eq_ignore_ascii_case("sts:AssumeRole");
        let side = match takes_on && !rewrites_trust {
            true => ResourceSide { account: None, policy: role.trust.as_ref(), policy_required: true },
            false => ResourceSide::default(),
        };
        self.ask_as(&self.caller, action, &role.arn, side, &[])
    }

    /// Whether a grant of the action covers that resource without naming it in full.
    fn is_broad(&self, action: &str, resource: &str) -> bool {
        let action = action.to_ascii_lowercase();
        let context = self.context_of_none();
        self.allows.iter().any(|statement| {
            statement.names_action(&action, &context)
                && statement.names_resource(resource, &context) != Truth::No
                && !statement.named_resources().iter().any(|pattern| pattern.as_str() == resource)
        })
    }

    fn on_passed_roles(&self, permissions: &[&NeededPermission], ready: &Ready) -> Hold {
        let mut targets = Targets::new();
        for service in &ready.primitive.role_trusts {
            let handed = passed_to(service);
            for place in self.account.trusting(service) {
                let Some(role) = self.account.roles.get(place) else { continue };
                if is_service_linked(&role.arn) {
                    continue;
                }
                let worth = self.is_stronger(Sort::Role, place, role);
                let hold = self.weigh(worth, role, || {
                    self.all_on(permissions, |permission| {
                        self.ask_as(&self.caller, &permission.action, &role.arn, ResourceSide::default(), &[&handed])
                    })
                });
                if targets.add(&role.arn, hold) {
                    return targets.hold;
                }
            }
        }
        targets.hold.or_else(|| self.on_passed_someone(permissions, ready))
    }

    fn on_passed_someone(&self, permissions: &[&NeededPermission], ready: &Ready) -> Hold {
        let all = &self.account.all_roles;
        if !self.is_hypothetical() {
            self.note_gap(all);
            return Hold::no();
        }
        let mut best = Hold::no();
        for service in &ready.primitive.role_trusts {
            let handed = passed_to(service);
            best = best.or_else(|| {
                self.all_on(permissions, |permission| {
                    let candidates = self.candidates(&permission.action, &self.form("role"), all.is_err());
                    candidates.into_iter().fold(Hold::no(), |best, arn| {
                        best.or_else(|| {
                            self.ask_as(&self.caller, &permission.action, &arn, ResourceSide::default(), &[&handed])
                        })
                    })
                })
            });
        }
        best
    }

    /// Whether there is a role worth having that a service may have handed to something.
    fn some_role(&self, ready: &Ready) -> Hold {
        let mut targets = Targets::new();
        for service in &ready.primitive.role_trusts {
            for place in self.account.trusting(service) {
                let Some(role) = self.account.roles.get(place) else { continue };
                if is_service_linked(&role.arn) {
                    continue;
                }
                let worth = self.is_stronger(Sort::Role, place, role);
                if targets.add(&role.arn, self.weigh(worth, role, Hold::yes)) {
                    return targets.hold;
                }
            }
        }
        targets.hold.or_else(|| match self.is_hypothetical() {
            true => Hold::yes(),
            false => {
                self.note_gap(&self.account.all_roles);
                Hold::no()
            }
        })
    }

    /// Whether another principal has more than this one.
    fn is_stronger(&self, sort: Sort, place: usize, other: &Principal) -> Truth {
        let key = (sort, place);
        if let Some(known) = self.stronger.borrow().get(&key) {
            return *known;
        }
        let truth = self.compare(other, true);
        self.stronger.borrow_mut().insert(key, truth);
        truth
    }

    /// Takes a target whose worth is known. Of one that would do, why it is not known is kept.
    fn weigh(&self, worth: Truth, other: &Principal, ask: impl FnOnce() -> Hold) -> Hold {
        if worth == Truth::No {
            return Hold::no();
        }
        let hold = ask();
        if worth == Truth::Unknown && hold.truth != Truth::No {
            self.gaps.borrow_mut().extend(other.gaps.first().cloned());
            return Hold::no();
        }
        hold
    }

    fn compare(&self, other: &Principal, bounded: bool) -> Truth {
        let sets = self.account.grants(other);
        let nothing_left =
            denies(sets.iter().copied()).iter().any(|deny| deny.is_everything() && deny.conditions().is_empty());
        if nothing_left {
            return Truth::No;
        }
        let within = |statements: &[&Statement]| statements.iter().all(|statement| self.has(statement));
        let boundary = other.boundary.as_ref().filter(|_| bounded);
        let is_bounded = boundary.is_some_and(|set| set.unreadable == 0 && within(&allows([set])));
        if !is_bounded && !within(&allows(sets.iter().copied())) {
            return Truth::Yes;
        }
        let lost = sets.iter().any(|set| set.unreadable > 0);
        if lost && !is_bounded { Truth::Unknown } else { Truth::No }
    }

    /// Whether the principal surely has all that a statement allows.
    fn has(&self, statement: &Statement) -> bool {
        statement.is_within(&self.allows)
            && self.limits.as_ref().is_none_or(|limits| statement.is_within(limits))
            && !self.denies.iter().any(|deny| deny.may_touch(statement))
    }

    fn ask(&self, action: &str, resource: &str) -> Hold {
        self.ask_as(&self.caller, action, resource, ResourceSide::default(), &[])
    }

    fn ask_as(&self, caller: &Caller, action: &str, resource: &str, side: ResourceSide<'_>, more: &[&Keys]) -> Hold {
        let first = self.ask_with(caller, action, resource, side, more);
        let attaches = action.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("iam:attach"));
        if first.truth == Truth::Yes || !attaches {
            return first;
        }
        // Which policy is attached is the holder's choice: the strongest, if it may.
        let mut chosen = Keys::new();
        let strongest = format!("arn:{}:iam::aws:policy/AdministratorAccess", self.account.partition);
        chosen.set("iam:PolicyARN", KeyState::one(strongest));
        let layers: Vec<&Keys> = more.iter().copied().chain([&chosen]).collect();
        let hold = self.ask_with(caller, action, resource, side, &layers);
        if hold.truth == Truth::Yes { hold } else { first }
    }

    fn ask_with(&self, caller: &Caller, action: &str, resource: &str, side: ResourceSide<'_>, more: &[&Keys]) -> Hold {
        let layers: Vec<&Keys> = more.iter().copied().chain([&self.environment]).collect();
        let request = Request { caller, action, resource, context: Context::new(&layers, Rest::Unknown) };
        let decision = request.decide(&Layers {
            identity: vec![&self.known],
            boundary: self.boundary.as_ref(),
            resource: side,
            ..Layers::default()
        });
        let truth = match decision.outcome {
            Outcome::Allow => Truth::Yes,
            Outcome::Conditional => Truth::Unknown,
            Outcome::ImplicitDeny | Outcome::ExplicitDeny => return Hold::no(),
        };
        let granting = decision.allowing.first().map(|at| HeldPermission {
            action: action.to_owned(),
            policy: at.policy.clone(),
            statement: match &at.sid {
                Some(sid) if !sid.is_empty() => sid.to_string(),
                _ => at.statement.to_string(),
            },
        });
        Hold { truth, permissions: granting.into_iter().collect(), through: Vec::new() }
    }
}

/// What is known of any request at that moment.
fn environment(now: Timestamp) -> Keys {
    let mut keys = Keys::new();
    let moment = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    keys.set("aws:CurrentTime", KeyState::one(moment.as_str()));
    keys.set("aws:EpochTime", KeyState::one(now.as_second().to_string()));
    // Whoever has a session has it since now at the latest; long-term keys have none.
    keys.set("aws:TokenIssueTime", KeyState::Perhaps(vec![moment]));
    keys.set("aws:SecureTransport", KeyState::one("true"));
    keys
}

fn passed_to(service: &str) -> Keys {
    let mut keys = Keys::new();
    keys.set("iam:PassedToService", KeyState::one(service));
    keys
}

fn is_of_aws(policy: &str) -> bool {
    policy.contains(":iam::aws:")
}

fn is_service_linked(role: &str) -> bool {
    role.contains(":role/aws-service-role/")
}

/// A resource of that form that the pattern covers; none where the pattern is of another form.
fn adapted(pattern: &Pattern, form: &str, caller: &Caller) -> Option<String> {
    let written = arn_parts(pattern.as_str());
    let own = arn_parts(form);
    let ([_, _, _, _, _, last], [_, _, _, _, _, own_last]) = (written.as_slice(), own.as_slice()) else { return None };
    let context = Context::new(&[], Rest::Unknown).of_caller(caller.keys());
    let last = pattern_of(last)?.example(ANY_NAME, &context)?;
    let kind = |text: &str| text.split([':', '/']).next().map(str::to_owned);
    // Of buckets and objects the last part is a name alone.
    if own_last.contains([':', '/']) && !own_last.starts_with(ANY_NAME) && kind(&last) != kind(own_last) {
        return None;
    }
    let head = written.iter().zip(&own).take(5);
    let parts = head.map(|(written, own)| if written.contains(['*', '?', '$']) { *own } else { *written });
    let mut arn = parts.collect::<Vec<_>>().join(":");
    arn.push(':');
    arn.push_str(&last);
    Some(arn)
}

fn pattern_of(part: &str) -> Option<Pattern> {
    Pattern::parse(part, crate::identity::aws::Reading { wildcards: true, variables: true, folds: false }).ok()
}
