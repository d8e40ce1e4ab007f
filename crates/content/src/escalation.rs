//! Escalation primitives: permissions that together let their holder become more than they say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use yagura_model::Cloud;

use crate::text::Text;

/// One file of `content/escalations`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EscalationsFile {
    pub cloud: Cloud,
    pub primitives: Vec<WrittenPrimitive>,
}

/// A primitive as it is written, without its cloud.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenPrimitive {
    id: String,
    name: Text,
    category: Category,
    effect: Effect,
    #[serde(default = "yes")]
    reported: bool,
    #[serde(default)]
    permissions: Vec<NeededPermission>,
    #[serde(default)]
    any_one: bool,
    #[serde(default)]
    role_trusts: Vec<String>,
    #[serde(default)]
    raises: bool,
    #[serde(default)]
    broad_only: bool,
    #[serde(default)]
    given: Option<Text>,
    source: String,
    #[serde(default)]
    overrides: bool,
}

fn yes() -> bool {
    true
}

/// One way to become more.
#[derive(Clone, Debug)]
pub struct Primitive {
    /// Its id; that of its source where it has one.
    pub id: String,
    /// The cloud.
    pub cloud: Cloud,
    /// What is done.
    pub name: Text,
    /// The sort of way.
    pub category: Category,
    /// What it leads to.
    pub effect: Effect,
    /// Whether it is reported by itself. Else it is a step that counts only together with others: what it leads to hangs
    /// on something that permissions do not tell.
    pub reported: bool,
    /// The permissions it takes.
    pub permissions: Vec<NeededPermission>,
    /// One of the permissions is enough; else all are needed.
    pub any_one: bool,
    /// Services that the role whose power is gained must trust one of; empty = no such role.
    pub role_trusts: Vec<String>,
    /// The target gets more power on the way, so that what it may do before does not matter.
    pub raises: bool,
    /// Counts only where the grant covers more than a resource that it names in full: one that names a single role is
    /// how that role is meant to be used.
    pub broad_only: bool,
    /// What must be so besides.
    pub given: Option<Text>,
    /// Where the facts come from.
    pub source: String,
}

/// A permission that a primitive takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeededPermission {
    /// The action as the cloud names it.
    pub action: String,
    /// What it must be allowed on.
    #[serde(default)]
    pub on: Target,
    /// The form of a resource that the holder names: an ARN with `{partition}`, `{region}`, `{account}` and `{name}`.
    /// None = the action takes no resource.
    #[serde(default)]
    pub resource: Option<String>,
}

/// What a permission must be allowed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Any resource of the form, new or existing: its holder may name it.
    #[default]
    Named,
    /// The user who holds it.
    OwnUser,
    /// The role that holds it.
    OwnRole,
    /// A group of the user who holds it.
    OwnGroup,
    /// A managed policy that its holder holds.
    OwnPolicy,
    /// Another user.
    OtherUser,
    /// Another role.
    OtherRole,
    /// A group that the user who holds it is not in.
    OtherGroup,
    /// A managed policy of the other role.
    PolicyOfRole,
    /// The role that is handed to a service.
    PassedRole,
    /// An identity provider that roles trust.
    TrustedProvider,
}

/// The sort of way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// The holder changes its own permissions.
    SelfEscalation,
    /// The holder takes on another principal.
    PrincipalAccess,
    /// The holder hands a role to something new.
    NewPassrole,
    /// The holder takes over something that has a role.
    ExistingPassrole,
    /// The holder reads credentials.
    CredentialAccess,
    /// The holder reads data.
    DataAccess,
    /// A trust lets anybody in.
    PublicTrust,
    /// From another account.
    CrossAccount,
    /// From another cloud.
    CrossCloud,
    /// Between the layers of a cloud, a cluster and machines.
    CrossLayer,
    /// While something runs.
    Runtime,
}

/// What a primitive leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The holder has every permission.
    AdminOnSelf,
    /// The holder acts as another principal.
    ActAsTargetPrincipal,
    /// The holder acts as the role it passed.
    ActAsPassedRole,
    /// The holder acts as the role of something that exists.
    ActAsRoleOfExistingResource,
    /// The holder invokes something.
    InvokeResource,
    /// The holder is administrator of a cluster.
    #[serde(rename = "k8s-cluster-admin")]
    ClusterAdmin,
    /// The holder reads credentials.
    ReadCredentials,
    /// The holder reads data.
    ReadData,
}

impl Effect {
    /// The word used in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdminOnSelf => "admin-on-self",
            Self::ActAsTargetPrincipal => "act-as-target-principal",
            Self::ActAsPassedRole => "act-as-passed-role",
            Self::ActAsRoleOfExistingResource => "act-as-role-of-existing-resource",
            Self::InvokeResource => "invoke-resource",
            Self::ClusterAdmin => "k8s-cluster-admin",
            Self::ReadCredentials => "read-credentials",
            Self::ReadData => "read-data",
        }
    }
}

/// Holes of the form of a resource.
const HOLES: [&str; 4] = ["partition", "region", "account", "name"];

impl WrittenPrimitive {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn overrides(&self) -> bool {
        self.overrides
    }

    /// What is wrong with it.
    pub(crate) fn faults(&self, cloud: Cloud, shipped: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let is_id = !self.id.is_empty()
            && self.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_id {
            faults.push("its id is not made of lower-case letters, digits and hyphens".to_owned());
        }
        let texts = [Some(&self.name), self.given.as_ref()];
        if shipped && texts.into_iter().flatten().any(|text| text.ja.as_deref().is_none_or(str::is_empty)) {
            faults.push("has a text without `ja`".to_owned());
        }
        if self.reported && self.permissions.is_empty() {
            faults.push("is reported and takes no permission".to_owned());
        }
        if self.reported && cloud != Cloud::Aws {
            faults.push(format!("is reported, but escalations of {cloud} are not judged yet"));
        }
        let mut actions = BTreeSet::new();
        for permission in &self.permissions {
            faults.extend(permission.fault());
            if !actions.insert(permission.action.to_ascii_lowercase()) {
                faults.push(format!("takes {} twice", permission.action));
            }
        }
        let passes = self.permissions.iter().any(|permission| permission.on == Target::PassedRole);
        let role_kinds = [Category::NewPassrole, Category::ExistingPassrole];
        if passes && self.role_trusts.is_empty() && !role_kinds.contains(&self.category) {
            faults.push("passes a role that need not trust any service".to_owned());
        }
        faults
    }

    pub(crate) fn of(self, cloud: Cloud) -> Primitive {
        Primitive {
            id: self.id,
            cloud,
            name: self.name,
            category: self.category,
            effect: self.effect,
            reported: self.reported,
            permissions: self.permissions,
            any_one: self.any_one,
            role_trusts: self.role_trusts,
            raises: self.raises,
            broad_only: self.broad_only,
            given: self.given,
            source: self.source,
        }
    }
}

impl NeededPermission {
    fn fault(&self) -> Option<String> {
        let action = &self.action;
        if action.split_once(':').is_none_or(|(service, name)| service.is_empty() || name.is_empty()) {
            return Some(format!("`{action}` is not a service and an action"));
        }
        let resource = self.resource.as_deref()?;
        if self.on != Target::Named {
            return Some(format!("{action} has the form of a resource, which its target says already"));
        }
        match yagura_model::Template::parse(resource) {
            Err(fault) => Some(fault),
            Ok(form) => {
                let unknown = form.holes().find(|hole| !HOLES.contains(hole))?;
                Some(format!("{action}: nothing fills `{{{unknown}}}`"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Catalogue, ContentFile, Layer};

    /// What is said of a file of one primitive, and how many are used.
    fn load(written: &[&str]) -> (Vec<String>, usize) {
        let files = written.iter().enumerate().map(|(place, text)| {
            let text = format!("cloud: aws\nprimitives:\n  - {{ {text} }}\n");
            Layer { files: vec![ContentFile::yaml(format!("escalations/{place}.yaml"), text)], shipped: place == 0 }
        });
        let (catalogue, diagnostics) = Catalogue::load(&files.collect::<Vec<_>>());
        let told = diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect();
        (told, catalogue.escalations().len())
    }

    fn primitive(more: &str) -> String {
        format!(
            "id: x-1, name: {{ en: A, ja: B }}, category: self-escalation, effect: admin-on-self, source: s, {more}"
        )
    }

    fn check(more: &str, expected: &str) {
        let (told, used) = load(&[&primitive(more)]);
        match expected {
            "" => assert_eq!((told.as_slice(), used), (&[] as &[String], 1), "{more}"),
            fault => {
                assert!(told.iter().any(|text| text.contains(fault)), "{more}: {told:?}");
                assert_eq!(used, 0, "{more}");
            }
        }
    }

    #[test]
    fn a_faulty_primitive_is_refused_with_its_reason() {
        check("permissions: [{ action: 'a:B', on: own-user }]", "");
        check("reported: false", "");
        check("permissions: []", "is reported and takes no permission");
        check("permissions: [{ action: B }]", "`B` is not a service and an action");
        check("permissions: [{ action: 'a:B' }, { action: 'A:b' }]", "takes A:b twice");
        check("permissions: [{ action: 'a:B', resource: 'arn:{planet}' }]", "nothing fills `{planet}`");
        check("permissions: [{ action: 'a:B', on: own-user, resource: 'arn' }]", "which its target says already");
        check("permissions: [{ action: 'a:B', on: passed-role }]", "passes a role that need not trust any service");
        check("permissions: [{ action: 'a:B', on: somebody }]", "somebody");
        check("permissions: [{ action: 'a:B' }], given: { en: C }", "has a text without `ja`");
        check("permissions: [{ action: 'a:B' }], colour: red", "colour");
    }

    #[test]
    fn an_overlay_adds_and_replaces_by_its_word() {
        let base = primitive("permissions: [{ action: 'a:B' }]");
        let (told, used) = load(&[&base, &base.replace("x-1", "x-2")]);
        assert_eq!((told, used), (Vec::new(), 2));
        let (told, used) = load(&[&base, &base]);
        assert_eq!(told, ["x-1 is in escalations/0.yaml; say `overrides: true` to replace it"]);
        assert_eq!(used, 1);
        let (told, used) = load(&[&base, &primitive("reported: false, overrides: true")]);
        assert_eq!((told, used), (Vec::new(), 1));
    }
}
