//! What fixing one recommendation everywhere would add to the score, for all recommendations in one pass.

use std::collections::{BTreeMap, HashMap};

use yagura_content::Catalogue;
use yagura_model::{Scope, ScopeLevel, Status};

use crate::assess::Assessed;
use crate::score::{
    ControlCounts, Fixes, ScopeScore, SecureScore, Standing, View, control_score, counted, mapped_controls,
    overall_percentage, same, scope_score,
};
use crate::settings::Settings;

/// Resources that a fix moves out of `unhealthy` in one control.
#[derive(Clone, Copy, Default)]
struct Moved {
    to_healthy: u64,
    to_unknown: u64,
}

/// By how much the overall percentage (0..1, four decimals) rises when one recommendation is fixed on every resource,
/// by the recommendation's position. `score` is the score of the same assessment and view, of the scopes that count.
///
/// A resource is healthy in a control only when all its recommendations there are: one whose fix alone moves nothing
/// is listed with 0. Recommendations that are not scored, or that no resource fails, are left out.
pub fn gains(
    assessed: &Assessed,
    catalogue: &Catalogue,
    settings: &Settings,
    view: View,
    score: &SecureScore,
) -> BTreeMap<u32, f64> {
    let mapped = mapped_controls(catalogue);
    let scopes: HashMap<&Scope, usize> =
        score.scopes.iter().enumerate().map(|(place, own)| (&own.scope, place)).collect();
    let mut moved: BTreeMap<u32, HashMap<usize, Vec<Moved>>> = BTreeMap::new();
    let none = Fixes::default();
    for own in assessed.assessments.chunk_by(|left, right| same(&left.resource, &right.resource)) {
        let Some(&place) = scopes.get(&own[0].resource.scope) else { continue };
        if own[0].resource.scope.level() != ScopeLevel::Account {
            continue;
        }
        let mut failing: HashMap<usize, (Standing, Vec<u32>)> = HashMap::new();
        for assessment in own {
            let status = counted(assessment, settings, view, &none);
            for (control, inferred) in &mapped[assessment.recommendation as usize] {
                let (standing, unhealthy) = failing.entry(*control).or_default();
                standing.add(status, *inferred);
                if status == Status::Unhealthy {
                    unhealthy.push(assessment.recommendation);
                    moved.entry(assessment.recommendation).or_default();
                }
            }
        }
        for (control, (standing, unhealthy)) in failing {
            let [only] = unhealthy[..] else { continue };
            let by_scope = moved.entry(only).or_default().entry(place);
            let by_control = by_scope.or_insert_with(|| vec![Moved::default(); catalogue.controls().len()]);
            if standing.is_unknown() {
                by_control[control].to_unknown += 1
            } else {
                by_control[control].to_healthy += 1
            }
        }
    }
    let before = score.percentage;
    let gain = |moved: &HashMap<usize, Vec<Moved>>| Some(rounded(after(score, moved)? - before?));
    moved.iter().filter_map(|(recommendation, moved)| Some((*recommendation, gain(moved)?))).collect()
}

fn rounded(difference: f64) -> f64 {
    (difference * 10_000.0).round() / 10_000.0
}

fn after(score: &SecureScore, moved: &HashMap<usize, Vec<Moved>>) -> Option<f64> {
    let scopes: Vec<ScopeScore> = score
        .scopes
        .iter()
        .enumerate()
        .map(|(place, own)| moved.get(&place).map_or_else(|| own.clone(), |moved| changed(own, moved)))
        .collect();
    overall_percentage(&scopes)
}

fn changed(scope: &ScopeScore, moved: &[Moved]) -> ScopeScore {
    let controls = scope.controls.iter().zip(moved).map(|(control, moved)| {
        let counts = ControlCounts {
            healthy: control.counts.healthy + moved.to_healthy,
            unhealthy: control.counts.unhealthy - moved.to_healthy - moved.to_unknown,
            unknown: control.counts.unknown + moved.to_unknown,
            ..control.counts
        };
        control_score(&control.id, &control.api_id, &control.title, control.points, counts)
    });
    scope_score(scope.scope.clone(), controls.collect())
}
