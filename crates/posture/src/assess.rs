//! Every resource against every recommendation that speaks of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;
use yagura_content::{Catalogue, CompiledRecommendation};
use yagura_model::{Cause, Estate, Kind, Resource, Scope, Status, Timestamp, Verdict, Within};
use yagura_policy::Context;

use crate::settings::Settings;

/// The state of one resource against one recommendation.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Position of the recommendation in the catalogue.
    pub recommendation: u32,
    /// The resource.
    pub resource: Arc<Resource>,
    /// The raw verdict, whatever is exempted.
    pub status: Status,
    /// Why it is unknown.
    pub cause: Option<Box<Cause>>,
    /// Whether the plan that the recommendation needs is on.
    pub plan_enabled: bool,
    /// Position of the exemption in the settings that holds.
    pub exemption: Option<u32>,
}

/// What came out of an assessment. Assessments of one resource follow each other.
#[derive(Clone, Debug)]
pub struct Assessed {
    /// All of them.
    pub assessments: Vec<Assessment>,
    /// When, as the caller said.
    pub at: Timestamp,
}

/// Assesses every resource of an estate against every recommendation that speaks of its kind.
///
/// A rule that cannot be decided yields `unknown` with its cause; the others still run.
pub fn assess(estate: &dyn Estate, catalogue: &Catalogue, settings: &Settings, now: Timestamp) -> Assessed {
    let mut assessments = Vec::new();
    for (kind, positions) in by_kind(catalogue) {
        let Some(first) = positions.first() else { continue };
        let cloud = catalogue.recommendations()[*first as usize].cloud;
        let mut assessor = Assessor { estate, catalogue, settings, now, tuned: HashMap::new() };
        for resource in estate.of_kind(&kind, Within::Cloud(cloud)) {
            for position in &positions {
                assessments.push(assessor.one(*position, &resource));
            }
        }
    }
    Assessed { assessments, at: now }
}

/// Positions of recommendations by the kind they speak of, in a stable order.
fn by_kind(catalogue: &Catalogue) -> BTreeMap<Kind, Vec<u32>> {
    let mut index: BTreeMap<Kind, Vec<u32>> = BTreeMap::new();
    for (position, recommendation) in catalogue.recommendations().iter().enumerate() {
        for kind in recommendation.source.applies_to.as_slice() {
            let positions = index.entry(kind.clone()).or_default();
            if positions.last() != Some(&(position as u32)) {
                positions.push(position as u32);
            }
        }
    }
    index
}

struct Assessor<'a> {
    estate: &'a dyn Estate,
    catalogue: &'a Catalogue,
    settings: &'a Settings,
    now: Timestamp,
    /// The user's parameters by recommendation and scope.
    tuned: HashMap<(u32, Scope), Option<BTreeMap<String, Json>>>,
}

impl Assessor<'_> {
    fn one(&mut self, position: u32, resource: &Arc<Resource>) -> Assessment {
        let recommendation = &self.catalogue.recommendations()[position as usize];
        let plan_enabled = self.settings.plans.is_on(&recommendation.source.plan, &resource.scope);
        let verdict = if plan_enabled {
            self.verdict(position, recommendation, resource)
        } else {
            Verdict::Unknown(Cause::PlanOff(recommendation.source.plan.as_str().into()))
        };
        let exemption = self.settings.exemption(&recommendation.key, resource, self.now);
        Assessment {
            recommendation: position,
            resource: resource.clone(),
            status: verdict.status(),
            cause: match verdict {
                Verdict::Unknown(cause) => Some(Box::new(cause)),
                _ => None,
            },
            plan_enabled,
            exemption: exemption.map(|(place, _)| place as u32),
        }
    }

    fn verdict(&mut self, position: u32, recommendation: &CompiledRecommendation, resource: &Resource) -> Verdict {
        let parameters = parameters_of(self.settings, &mut self.tuned, position, recommendation, &resource.scope);
        recommendation.rule.evaluate(resource, &Context { estate: self.estate, now: self.now, parameters })
    }
}

fn parameters_of<'t>(
    settings: &Settings,
    tuned: &'t mut HashMap<(u32, Scope), Option<BTreeMap<String, Json>>>,
    position: u32,
    recommendation: &CompiledRecommendation,
    scope: &Scope,
) -> Option<&'t BTreeMap<String, Json>> {
    let nothing_set = settings.parameters.is_empty() && settings.scope_parameters.is_empty();
    if nothing_set || recommendation.source.parameters.is_empty() {
        return None;
    }
    let entry = tuned.entry((position, scope.clone()));
    entry.or_insert_with(|| settings.parameters(&recommendation.key, scope)).as_ref()
}
