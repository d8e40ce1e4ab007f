//! What a policy does when its condition holds.

use std::fmt;

/// The effects that Azure Policy knows (documentation, "Azure Policy definitions effect basics").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// `addToNetworkGroup`
    AddToNetworkGroup,
    /// `append`
    Append,
    /// `audit`
    Audit,
    /// `auditAction`
    AuditAction,
    /// `auditIfNotExists`
    AuditIfNotExists,
    /// `deny`
    Deny,
    /// `denyAction`
    DenyAction,
    /// `deployIfNotExists`
    DeployIfNotExists,
    /// `disabled`
    Disabled,
    /// `enforceOPAConstraint`
    EnforceOpaConstraint,
    /// `enforceRegoPolicy`
    EnforceRegoPolicy,
    /// `enforceSetting`
    EnforceSetting,
    /// `manual`
    Manual,
    /// `modify`
    Modify,
    /// `mutate`
    Mutate,
}

const ALL: [Effect; 15] = [
    Effect::AddToNetworkGroup,
    Effect::Append,
    Effect::Audit,
    Effect::AuditAction,
    Effect::AuditIfNotExists,
    Effect::Deny,
    Effect::DenyAction,
    Effect::DeployIfNotExists,
    Effect::Disabled,
    Effect::EnforceOpaConstraint,
    Effect::EnforceRegoPolicy,
    Effect::EnforceSetting,
    Effect::Manual,
    Effect::Modify,
    Effect::Mutate,
];

/// What the truth of a policy's condition says about compliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// True is not compliant.
    Condition,
    /// True asks whether a related resource exists.
    Existence,
    /// A person attests.
    Manual,
    /// It is switched off.
    Off,
    /// It speaks of requests or of the inside of a cluster, not of resources.
    Elsewhere,
}

impl Effect {
    /// The name as the documentation writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddToNetworkGroup => "addToNetworkGroup",
            Self::Append => "append",
            Self::Audit => "audit",
            Self::AuditAction => "auditAction",
            Self::AuditIfNotExists => "auditIfNotExists",
            Self::Deny => "deny",
            Self::DenyAction => "denyAction",
            Self::DeployIfNotExists => "deployIfNotExists",
            Self::Disabled => "disabled",
            Self::EnforceOpaConstraint => "enforceOPAConstraint",
            Self::EnforceRegoPolicy => "enforceRegoPolicy",
            Self::EnforceSetting => "enforceSetting",
            Self::Manual => "manual",
            Self::Modify => "modify",
            Self::Mutate => "mutate",
        }
    }

    /// The effect of that name, in any case.
    pub fn of(name: &str) -> Option<Self> {
        ALL.into_iter().find(|effect| effect.as_str().eq_ignore_ascii_case(name))
    }

    pub(crate) const fn meaning(self) -> Meaning {
        match self {
            Self::Append | Self::Audit | Self::Deny | Self::Modify => Meaning::Condition,
            Self::AuditIfNotExists | Self::DeployIfNotExists => Meaning::Existence,
            Self::Manual => Meaning::Manual,
            Self::Disabled => Meaning::Off,
            _ => Meaning::Elsewhere,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
