//! Which part of the results is shown.

use anyhow::bail;
use yagura_content::Catalogue;
use yagura_model::{Cloud, Resource, Scope};
use yagura_posture::{Assessment, CloudScore, SecureScore, overall_percentage};

use crate::args::FilterArguments;

/// A checked set of filters. An empty one keeps everything.
pub struct Filter {
    arguments: FilterArguments,
    /// Which recommendations are kept, by position.
    recommendations: Vec<bool>,
}

impl Filter {
    /// Checks that standards exist and finds the recommendations that are kept.
    pub fn new(arguments: &FilterArguments, catalogue: &Catalogue) -> anyhow::Result<Self> {
        for standard in &arguments.standard {
            if !catalogue.standards().iter().any(|known| known.id == *standard) {
                let ids: Vec<_> = catalogue.standards().iter().map(|known| known.id.as_str()).collect();
                bail!("`{standard}` is no standard; there are {}", ids.join(", "));
            }
        }
        let mut recommendations = Vec::new();
        for recommendation in catalogue.recommendations() {
            let severity =
                arguments.severity.is_empty() || arguments.severity.contains(&recommendation.source.severity);
            let named = |standard: &String| {
                recommendation.standards().any(|(id, _, _)| id == standard)
                    || catalogue.standards().iter().filter(|known| known.id == *standard).any(|known| {
                        known
                            .controls
                            .iter()
                            .flat_map(|control| &control.recommendations)
                            .any(|key| key.eq_ignore_ascii_case(&recommendation.key))
                    })
            };
            recommendations.push(severity && (arguments.standard.is_empty() || arguments.standard.iter().any(named)));
        }
        Ok(Self { arguments: arguments.clone(), recommendations })
    }

    /// Refuses a scope that the estate does not have: an empty result would look like a clean one.
    pub fn check_scopes<'s>(&self, scopes: impl Iterator<Item = &'s Scope> + Clone) -> anyhow::Result<()> {
        for wanted in &self.arguments.scope {
            if !scopes.clone().any(|scope| names(scope, wanted)) {
                let known: Vec<_> = scopes.take(20).map(Scope::id).collect();
                bail!("`{wanted}` is no scope of this estate; there are {}", known.join(", "));
            }
        }
        Ok(())
    }

    /// Refuses filters that a command cannot honour.
    pub fn refuse(&self, command: &str, filters: &[&str]) -> anyhow::Result<()> {
        let given = |name: &str| match name {
            "severity" => !self.arguments.severity.is_empty(),
            "standard" => !self.arguments.standard.is_empty(),
            "resource" => !self.arguments.resource.is_empty(),
            _ => false,
        };
        match filters.iter().find(|name| given(name)) {
            Some(name) => bail!("`{command}` takes no --{name}: it is made of everything in a scope"),
            None => Ok(()),
        }
    }

    /// Whether a cloud is kept.
    pub fn keeps_cloud(&self, cloud: Cloud) -> bool {
        self.arguments.cloud.is_empty() || self.arguments.cloud.contains(&cloud)
    }

    /// Whether a standard is kept.
    pub fn keeps_standard(&self, id: &str) -> bool {
        self.arguments.standard.is_empty() || self.arguments.standard.iter().any(|wanted| wanted == id)
    }

    /// Whether a scope is kept.
    pub fn keeps_scope(&self, scope: &Scope) -> bool {
        self.keeps_cloud(scope.cloud())
            && (self.arguments.scope.is_empty() || self.arguments.scope.iter().any(|wanted| names(scope, wanted)))
    }

    /// Whether a resource is kept.
    pub fn keeps_resource(&self, resource: &Resource) -> bool {
        let contains = |text: &str, wanted: &str| text.to_ascii_lowercase().contains(&wanted.to_ascii_lowercase());
        let named = |wanted: &String| {
            contains(resource.id.as_str(), wanted)
                || contains(&resource.name, wanted)
                || contains(resource.kind.as_str(), wanted)
        };
        self.keeps_scope(&resource.scope)
            && (self.arguments.resource.is_empty() || self.arguments.resource.iter().any(named))
    }

    /// Whether a recommendation is kept, by position.
    pub fn keeps_recommendation(&self, position: u32) -> bool {
        self.recommendations.get(position as usize).copied().unwrap_or(false)
    }

    /// Whether an assessment is kept.
    pub fn keeps(&self, assessment: &Assessment) -> bool {
        self.keeps_recommendation(assessment.recommendation) && self.keeps_resource(&assessment.resource)
    }

    /// The score of the scopes that are kept, with the means over them.
    pub fn score(&self, score: SecureScore) -> SecureScore {
        let scopes: Vec<_> = score.scopes.into_iter().filter(|scope| self.keeps_scope(&scope.scope)).collect();
        let mut clouds = Vec::new();
        for cloud in Cloud::ALL {
            let own = || scopes.iter().filter(move |scope| scope.cloud == cloud);
            if own().next().is_some() {
                let weight = own().map(|scope| scope.weight).sum();
                clouds.push(CloudScore { cloud, percentage: overall_percentage(own()), weight });
            }
        }
        SecureScore { clouds, percentage: overall_percentage(&scopes), scopes }
    }
}

/// Whether a text is the id of a scope, or the last part of it.
fn names(scope: &Scope, wanted: &str) -> bool {
    let id = scope.id();
    wanted.eq_ignore_ascii_case(id) || id.rsplit('/').next().is_some_and(|last| wanted.eq_ignore_ascii_case(last))
}
