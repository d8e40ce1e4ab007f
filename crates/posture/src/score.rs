//! The classic secure score.
//!
//! Formulas and roundings: Microsoft's documentation of the secure score and its API's recorded answers
//! (secureScores and secureScoreControls, api-version 2020-01-01): control score `M * H / (H + U)`, two decimals;
//! control percentage from the rounded score, four decimals; a control with `H + U = 0` drops out; scope score is the
//! sum of rounded control scores over the sum of their maxima; scope weight is the sum of control weight times maximum;
//! several scopes are averaged by weight.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use yagura_content::{Catalogue, Text};
use yagura_model::{Cloud, Resource, ResourceId, Scope, ScopeLevel, Status};

use crate::assess::{Assessed, Assessment};
use crate::settings::{ExemptionCategory, Settings};

/// Points with two decimals, held exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hundredths(pub u64);

impl Serialize for Hundredths {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// `numerator / denominator` as a whole number; halves go to the even neighbour, as .NET rounds: the recorded
/// control with 7.53 of 8 points has the percentage 0.9412 and not 0.9413.
fn rounded_division(numerator: u64, denominator: u64) -> u64 {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    match (rest * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Greater => whole + 1,
    }
}

/// A share with four decimals, or none when there is nothing to take a share of.
fn share(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| rounded_division(numerator * 10_000, denominator) as f64 / 10_000.0)
}

/// How many resources are in which state in one control of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlCounts {
    /// Healthy in every recommendation that applies.
    pub healthy: u64,
    /// Unhealthy in at least one.
    pub unhealthy: u64,
    /// No recommendation applies.
    pub not_applicable: u64,
    /// Not unhealthy in any, unknown in at least one: left out of the score.
    pub unknown: u64,
    /// Of healthy and unhealthy: how many are there only by mappings of our own judgement.
    pub inferred: u64,
}

/// One control's part of a scope's score.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlScore {
    /// The control's id in the content.
    pub id: String,
    /// The control's id in the Microsoft.Security API.
    pub api_id: String,
    /// The name, English.
    pub title: String,
    /// The name in every language; empty where only the English one is known.
    #[serde(skip)]
    pub titles: Text,
    /// Points reached, two decimals.
    pub current: Hundredths,
    /// Points that could be reached; 0 when nothing counts.
    pub max: u64,
    /// The points of the control, whether something counts or not.
    #[serde(skip)]
    pub points: u64,
    /// `current / max`, four decimals; 0 when `max` is 0.
    pub percentage: f64,
    /// Healthy plus unhealthy resources.
    pub weight: u64,
    /// Points that fixing everything would add, two decimals.
    pub potential_increase: Hundredths,
    /// The counts behind it.
    #[serde(flatten)]
    pub counts: ControlCounts,
}

/// The score of one control from its counts.
pub fn control_score(id: &str, api_id: &str, title: &str, points: u64, counts: ControlCounts) -> ControlScore {
    let weight = counts.healthy + counts.unhealthy;
    let max = if weight == 0 { 0 } else { points };
    let current = if weight == 0 { 0 } else { rounded_division(100 * points * counts.healthy, weight) };
    ControlScore {
        id: id.to_owned(),
        api_id: api_id.to_owned(),
        title: title.to_owned(),
        titles: Text::default(),
        current: Hundredths(current),
        max,
        points,
        percentage: share(current, max * 100).unwrap_or(0.0),
        weight,
        potential_increase: Hundredths(max * 100 - current),
        counts,
    }
}

/// The score of one subscription, account or project.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeScore {
    /// The cloud.
    pub cloud: Cloud,
    /// The cloud's id of the scope.
    pub scope: Scope,
    /// Points reached, two decimals.
    pub current: Hundredths,
    /// Points that could be reached.
    pub max: u64,
    /// `current / max`, four decimals; none when nothing counts: the score is not available.
    pub percentage: Option<f64>,
    /// The percentage if everything unknown were unhealthy.
    pub worst_case_percentage: Option<f64>,
    /// The sum over controls of weight times maximum.
    pub weight: u64,
    /// Resources unknown in at least one control, summed over controls.
    pub unknown: u64,
    /// Share of the counted resources that count only by mappings of our own judgement, four decimals.
    pub inferred_share: Option<f64>,
    /// All controls in their order.
    pub controls: Vec<ControlScore>,
}

/// The score of one scope from its controls.
pub fn scope_score(scope: Scope, controls: Vec<ControlScore>) -> ScopeScore {
    let sum = |part: &dyn Fn(&ControlScore) -> u64| controls.iter().map(part).sum::<u64>();
    let current = sum(&|control| control.current.0);
    let max = sum(&|control| control.max);
    let worst = worst_case(&controls);
    ScopeScore {
        cloud: scope.cloud(),
        scope,
        current: Hundredths(current),
        max,
        percentage: share(current, max * 100),
        worst_case_percentage: worst,
        weight: sum(&|control| control.weight * control.max),
        unknown: sum(&|control| control.counts.unknown),
        inferred_share: share(sum(&|control| control.counts.inferred), sum(&|control| control.weight)),
        controls,
    }
}

fn worst_case(controls: &[ControlScore]) -> Option<f64> {
    let (mut current, mut max) = (0, 0);
    for control in controls {
        let counts = ControlCounts {
            unhealthy: control.counts.unhealthy + control.counts.unknown,
            unknown: 0,
            ..control.counts
        };
        // A control whose resources are all unknown has no maximum of its own; its points are not in this scope's score.
        let worst = control_score("", "", "", control.max, counts);
        current += worst.current.0;
        max += worst.max;
    }
    share(current, max * 100)
}

/// The weighted mean of scopes' percentages, four decimals; none when no scope has a score.
pub fn overall_percentage<'s>(scopes: impl IntoIterator<Item = &'s ScopeScore>) -> Option<f64> {
    let (mut sum, mut weights) = (0u64, 0u64);
    for scope in scopes {
        let Some(percentage) = scope.percentage else { continue };
        sum += (percentage * 10_000.0).round() as u64 * scope.weight;
        weights += scope.weight;
    }
    (weights > 0).then(|| rounded_division(sum, weights) as f64 / 10_000.0)
}

/// Scores of all scopes, each cloud and everything.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecureScore {
    /// By scope.
    pub scopes: Vec<ScopeScore>,
    /// By cloud.
    pub clouds: Vec<CloudScore>,
    /// Over everything.
    pub percentage: Option<f64>,
}

/// The score of one cloud.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudScore {
    /// The cloud.
    pub cloud: Cloud,
    /// The weighted mean of its scopes.
    pub percentage: Option<f64>,
    /// The sum of its scopes' weights.
    pub weight: u64,
}

/// Whether exemptions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The verdicts as they are.
    Raw,
    /// Mitigated counts as healthy, a waiver as not applicable.
    Adjusted,
}

/// What a `what-if` supposes to be fixed.
#[derive(Clone, Debug, Default)]
pub struct Fixes {
    /// Positions of recommendations that are fixed on every resource.
    pub recommendations: HashSet<u32>,
    /// Recommendations fixed on single resources.
    pub resources: HashSet<(u32, ResourceId)>,
    /// Resources on which everything is fixed.
    pub everything_on: HashSet<ResourceId>,
}

impl Fixes {
    fn covers(&self, assessment: &Assessment) -> bool {
        self.recommendations.contains(&assessment.recommendation)
            || self.everything_on.contains(&assessment.resource.id)
            || !self.resources.is_empty()
                && self.resources.contains(&(assessment.recommendation, assessment.resource.id.clone()))
    }
}

/// The secure score of an assessment.
pub fn secure_score(
    assessed: &Assessed,
    catalogue: &Catalogue,
    settings: &Settings,
    view: View,
    fixes: &Fixes,
) -> SecureScore {
    let tally = Tally::new(assessed, catalogue, settings, view, fixes);
    let scopes: Vec<_> = tally
        .scopes
        .into_iter()
        .map(|(scope, counts)| {
            let controls = catalogue.controls().iter().zip(counts).map(|(control, counts)| {
                let points = u64::from(control.points);
                let score = control_score(&control.id, &control.api_id, &control.title.en, points, counts);
                ControlScore { titles: control.title.clone(), ..score }
            });
            scope_score(scope, controls.collect())
        })
        .collect();
    let clouds = scopes.iter().map(|scope| scope.cloud).collect::<BTreeSet<_>>();
    let clouds = clouds.into_iter().map(|cloud| {
        let own = || scopes.iter().filter(move |scope| scope.cloud == cloud);
        CloudScore { cloud, percentage: overall_percentage(own()), weight: own().map(|scope| scope.weight).sum() }
    });
    SecureScore { clouds: clouds.collect(), percentage: overall_percentage(&scopes), scopes }
}

/// Counts per scope and control.
struct Tally {
    scopes: BTreeMap<Scope, Vec<ControlCounts>>,
}

/// What the recommendations of one control say of one resource.
#[derive(Clone, Copy, Default)]
pub(crate) struct Standing {
    healthy: bool,
    unhealthy: bool,
    unknown: bool,
    not_applicable: bool,
    published: bool,
}

impl Tally {
    fn new(assessed: &Assessed, catalogue: &Catalogue, settings: &Settings, view: View, fixes: &Fixes) -> Self {
        let mapped = mapped_controls(catalogue);
        let mut scopes: BTreeMap<Scope, Vec<ControlCounts>> = BTreeMap::new();
        let mut standings = vec![Standing::default(); catalogue.controls().len()];
        for own in assessed.assessments.chunk_by(|left, right| same(&left.resource, &right.resource)) {
            let resource = &own[0].resource;
            if resource.scope.level() != ScopeLevel::Account {
                continue;
            }
            standings.fill(Standing::default());
            for assessment in own {
                let status = counted(assessment, settings, view, fixes);
                for (control, inferred) in &mapped[assessment.recommendation as usize] {
                    standings[*control].add(status, *inferred);
                }
            }
            let counts = match scopes.get_mut(&resource.scope) {
                Some(counts) => counts,
                None => scopes
                    .entry(resource.scope.clone())
                    .or_insert_with(|| vec![ControlCounts::default(); standings.len()]),
            };
            for (standing, counts) in standings.iter().zip(counts) {
                standing.count(counts);
            }
        }
        Self { scopes }
    }
}

pub(crate) fn same(left: &std::sync::Arc<Resource>, right: &std::sync::Arc<Resource>) -> bool {
    std::sync::Arc::ptr_eq(left, right)
}

/// Control positions by recommendation; empty for what is never scored: previews and a user's own recommendations.
pub(crate) fn mapped_controls(catalogue: &Catalogue) -> Vec<Vec<(usize, bool)>> {
    let position = |id: &str| catalogue.controls().iter().position(|control| control.id == id);
    let mut mapped = Vec::new();
    for recommendation in catalogue.recommendations() {
        if recommendation.source.preview || recommendation.custom {
            mapped.push(Vec::new());
            continue;
        }
        mapped.push(recommendation.controls().filter_map(|(id, inferred)| Some((position(id)?, inferred))).collect());
    }
    mapped
}

/// How an assessment counts, after exemptions and supposed fixes.
pub(crate) fn counted(assessment: &Assessment, settings: &Settings, view: View, fixes: &Fixes) -> Status {
    if assessment.status == Status::Unhealthy && fixes.covers(assessment) {
        return Status::Healthy;
    }
    let exemption = match view {
        View::Raw => None,
        View::Adjusted => assessment.exemption.and_then(|place| settings.exemptions.get(place as usize)),
    };
    match (exemption, assessment.status) {
        (None, status) | (Some(_), status @ Status::NotApplicable) => status,
        // Somebody vouches for what was found, not for what nobody could see.
        (Some(exemption), Status::Unknown) if exemption.category == ExemptionCategory::Mitigated => Status::Unknown,
        (Some(exemption), _) if exemption.category == ExemptionCategory::Mitigated => Status::Healthy,
        (Some(_), _) => Status::NotApplicable,
    }
}

impl Standing {
    pub(crate) fn add(&mut self, status: Status, inferred: bool) {
        match status {
            Status::Healthy => self.healthy = true,
            Status::Unhealthy => self.unhealthy = true,
            Status::Unknown => self.unknown = true,
            Status::NotApplicable => self.not_applicable = true,
        }
        if !inferred && matches!(status, Status::Healthy | Status::Unhealthy) {
            self.published = true;
        }
    }

    /// Whether something is unknown, which a resource that is not unhealthy then counts as.
    pub(crate) fn is_unknown(self) -> bool {
        self.unknown
    }

    /// A resource counts once a control: unhealthy wins, then unknown, then healthy.
    fn count(self, counts: &mut ControlCounts) {
        if self.unhealthy {
            counts.unhealthy += 1;
        } else if self.unknown {
            counts.unknown += 1;
        } else if self.healthy {
            counts.healthy += 1;
        } else if self.not_applicable {
            counts.not_applicable += 1;
        }
        if (self.unhealthy || self.healthy && !self.unknown) && !self.published {
            counts.inferred += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(healthy: u64, unhealthy: u64, not_applicable: u64) -> ControlCounts {
        ControlCounts { healthy, unhealthy, not_applicable, ..ControlCounts::default() }
    }

    fn score(rows: &[(u64, u64, u64, u64)]) -> ScopeScore {
        let controls = rows.iter().map(|(h, u, n, points)| control_score("c", "a", "t", *points, counts(*h, *u, *n)));
        scope_score(Scope::account(Cloud::Azure, "/subscriptions/s"), controls.collect())
    }

    /// Recorded answer of Microsoft.Security/secureScores, 2021-07-12.
    const FIRST: [(u64, u64, u64, u64); 16] = [
        (0, 0, 28, 2),
        (73, 5, 0, 4),
        (20, 0, 0, 4),
        (44, 131, 0, 0),
        (11, 7, 2, 3),
        (22, 0, 27, 0),
        (3, 52, 0, 1),
        (0, 68, 0, 4),
        (1, 17, 3, 2),
        (11, 7, 0, 6),
        (14, 54, 3, 4),
        (16, 1, 0, 8),
        (0, 17, 5, 6),
        (0, 1, 0, 4),
        (0, 1, 0, 0),
        (1, 0, 0, 10),
    ];

    #[test]
    fn the_first_recorded_subscription_is_reproduced_to_the_last_digit() {
        let score = score(&FIRST);
        let current: Vec<_> = score.controls.iter().map(|control| control.current.to_string()).collect();
        let wanted = "0.00 3.74 4.00 0.00 1.83 0.00 0.05 0.00 0.11 3.67 0.82 7.53 0.00 0.00 0.00 10.00";
        assert_eq!(current.join(" "), wanted);
        let percentages: Vec<_> = score.controls.iter().map(|control| control.percentage.to_string()).collect();
        assert_eq!(percentages.join(" "), "0 0.935 1 0 0.61 0 0.05 0 0.055 0.6117 0.205 0.9412 0 0 0 1");
        let weights: Vec<_> = score.controls.iter().map(|control| control.weight).collect();
        assert_eq!(weights, [0, 78, 20, 175, 18, 22, 55, 68, 18, 18, 68, 17, 17, 1, 1, 1]);
        assert_eq!((score.current.0, score.max, score.percentage, score.weight), (3175, 56, Some(0.567), 1441));
        assert_eq!(score.controls[0].max, 0, "a control that applies to nothing drops out");
    }

    #[test]
    fn the_second_recorded_subscription_is_reproduced_to_the_last_digit() {
        let score = score(&[
            (0, 18, 0, 6),
            (1, 0, 0, 10),
            (1, 0, 0, 4),
            (1, 19, 0, 2),
            (13, 7, 0, 6),
            (14, 6, 0, 3),
            (13, 11, 0, 4),
            (5, 18, 0, 4),
            (0, 0, 0, 2),
            (20, 0, 0, 4),
            (28, 24, 0, 0),
            (18, 0, 0, 8),
            (0, 19, 0, 1),
            (25, 2, 0, 4),
        ]);
        let current: Vec<_> = score.controls.iter().map(|control| control.current.to_string()).collect();
        assert_eq!(current.join(" "), "0.00 10.00 4.00 0.10 3.90 2.10 2.17 0.87 0.00 4.00 0.00 8.00 0.00 3.70");
        assert_eq!((score.current.0, score.max, score.percentage, score.weight), (3884, 56, Some(0.6936), 881));
    }

    #[test]
    fn the_documentation_s_worked_examples_come_out() {
        let example = |points, healthy, unhealthy| control_score("c", "a", "t", points, counts(healthy, unhealthy, 0));
        assert_eq!(example(4, 6, 72).current.to_string(), "0.31");
        assert_eq!(example(6, 5, 30).current.to_string(), "0.86");
        assert_eq!(example(6, 5, 30).potential_increase.to_string(), "5.14");
    }

    #[test]
    fn scopes_are_averaged_by_weight_and_not_by_their_number() {
        let large = score(&[(10, 90, 0, 10)]);
        let small = score(&[(1, 0, 0, 10)]);
        assert_eq!((large.percentage, large.weight), (Some(0.1), 1000));
        assert_eq!((small.percentage, small.weight), (Some(1.0), 10));
        assert_eq!(overall_percentage([&large, &small]), Some(0.1089));
    }

    #[test]
    fn an_empty_scope_has_no_score_and_leaves_the_mean_alone() {
        let empty = score(&[(0, 0, 3, 10)]);
        assert_eq!((empty.percentage, empty.max), (None, 0));
        assert_eq!(overall_percentage([&empty]), None);
        let full = score(&[(1, 0, 0, 10)]);
        assert_eq!(overall_percentage([&empty, &full]), Some(1.0));
    }

    #[test]
    fn unknown_changes_nothing_but_the_worst_case() {
        let known = score(&[(5, 5, 0, 4)]);
        let mut counted = counts(5, 5, 0);
        counted.unknown = 10;
        let control = control_score("c", "a", "t", 4, counted);
        let unknown = scope_score(Scope::account(Cloud::Azure, "/subscriptions/s"), vec![control]);
        assert_eq!(known.percentage, unknown.percentage);
        assert_eq!(unknown.worst_case_percentage, Some(0.25));
        assert_eq!(unknown.unknown, 10);
    }

    #[test]
    fn a_resource_counts_once_a_control_and_unhealthy_wins() {
        let tally = |statuses: &[Status]| {
            let mut standing = Standing::default();
            for status in statuses {
                standing.add(*status, false);
            }
            let mut counts = ControlCounts::default();
            standing.count(&mut counts);
            (counts.healthy, counts.unhealthy, counts.not_applicable, counts.unknown)
        };
        use Status::{Healthy, NotApplicable, Unhealthy, Unknown};
        assert_eq!(tally(&[Healthy, Healthy, Unhealthy, Unknown]), (0, 1, 0, 0));
        assert_eq!(tally(&[Healthy, NotApplicable]), (1, 0, 0, 0));
        assert_eq!(tally(&[NotApplicable, NotApplicable]), (0, 0, 1, 0));
        assert_eq!(tally(&[Healthy, Unknown]), (0, 0, 0, 1));
        assert_eq!(tally(&[]), (0, 0, 0, 0));
    }

    proptest! {
        #[test]
        fn a_score_lies_between_its_worst_case_and_one(rows in prop::collection::vec((0u64..500, 0u64..500, 0u64..9, 0u64..=10), 1..16)) {
            let score = score(&rows);
            if let Some(percentage) = score.percentage {
                prop_assert!((0.0..=1.0).contains(&percentage));
            }
            let sum: u64 = score.controls.iter().map(|control| control.current.0 + control.potential_increase.0).sum();
            prop_assert_eq!(sum, score.max * 100);
        }

        #[test]
        fn fixing_more_never_lowers_a_control(healthy in 0u64..500, unhealthy in 1u64..500, points in 0u64..=10) {
            let before = control_score("c", "a", "t", points, counts(healthy, unhealthy, 0));
            let after = control_score("c", "a", "t", points, counts(healthy + 1, unhealthy - 1, 0));
            prop_assert!(after.current >= before.current);
        }
    }
}
