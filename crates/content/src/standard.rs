//! Standards, secure-score controls and plans.

use serde::{Deserialize, Serialize};
use yagura_model::{Cloud, Kind};

use crate::text::{OneOrMany, Text};

/// One file of `content/standards`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// The id that recommendations use.
    pub id: String,
    /// The name.
    pub title: Text,
    /// The version.
    pub version: String,
    /// Where the standard is published.
    #[serde(default)]
    pub source: Option<String>,
    /// The clouds it speaks of; empty = all.
    #[serde(default)]
    pub covers: Vec<Cloud>,
    /// The controls in their order.
    pub controls: Vec<Control>,
    /// This file replaces a shipped one.
    #[serde(default)]
    pub overrides: bool,
}

/// One control of a standard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The number in the standard.
    pub id: String,
    /// The subject.
    pub title: Text,
    /// The chapter.
    #[serde(default)]
    pub section: Option<Text>,
    /// Whether only people can check it.
    #[serde(default)]
    pub assessment: Assessment,
    /// Profile or level of the benchmark.
    #[serde(default)]
    pub profile: Option<String>,
    /// Keys of recommendations; only in a user's own standards.
    #[serde(default)]
    pub recommendations: Vec<String>,
}

/// Who can check a control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assessment {
    /// A machine, as far as recommendations are mapped.
    #[default]
    Automated,
    /// Only people.
    Manual,
}

/// `content/controls.yaml`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlsFile {
    pub controls: Vec<SecureScoreControl>,
    #[serde(default)]
    pub overrides: bool,
}

/// A control of the classic secure score.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecureScoreControl {
    /// The id that recommendations use.
    pub id: String,
    /// The id in the Microsoft.Security API.
    pub api_id: String,
    /// Points, 0 to 10.
    pub points: u8,
    /// The name.
    pub title: Text,
    /// What it is about.
    #[serde(default)]
    pub description: Option<Text>,
}

/// `content/plans.yaml`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlansFile {
    pub plans: Vec<Plan>,
    #[serde(default)]
    pub overrides: bool,
}

/// A protection plan.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The id that recommendations use.
    pub id: String,
    /// The name of the Microsoft.Security/pricings entry, if there is one.
    #[serde(default)]
    pub pricing: Option<String>,
    /// The name.
    pub title: Text,
    /// What it gives.
    #[serde(default)]
    pub description: Option<Text>,
    /// The clouds it speaks of.
    #[serde(default)]
    pub clouds: Vec<Cloud>,
    /// The kinds it protects.
    #[serde(default)]
    pub covers: OneOrMany<Kind>,
    /// Names of sub-plans.
    #[serde(default)]
    pub sub_plans: Vec<String>,
    /// Names of extensions.
    #[serde(default)]
    pub extensions: Vec<String>,
}
