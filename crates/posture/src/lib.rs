//! Posture: what an estate's state means.
//!
//! Takes an [`Estate`](yagura_model::Estate), a [`Catalogue`](yagura_content::Catalogue) and [`Settings`], gives
//! [`Assessment`]s, the classic secure score and compliance. [`assess`] is the one entry point.
//! **Invariant**: pure; no clock (time is an argument), network or disk.

mod assess;
mod compliance;
mod explain;
mod gain;
mod score;
mod settings;

pub use assess::{Assessed, Assessment, assess};
pub use compliance::{ComplianceState, ControlCompliance, RecommendationCompliance, StandardCompliance, compliance};
pub use explain::{Explanation, explain};
pub use gain::gains;
pub use score::{
    CloudScore, ControlCounts, ControlScore, Fixes, Hundredths, ScopeScore, SecureScore, View, control_score,
    overall_percentage, scope_score, secure_score,
};
pub use settings::{Attestation, Exemption, ExemptionCategory, PlanSwitches, Settings};
