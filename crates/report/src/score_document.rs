//! The secure score as the outside sees it: raw and adjusted side by side.

use serde::Serialize;
use yagura_model::Cloud;
use yagura_posture::{ControlScore, Hundredths, ScopeScore, SecureScore};

/// `score -o json`: a public contract. Fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreDocument {
    /// By subscription, account and project.
    pub scopes: Vec<ScopeDocument>,
    /// By cloud.
    pub clouds: Vec<CloudDocument>,
    /// Over everything.
    pub overall: Overall,
}

/// One scope.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeDocument {
    /// The cloud.
    pub cloud: Cloud,
    /// The cloud's id of the scope.
    pub scope: String,
    /// Points reached.
    pub current: Hundredths,
    /// Points that could be reached.
    pub max: u64,
    /// 0..1, four decimals; null when the score is not available.
    pub percentage: Option<f64>,
    /// The percentage if everything unknown were unhealthy.
    pub worst_case_percentage: Option<f64>,
    /// The weight in a mean over scopes.
    pub weight: u64,
    /// Resources unknown in a control, summed over controls.
    pub unknown: u64,
    /// Share of the counted resources that count only by our own mappings.
    pub inferred_share: Option<f64>,
    /// The same with exemptions counted.
    pub adjusted: Adjusted,
    /// The controls in their order.
    pub controls: Vec<ControlDocument>,
}

/// One control.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlDocument {
    /// The raw score.
    #[serde(flatten)]
    pub raw: ControlScore,
    /// The same with exemptions counted.
    pub adjusted: Adjusted,
}

/// The adjusted side.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adjusted {
    /// Points reached.
    pub current: Hundredths,
    /// Points that could be reached.
    pub max: u64,
    /// 0..1, four decimals.
    pub percentage: Option<f64>,
    /// The weight.
    pub weight: u64,
    /// Unknown resources.
    pub unknown: u64,
}

/// One cloud.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudDocument {
    /// The cloud.
    pub cloud: Cloud,
    /// The weighted mean of its scopes.
    pub percentage: Option<f64>,
    /// The same with exemptions counted.
    pub adjusted: AdjustedPercentage,
}

/// Everything together.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overall {
    /// The weighted mean of all scopes; null when no scope has a score.
    pub percentage: Option<f64>,
    /// The same with exemptions counted.
    pub adjusted: AdjustedPercentage,
}

/// An adjusted percentage alone.
#[derive(Clone, Debug, Serialize)]
pub struct AdjustedPercentage {
    /// 0..1, four decimals.
    pub percentage: Option<f64>,
}

impl ScoreDocument {
    /// The two views of one assessment; both have the same scopes and controls in the same order.
    pub fn new(raw: &SecureScore, adjusted: &SecureScore) -> Self {
        let scopes = raw.scopes.iter().zip(&adjusted.scopes).map(|(raw, adjusted)| scope(raw, adjusted)).collect();
        let clouds = raw.clouds.iter().zip(&adjusted.clouds).map(|(raw, adjusted)| CloudDocument {
            cloud: raw.cloud,
            percentage: raw.percentage,
            adjusted: AdjustedPercentage { percentage: adjusted.percentage },
        });
        Self {
            scopes,
            clouds: clouds.collect(),
            overall: Overall {
                percentage: raw.percentage,
                adjusted: AdjustedPercentage { percentage: adjusted.percentage },
            },
        }
    }
}

fn scope(raw: &ScopeScore, adjusted: &ScopeScore) -> ScopeDocument {
    let controls = raw.controls.iter().zip(&adjusted.controls).map(|(raw, adjusted)| ControlDocument {
        raw: raw.clone(),
        adjusted: Adjusted {
            current: adjusted.current,
            max: adjusted.max,
            percentage: (adjusted.weight > 0).then_some(adjusted.percentage),
            weight: adjusted.weight,
            unknown: adjusted.counts.unknown,
        },
    });
    ScopeDocument {
        cloud: raw.cloud,
        scope: raw.scope.id().to_owned(),
        current: raw.current,
        max: raw.max,
        percentage: raw.percentage,
        worst_case_percentage: raw.worst_case_percentage,
        weight: raw.weight,
        unknown: raw.unknown,
        inferred_share: raw.inferred_share,
        adjusted: Adjusted {
            current: adjusted.current,
            max: adjusted.max,
            percentage: adjusted.percentage,
            weight: adjusted.weight,
            unknown: adjusted.unknown,
        },
        controls: controls.collect(),
    }
}
