//! Recommendations as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;
use yagura_model::{Kind, Severity, Timestamp};

use crate::text::{OneOrMany, Text, Texts};

/// One file of `content/recommendations` (docs/content.md, "A recommendation").
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recommendation {
    /// The published key.
    #[serde(default)]
    pub key: Option<String>,
    /// Instead of a key: what the key is made of.
    #[serde(default)]
    pub slug: Option<String>,
    /// The name.
    pub title: Text,
    /// How serious it is.
    pub severity: Severity,
    /// Shown, never scored.
    #[serde(default)]
    pub preview: bool,
    /// The kinds it speaks of.
    pub applies_to: OneOrMany<Kind>,
    /// The plan it needs.
    #[serde(default = "free")]
    pub plan: String,
    /// Published secure-score controls.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Published mappings to standards.
    #[serde(default)]
    pub standards: BTreeMap<String, Vec<String>>,
    /// Our own mappings.
    #[serde(default)]
    pub inferred: Mappings,
    /// Azure Policy definitions that say the same.
    #[serde(default)]
    pub azure_policies: Vec<String>,
    /// Older keys and other tools' check ids.
    #[serde(default)]
    pub also_known_as: Vec<String>,
    /// Parameters of the rule.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Where it speaks of a resource at all.
    #[serde(default)]
    pub applies_when: Option<Json>,
    /// When it is not followed.
    pub unhealthy_when: Json,
    /// The risk.
    pub why: Text,
    /// What to do.
    pub fix: Fix,
    /// The tests inside.
    #[serde(default)]
    pub tests: Vec<Test>,
    /// This file replaces a shipped one.
    #[serde(default)]
    pub overrides: bool,
}

fn free() -> String {
    "free".to_owned()
}

/// Mappings that are our own judgement.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mappings {
    /// Secure-score controls.
    pub controls: Vec<String>,
    /// Standards.
    pub standards: BTreeMap<String, Vec<String>>,
    /// No severity is published.
    pub severity: bool,
}

/// A parameter of a rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The value where the user sets none.
    pub default: Json,
    /// What it is for.
    #[serde(default)]
    pub description: Option<Text>,
}

/// How to follow the recommendation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fix {
    /// Steps for people.
    pub steps: Texts,
    /// What a Fix would merge into the resource.
    pub patch: Option<Json>,
}

/// A test inside a recommendation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The verdict.
    pub expect: Expect,
    /// The kind, where the recommendation speaks of several; none = the first.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// The id of the tested resource.
    #[serde(default)]
    pub id: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its region.
    #[serde(default)]
    pub region: Option<String>,
    /// Its document.
    #[serde(default)]
    pub document: Json,
    /// Its attached answers.
    #[serde(default)]
    pub attached: BTreeMap<String, TestAnswer>,
    /// Other resources.
    #[serde(default)]
    pub related: Vec<RelatedRow>,
    /// Kinds that were never listed.
    #[serde(default)]
    pub not_listed: Vec<Kind>,
    /// Parameters set by the user.
    #[serde(default)]
    pub parameters: Option<BTreeMap<String, Json>>,
    /// The time of the evaluation.
    #[serde(default)]
    pub now: Option<Timestamp>,
}

/// What a test expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expect {
    /// healthy
    Healthy,
    /// unhealthy
    Unhealthy,
    /// notApplicable
    NotApplicable,
    /// unknown, whatever the cause
    Unknown,
}

/// An attached answer in a test: `none`, `unknown`, or the answer itself.
#[derive(Clone, Debug)]
pub enum TestAnswer {
    /// The cloud said that there is none.
    None,
    /// It was never asked for.
    Unknown,
    /// The answer.
    Found(Json),
}

impl<'de> Deserialize<'de> for TestAnswer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Json::deserialize(deserializer)? {
            Json::String(word) if word == "none" => Self::None,
            Json::String(word) if word == "unknown" => Self::Unknown,
            answer => Self::Found(answer),
        })
    }
}

/// Another resource in a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelatedRow {
    /// Its kind.
    pub kind: Kind,
    /// Its id, with `{self}` and `{scope}`.
    #[serde(default)]
    pub id: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Its region; none = that of the tested resource.
    #[serde(default)]
    pub region: Option<String>,
    /// Its document.
    #[serde(default)]
    pub document: Json,
    /// Its attached answers.
    #[serde(default)]
    pub attached: BTreeMap<String, TestAnswer>,
}
