//! Rules in our own form.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::Value as Json;
use yagura_model::{Estate, Evidence, Kind, Resource, Timestamp, Verdict};

use crate::compile::Compiler;
use crate::condition::{Condition, Truth};
use crate::diagnostic::Diagnostic;
use crate::evaluate::{Env, Parameters, Recorder, Subject};
use crate::field::Dialect;

/// The text of a rule, as it stands in a recommendation.
#[derive(Clone, Copy, Debug)]
pub struct RuleSource<'a> {
    /// Where it is false the resource is not applicable.
    pub applies_when: Option<&'a Json>,
    /// True is unhealthy.
    pub unhealthy_when: &'a Json,
    /// Default values of the parameters.
    pub parameters: &'a BTreeMap<String, Json>,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    applies: Option<Condition>,
    unhealthy: Condition,
    parameters: BTreeMap<String, Json>,
    kinds: Vec<Kind>,
    relations: Vec<(Option<Kind>, String)>,
}

/// What a rule is evaluated against besides the resource.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The estate that `related` walks.
    pub estate: &'a dyn Estate,
    /// The moment of the evaluation.
    pub now: Timestamp,
    /// Parameters that the user set, over the defaults.
    pub parameters: Option<&'a BTreeMap<String, Json>>,
}

impl Rule {
    /// Compiles a rule, or says everything that is wrong with it.
    pub fn compile(source: &RuleSource<'_>) -> Result<Self, Vec<Diagnostic>> {
        let names: Vec<String> = source.parameters.keys().cloned().collect();
        let mut compiler = Compiler::new(&Dialect::Own, Some(&names));
        let applies = source.applies_when.map(|condition| compiler.condition(condition, "applies_when"));
        let unhealthy = compiler.condition(source.unhealthy_when, "unhealthy_when");
        if !compiler.faults.is_empty() {
            return Err(compiler.faults);
        }
        let kinds = compiler.kinds.into_iter().collect();
        let relations = compiler.relations;
        Ok(Self { applies, unhealthy, parameters: source.parameters.clone(), kinds, relations })
    }

    /// Kinds that the rule looks for besides the one it is about, as far as its steps name them.
    pub fn kinds_read(&self) -> &[Kind] {
        &self.kinds
    }

    /// Relations that the rule follows, with the kind they start from where the steps before say it.
    pub fn relations_used(&self) -> Vec<(Option<Kind>, String)> {
        self.relations.clone()
    }

    /// The verdict for a resource.
    pub fn evaluate(&self, resource: &Resource, context: &Context<'_>) -> Verdict {
        self.judge(resource, context, None)
    }

    /// The verdict with the comparisons that decided it.
    pub fn explain(&self, resource: &Resource, context: &Context<'_>) -> (Verdict, Vec<Evidence>) {
        let recorder = Recorder::default();
        let verdict = self.judge(resource, context, Some(&recorder));
        (verdict, recorder.into_evidence())
    }

    fn judge(&self, resource: &Resource, context: &Context<'_>, recorder: Option<&Recorder>) -> Verdict {
        let subject = Subject::new(resource, context.estate);
        let steps = Cell::new(0);
        let env = Env {
            assessed: subject,
            subject,
            estate: context.estate,
            now: context.now,
            parameters: Parameters { set: context.parameters, defaults: &self.parameters },
            frame: None,
            recorder,
            surroundings: None,
            steps: &steps,
        };
        if let Some(applies) = &self.applies {
            match applies.evaluate(&env) {
                Ok(true) => {
                    if let Some(recorder) = recorder {
                        recorder.forget(0, recorder.len());
                    }
                }
                Ok(false) => return Verdict::NotApplicable,
                Err(cause) => return Verdict::Unknown(cause),
            }
        }
        verdict_of(self.unhealthy.evaluate(&env))
    }
}

/// The verdict that the truth of "it is unhealthy" stands for.
pub(crate) fn verdict_of(unhealthy: Truth) -> Verdict {
    match unhealthy {
        Ok(true) => Verdict::Unhealthy,
        Ok(false) => Verdict::Healthy,
        Err(cause) => Verdict::Unknown(cause),
    }
}
