//! Compliance with standards.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use yagura_content::{Assessment as Assessable, Catalogue, Standard, Text};
use yagura_model::{Cloud, Status, Timestamp};

use crate::assess::Assessed;
use crate::score::View;
use crate::settings::{Attestation, ExemptionCategory, Settings};

/// How a control stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ComplianceState {
    /// At least one resource is unhealthy, or a person attests that it is not met.
    Failed,
    /// Nothing is unhealthy, but something is unknown.
    Unknown,
    /// Everything that could be checked is healthy.
    Passed,
    /// A person vouches for it.
    Attested,
    /// Only a person can say, and nobody has.
    Manual,
    /// It is checked, but no resource it speaks of exists.
    NotApplicable,
}

/// One recommendation's part of a control.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecommendationCompliance {
    /// Its key.
    pub key: String,
    /// Its title.
    #[serde(skip)]
    pub title: Text,
    /// The cloud.
    pub cloud: Cloud,
    /// Whether the mapping is our own judgement.
    pub inferred: bool,
    /// Resources by state.
    pub healthy: u64,
    /// Resources by state.
    pub unhealthy: u64,
    /// Resources by state.
    pub unknown: u64,
    /// Resources by state.
    pub not_applicable: u64,
}

/// How one control stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlCompliance {
    /// The number in the standard.
    pub id: String,
    /// The subject.
    #[serde(skip)]
    pub title: Text,
    /// How it stands.
    pub state: ComplianceState,
    /// The same with exemptions counted.
    pub adjusted_state: ComplianceState,
    /// What a person attests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// The recommendations that check it.
    pub recommendations: Vec<RecommendationCompliance>,
}

/// How an estate stands against one standard.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StandardCompliance {
    /// The standard's id.
    pub standard: String,
    /// Its name.
    #[serde(skip)]
    pub title: Text,
    /// Controls passed.
    pub passed: u64,
    /// Controls failed.
    pub failed: u64,
    /// Controls unknown.
    pub unknown: u64,
    /// Controls attested.
    pub attested: u64,
    /// Controls that wait for a person.
    pub manual: u64,
    /// Controls that speak of nothing in the estate.
    pub not_applicable: u64,
    /// `passed / (passed + failed + unknown)`, four decimals; none when nothing was checked.
    pub percentage: Option<f64>,
    /// The same with exemptions counted.
    pub adjusted_percentage: Option<f64>,
    /// Share of the mappings in use that are our own judgement, four decimals.
    pub inferred_share: Option<f64>,
    /// The controls in the standard's order.
    pub controls: Vec<ControlCompliance>,
}

/// Compliance with every standard that speaks of one of the estate's clouds.
pub fn compliance(
    assessed: &Assessed,
    catalogue: &Catalogue,
    settings: &Settings,
    clouds: &BTreeSet<Cloud>,
) -> Vec<StandardCompliance> {
    let raw = counts_by_recommendation(assessed, catalogue, settings, View::Raw);
    let adjusted = counts_by_recommendation(assessed, catalogue, settings, View::Adjusted);
    let mapped = mapped_recommendations(catalogue);
    let mut results = Vec::new();
    for standard in catalogue.standards() {
        if !standard.covers.is_empty() && !standard.covers.iter().any(|cloud| clouds.contains(cloud)) {
            continue;
        }
        let judge =
            Judge { catalogue, settings, clouds, raw: &raw, adjusted: &adjusted, mapped: &mapped, now: assessed.at };
        results.push(judge.standard(standard));
    }
    results
}

#[derive(Clone, Copy, Default)]
struct Counts {
    healthy: u64,
    unhealthy: u64,
    unknown: u64,
    not_applicable: u64,
}

fn counts_by_recommendation(
    assessed: &Assessed,
    catalogue: &Catalogue,
    settings: &Settings,
    view: View,
) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); catalogue.recommendations().len()];
    for assessment in &assessed.assessments {
        let exemption = match view {
            View::Raw => None,
            View::Adjusted => assessment.exemption.and_then(|place| settings.exemptions.get(place as usize)),
        };
        let status = match (exemption.map(|exemption| exemption.category), assessment.status) {
            (None, status) | (Some(_), status @ Status::NotApplicable) => status,
            (Some(ExemptionCategory::Mitigated), Status::Unknown) => Status::Unknown,
            (Some(ExemptionCategory::Mitigated), _) => Status::Healthy,
            (Some(ExemptionCategory::Waiver), _) => Status::NotApplicable,
        };
        let counts = &mut counts[assessment.recommendation as usize];
        match status {
            Status::Healthy => counts.healthy += 1,
            Status::Unhealthy => counts.unhealthy += 1,
            Status::Unknown => counts.unknown += 1,
            Status::NotApplicable => counts.not_applicable += 1,
        }
    }
    counts
}

type Mapped<'a> = BTreeMap<(&'a str, &'a str), Vec<(usize, bool)>>;

/// Positions of recommendations by (standard, control), with whether the mapping is our own.
fn mapped_recommendations(catalogue: &Catalogue) -> Mapped<'_> {
    let mut mapped: Mapped<'_> = BTreeMap::new();
    for (position, recommendation) in catalogue.recommendations().iter().enumerate() {
        for (standard, control, inferred) in recommendation.standards() {
            mapped.entry((standard, control)).or_default().push((position, inferred));
        }
    }
    for standard in catalogue.standards() {
        for control in &standard.controls {
            for key in &control.recommendations {
                let Some(position) = catalogue.find(key) else { continue };
                mapped.entry((&standard.id, &control.id)).or_default().push((position, false));
            }
        }
    }
    mapped
}

struct Judge<'a> {
    catalogue: &'a Catalogue,
    settings: &'a Settings,
    clouds: &'a BTreeSet<Cloud>,
    raw: &'a [Counts],
    adjusted: &'a [Counts],
    mapped: &'a Mapped<'a>,
    now: Timestamp,
}

impl Judge<'_> {
    fn standard(&self, standard: &Standard) -> StandardCompliance {
        let mut controls = Vec::new();
        for control in &standard.controls {
            let positions = self.positions(standard, &control.id);
            let attestation = self.settings.attestation(&standard.id, &control.id, self.now);
            let manual = control.assessment == Assessable::Manual;
            controls.push(ControlCompliance {
                id: control.id.clone(),
                title: control.title.clone(),
                state: state(&positions, self.raw, manual, attestation),
                adjusted_state: state(&positions, self.adjusted, manual, attestation),
                attestation: attestation.cloned(),
                recommendations: positions
                    .iter()
                    .map(|(position, inferred)| self.recommendation(*position, *inferred))
                    .collect(),
            });
        }
        summary(standard, controls)
    }

    /// Recommendations of a control that speak of a cloud the estate has.
    fn positions(&self, standard: &Standard, control: &str) -> Vec<(usize, bool)> {
        let all = self.mapped.get(&(standard.id.as_str(), control)).map_or(&[][..], Vec::as_slice);
        let here = |position: usize| self.clouds.contains(&self.catalogue.recommendations()[position].cloud);
        all.iter().copied().filter(|(position, _)| here(*position)).collect()
    }

    fn recommendation(&self, position: usize, inferred: bool) -> RecommendationCompliance {
        let recommendation = &self.catalogue.recommendations()[position];
        let counts = self.raw[position];
        RecommendationCompliance {
            key: recommendation.key.clone(),
            title: recommendation.source.title.clone(),
            cloud: recommendation.cloud,
            inferred,
            healthy: counts.healthy,
            unhealthy: counts.unhealthy,
            unknown: counts.unknown,
            not_applicable: counts.not_applicable,
        }
    }
}

/// A control is never passed because nothing was looked at.
fn state(
    positions: &[(usize, bool)],
    counts: &[Counts],
    manual: bool,
    attestation: Option<&Attestation>,
) -> ComplianceState {
    let sum = |part: fn(&Counts) -> u64| positions.iter().map(|(position, _)| part(&counts[*position])).sum::<u64>();
    if sum(|counts| counts.unhealthy) > 0 || attestation.is_some_and(|attestation| !attestation.compliant) {
        return ComplianceState::Failed;
    }
    if sum(|counts| counts.unknown) > 0 {
        return ComplianceState::Unknown;
    }
    if attestation.is_some() {
        return ComplianceState::Attested;
    }
    if manual || positions.is_empty() {
        return ComplianceState::Manual;
    }
    if sum(|counts| counts.healthy) > 0 { ComplianceState::Passed } else { ComplianceState::NotApplicable }
}

fn summary(standard: &Standard, controls: Vec<ControlCompliance>) -> StandardCompliance {
    let count = |state: ComplianceState| controls.iter().filter(|control| control.state == state).count() as u64;
    let percentage = |state_of: fn(&ControlCompliance) -> ComplianceState| {
        let of = |wanted: ComplianceState| controls.iter().filter(|control| state_of(control) == wanted).count() as f64;
        let passed = of(ComplianceState::Passed);
        let checked = passed + of(ComplianceState::Failed) + of(ComplianceState::Unknown);
        (checked > 0.0).then(|| (passed / checked * 10_000.0).round() / 10_000.0)
    };
    let mappings: Vec<_> = controls.iter().flat_map(|control| &control.recommendations).collect();
    let inferred = mappings.iter().filter(|mapping| mapping.inferred).count() as f64;
    StandardCompliance {
        standard: standard.id.clone(),
        title: standard.title.clone(),
        passed: count(ComplianceState::Passed),
        failed: count(ComplianceState::Failed),
        unknown: count(ComplianceState::Unknown),
        attested: count(ComplianceState::Attested),
        manual: count(ComplianceState::Manual),
        not_applicable: count(ComplianceState::NotApplicable),
        percentage: percentage(|control| control.state),
        adjusted_percentage: percentage(|control| control.adjusted_state),
        inferred_share: (!mappings.is_empty())
            .then(|| (inferred / mappings.len() as f64 * 10_000.0).round() / 10_000.0),
        controls,
    }
}
