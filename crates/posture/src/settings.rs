//! What a user decides about an assessment: plans, parameters, exemptions, attestations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use yagura_model::{Resource, Scope, Timestamp};

/// All of a user's decisions. The default is: every plan on, nothing exempted, default parameters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which protection plans are on.
    pub plans: PlanSwitches,
    /// Values of recommendations' parameters: recommendation key -> parameter -> value.
    pub parameters: BTreeMap<String, BTreeMap<String, Json>>,
    /// The same for single scopes, which win: scope id -> recommendation key -> parameter -> value.
    pub scope_parameters: BTreeMap<String, BTreeMap<String, BTreeMap<String, Json>>>,
    /// What is exempted.
    pub exemptions: Vec<Exemption>,
    /// What people attest.
    pub attestations: Vec<Attestation>,
}

/// Switches of protection plans by plan id; a plan that is not named is on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanSwitches {
    /// For every scope.
    pub all: BTreeMap<String, bool>,
    /// For single scopes by id, which win.
    pub scopes: BTreeMap<String, BTreeMap<String, bool>>,
}

impl PlanSwitches {
    /// Whether a plan is on in a scope.
    pub fn is_on(&self, plan: &str, scope: &Scope) -> bool {
        let own = self.scopes.iter().find(|(id, _)| id.eq_ignore_ascii_case(scope.id()));
        let switch = own.and_then(|(_, plans)| plans.get(plan)).or_else(|| self.all.get(plan));
        plan == "free" || switch.copied().unwrap_or(true)
    }
}

/// Why something is exempted, which decides how the adjusted score counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExemptionCategory {
    /// Solved in another way: what is unhealthy counts as healthy; what is unknown stays unknown.
    Mitigated,
    /// The risk is accepted: left out of the score.
    Waiver,
}

impl ExemptionCategory {
    /// The word used in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mitigated => "mitigated",
            Self::Waiver => "waiver",
        }
    }
}

/// One exemption. It changes the adjusted numbers only, never the raw verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exemption {
    /// The recommendation's key, or `*` for all.
    pub key: String,
    /// The id of a resource, resource group, subscription, account or project; everything below is exempted too. `*` = everywhere.
    pub resource: String,
    /// Mitigated or waiver.
    pub category: ExemptionCategory,
    /// When it ends; none = never. A date alone holds through that day, UTC.
    #[serde(default, deserialize_with = "end")]
    pub expires: Option<Timestamp>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

impl Exemption {
    /// Whether it holds for that recommendation and resource at that time.
    pub fn covers(&self, key: &str, resource: &Resource, now: Timestamp) -> bool {
        if self.expires.is_some_and(|end| end <= now) {
            return false;
        }
        (self.key == "*" || self.key.eq_ignore_ascii_case(key))
            && (self.resource == "*" || self.covers_resource(resource))
    }

    fn covers_resource(&self, resource: &Resource) -> bool {
        let (exempted, id) = (self.resource.trim_end_matches('/'), resource.id.as_str());
        let equal = |left: &str, right: &str| {
            if resource.cloud.folds_ids() { left.eq_ignore_ascii_case(right) } else { left == right }
        };
        if equal(exempted, resource.scope.id()) || equal(exempted, id) {
            return true;
        }
        id.len() > exempted.len()
            && id.is_char_boundary(exempted.len())
            && id.as_bytes()[exempted.len()] == b'/'
            && equal(&id[..exempted.len()], exempted)
    }
}

/// That a person vouches for a control nothing can check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Attestation {
    /// The standard's id.
    pub standard: String,
    /// The control's id.
    pub control: String,
    /// Whether the control is met.
    pub compliant: bool,
    /// When the attestation ends; none = never. A date alone holds through that day, UTC.
    #[serde(default, deserialize_with = "end")]
    pub expires: Option<Timestamp>,
    /// Who says so.
    #[serde(default)]
    pub by: String,
    /// What it rests on.
    #[serde(default)]
    pub evidence: String,
}

/// A moment, or a date whose day is the last one.
fn end<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    use serde::de::Error;
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    if let Ok(moment) = text.parse() {
        return Ok(Some(moment));
    }
    let midnight: Result<Timestamp, _> = format!("{text}T00:00:00Z").parse();
    let wrong =
        || D::Error::custom(format!("`{text}` is neither a moment (2027-03-31T12:00:00Z) nor a date (2027-03-31)"));
    let day = std::time::Duration::from_secs(86_400);
    midnight.ok().and_then(|midnight| midnight.checked_add(day).ok()).map(Some).ok_or_else(wrong)
}

impl Settings {
    /// The exemption that holds for a recommendation and resource, with its position. A mitigation wins over a waiver.
    pub fn exemption(&self, key: &str, resource: &Resource, now: Timestamp) -> Option<(usize, &Exemption)> {
        let covering =
            || self.exemptions.iter().enumerate().filter(|(_, exemption)| exemption.covers(key, resource, now));
        covering()
            .find(|(_, exemption)| exemption.category == ExemptionCategory::Mitigated)
            .or_else(|| covering().next())
    }

    /// The user's values for a recommendation's parameters in a scope; none when there are none.
    pub fn parameters(&self, key: &str, scope: &Scope) -> Option<BTreeMap<String, Json>> {
        let everywhere = self.parameters.get(key);
        let here = self
            .scope_parameters
            .iter()
            .find(|(id, _)| id.eq_ignore_ascii_case(scope.id()))
            .and_then(|(_, keys)| keys.get(key));
        match (everywhere, here) {
            (None, None) => None,
            (Some(values), None) | (None, Some(values)) => Some(values.clone()),
            (Some(everywhere), Some(here)) => {
                let mut values = everywhere.clone();
                values.extend(here.clone());
                Some(values)
            }
        }
    }

    /// The attestation of a control that holds at a time.
    pub fn attestation(&self, standard: &str, control: &str, now: Timestamp) -> Option<&Attestation> {
        self.attestations.iter().find(|attestation| {
            attestation.standard == standard
                && attestation.control == control
                && attestation.expires.is_none_or(|end| now < end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_moment_or_the_last_moment_of_a_day() {
        let read = |text: &str| {
            let json = serde_json::json!({"key": "*", "resource": "*", "category": "waiver", "expires": text});
            serde_json::from_value::<Exemption>(json).map(|exemption| exemption.expires.unwrap().to_string())
        };
        assert_eq!(read("2027-03-31").unwrap(), "2027-04-01T00:00:00Z");
        assert_eq!(read("2027-03-31T12:00:00Z").unwrap(), "2027-03-31T12:00:00Z");
        assert!(read("soon").unwrap_err().to_string().contains("neither a moment"));
    }
}
