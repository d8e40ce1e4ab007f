//! Why a verdict is what it is.

use std::sync::Arc;

use yagura_content::Catalogue;
use yagura_model::{Estate, Evidence, Resource, Timestamp, Verdict};
use yagura_policy::Context;

use crate::settings::Settings;

/// A verdict with the comparisons that decided it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Position of the recommendation in the catalogue.
    pub recommendation: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// What decided.
    pub evidence: Vec<Evidence>,
}

/// Evaluates one recommendation on one resource again and keeps what decided.
pub fn explain(
    estate: &dyn Estate,
    catalogue: &Catalogue,
    settings: &Settings,
    now: Timestamp,
    recommendation: u32,
    resource: &Arc<Resource>,
) -> Explanation {
    let compiled = &catalogue.recommendations()[recommendation as usize];
    if !settings.plans.is_on(&compiled.source.plan, &resource.scope) {
        let cause = yagura_model::Cause::PlanOff(compiled.source.plan.as_str().into());
        return Explanation { recommendation, verdict: Verdict::Unknown(cause), evidence: Vec::new() };
    }
    let parameters = settings.parameters(&compiled.key, &resource.scope);
    let context = Context { estate, now, parameters: parameters.as_ref() };
    let (verdict, evidence) = compiled.rule.explain(resource, &context);
    Explanation { recommendation, verdict, evidence }
}
