//! Calls that follow from what was read: answers of single resources, children, and what lists only named.

use serde_json::{Map, Value as Json, json};
use yagura_content::TemplateValues;
use yagura_model::{Cloud, Kind, Resource, Scope, Value};

use super::Reader;
use super::calls::Purpose;
use super::items::Found;

/// A call that should be made because of something that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FollowUp {
    pub cloud: Cloud,
    pub scope: Scope,
    pub region: Option<String>,
    pub service: String,
    pub operation: String,
    pub params: Map<String, Json>,
}

impl Reader<'_> {
    /// Starts to remember calls that follow.
    pub(crate) fn remember_follow_ups(&mut self) {
        self.follow_ups = Some(Vec::new());
    }

    /// The calls that follow from what was read since the last time.
    pub(crate) fn take_follow_ups(&mut self) -> Vec<FollowUp> {
        self.follow_ups.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The calls that are made for a resource.
    pub(super) fn follow(&mut self, resource: &Resource) {
        let Some(found) = &mut self.follow_ups else { return };
        if resource.cloud == Cloud::Azure {
            found.extend(self.names.arm_calls(resource));
            return;
        }
        let account = resource.scope.id().rsplit('/').next().unwrap_or_default();
        let region = resource.region.as_deref();
        let values = TemplateValues { account, region: region.unwrap_or_default(), partition: "aws", params: None };
        for place in self.calls.for_each(&resource.kind) {
            let Some(made) = self.calls.at(*place) else { continue };
            let root = resource.document.root();
            let Some(params) = made.params.filled(root, &values) else { continue };
            let (service, operation, url) = made.named();
            let mut params = params;
            if let Some(url) = url.and_then(|url| yagura_model::Template::parse(url).ok()) {
                let Ok(url) = values.fill(&url, root) else { continue };
                params.insert("url".to_owned(), url.into());
            }
            found.push(FollowUp {
                cloud: resource.cloud,
                scope: resource.scope.clone(),
                region: region.map(str::to_owned),
                service: service.to_owned(),
                operation: operation.to_owned(),
                params,
            });
        }
    }

    /// The calls that describe what a list only named.
    pub(super) fn follow_names(
        &mut self,
        kind: &Kind,
        scope: &Scope,
        region: Option<&str>,
        asked: Option<Value<'_>>,
        names: &Found<'_>,
    ) {
        if self.follow_ups.is_none() {
            return;
        }
        let Found::Values(names) = names else { return };
        let account = scope.id().rsplit('/').next().unwrap_or_default().to_owned();
        let mut calls = Vec::new();
        for place in self.calls.describing(kind) {
            let Some(made) = self.calls.at(place) else { continue };
            let values = TemplateValues {
                account: &account,
                region: region.unwrap_or_default(),
                partition: "aws",
                params: asked,
            };
            let (service, operation, _) = made.named();
            for name in names {
                let Some(params) = made.params.filled(*name, &values) else { continue };
                calls.push(FollowUp {
                    cloud: scope.cloud(),
                    scope: scope.clone(),
                    region: region.map(str::to_owned),
                    service: service.to_owned(),
                    operation: operation.to_owned(),
                    params,
                });
            }
        }
        if let Some(found) = &mut self.follow_ups {
            found.extend(calls);
        }
    }
}

impl super::calls::Use<'_> {
    /// Service, operation and the URL of a direct call.
    pub(crate) fn named(&self) -> (&str, &str, Option<&str>) {
        match &self.purpose {
            Purpose::List(list) => (
                list.service.as_deref().unwrap_or("graph"),
                list.operation.as_deref().or(list.graph.as_deref()).unwrap_or_default(),
                list.url.as_deref(),
            ),
            Purpose::Attach(name) => {
                let call = self.described.attached.get(*name);
                let service = call.and_then(|call| call.service.as_deref()).unwrap_or_default();
                let operation = call.and_then(|call| call.operation.as_deref()).unwrap_or_default();
                (service, operation, call.and_then(|call| call.url.as_deref()))
            }
        }
    }
}

/// The parameters of an ARM call for the children of a resource.
pub(crate) fn arm_params(path: &str, api_version: &str, parent: &str) -> Map<String, Json> {
    match json!({ "path": path, "api_version": api_version, "parent": parent }) {
        Json::Object(params) => params,
        _ => Map::new(),
    }
}
