//! One recommendation x resource as the outside sees it.

use serde::Serialize;
use yagura_content::{Catalogue, Language};
use yagura_model::{Evidence, Severity, Status, Timestamp};
use yagura_posture::{Assessment, ExemptionCategory, Settings};

/// One line of `recommendations --all`: a public contract. Fields are added, never changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding<'a> {
    /// The recommendation's key.
    pub key: &'a str,
    /// Its title in the language asked for.
    pub title: &'a str,
    /// The resource's id.
    pub resource: &'a str,
    /// What was found on the resource; null for posture.
    pub subject: Option<&'a str>,
    /// The resource's kind.
    pub kind: &'a str,
    /// The cloud.
    pub cloud: &'a str,
    /// The subscription, account, project or tenant.
    pub scope: &'a str,
    /// The severity.
    pub severity: Severity,
    /// The plan that the recommendation needs.
    pub plan: &'a str,
    /// Whether that plan is on.
    pub plan_enabled: bool,
    /// The raw status, whatever is exempted.
    pub status: Status,
    /// Why it is unknown.
    pub cause: Option<String>,
    /// What decided; null unless unhealthy or unknown.
    pub evidence: Option<Vec<Evidence>>,
    /// The exemption that holds.
    pub exemption: Option<ExemptionLine<'a>>,
    /// The resource's name.
    pub name: &'a str,
    /// Whether the recommendation is in preview and so never scored.
    pub preview: bool,
}

/// An exemption as a finding shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExemptionLine<'a> {
    /// mitigated or waiver
    pub category: ExemptionCategory,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Why.
    pub reason: &'a str,
}

/// What findings are made with.
#[derive(Clone, Copy)]
pub struct FindingContext<'a> {
    /// The knowledge.
    pub catalogue: &'a Catalogue,
    /// The user's decisions.
    pub settings: &'a Settings,
    /// The language of titles.
    pub language: Language,
}

impl<'a> FindingContext<'a> {
    /// The finding of an assessment; `evidence` is kept only where the contract shows it.
    pub fn finding(&self, assessment: &'a Assessment, evidence: Option<Vec<Evidence>>) -> Finding<'a> {
        let recommendation = &self.catalogue.recommendations()[assessment.recommendation as usize];
        let resource = &assessment.resource;
        let exemption = assessment.exemption.and_then(|place| self.settings.exemptions.get(place as usize));
        let shows_evidence = matches!(assessment.status, Status::Unhealthy | Status::Unknown);
        Finding {
            key: &recommendation.key,
            title: recommendation.source.title.get(self.language),
            resource: resource.id.as_str(),
            subject: None,
            kind: resource.kind.as_str(),
            cloud: resource.cloud.as_str(),
            scope: resource.scope.id(),
            severity: recommendation.source.severity,
            plan: &recommendation.source.plan,
            plan_enabled: assessment.plan_enabled,
            status: assessment.status,
            cause: assessment.cause.as_ref().map(ToString::to_string),
            evidence: evidence.filter(|_| shows_evidence),
            exemption: exemption.map(|exemption| ExemptionLine {
                category: exemption.category,
                expires: exemption.expires,
                reason: &exemption.reason,
            }),
            name: &resource.name,
            preview: recommendation.source.preview,
        }
    }
}
