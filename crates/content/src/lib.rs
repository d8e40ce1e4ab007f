//! Yagura's knowledge as data: resource types, recommendations, standards, controls, plans, escalations.
//!
//! Takes the text of content files, gives a [`Catalogue`] and [`Diagnostic`]s, and runs the tests inside the files.
//! **Invariant**: no network, no store; which files there are is the caller's business.

mod catalogue;
mod check;
mod diagnostic;
mod escalation;
mod files;
mod permissions;
mod reading;
mod recommendation;
mod resource_type;
mod standard;
mod text;

pub use catalogue::{Catalogue, CompiledRecommendation, Layer};
pub use check::{CheckReport, run_tests};
pub use diagnostic::{Diagnostic, Gravity};
pub use escalation::{Category, Effect, NeededPermission, Primitive, Target};
pub use files::{ContentFile, shipped};
pub use permissions::{Permissions, only_reads};
pub use reading::Readings;
pub use recommendation::{Expect, Fix, Mappings, Parameter, Recommendation, RelatedRow, Test, TestAnswer};
pub use resource_type::{
    AttachedCall, EventTrigger, ImpliedPlace, InlineChildren, ItemStep, Items, ListCall, RelationSpec, ResourceType,
    TemplateValues,
};
pub use standard::{Assessment, Control, Plan, SecureScoreControl, Standard};
pub use text::{Language, OneOrMany, Text, Texts};
