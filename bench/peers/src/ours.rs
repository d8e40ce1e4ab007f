//! Yagura's engine.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use yagura_model::{
    Cloud, Document, EstateBuilder, Kind, KindCatalogue, MemoryEstate, Resource, ResourceId, Scope, Sink, Timestamp,
    Value, Verdict,
};
use yagura_policy::Context;
use yagura_policy::azure::{AliasCatalogue, CompiledPolicy};

use crate::{Answer, Definition};

/// The compiled definitions.
pub struct Engine {
    policies: Vec<CompiledPolicy>,
    /// Places of the definitions that speak of a kind.
    by_kind: HashMap<Kind, Vec<usize>>,
}

/// Resources that are ready, in the order of their texts.
pub struct Ready {
    estate: MemoryEstate,
    resources: Vec<Arc<Resource>>,
}

impl Engine {
    /// Compiles the definitions.
    pub fn new(definitions: &[Definition]) -> Result<Self> {
        let aliases = Arc::new(AliasCatalogue::bundled());
        let compile = |definition: &Definition| {
            let json = serde_json::from_str(&definition.text)?;
            let read = yagura_policy::azure::Definition::from_json(&json).map_err(|error| anyhow!("{error:?}"))?;
            read.compile(&aliases, None).map_err(|error| anyhow!("{}: {error:?}", definition.name))
        };
        let policies: Vec<CompiledPolicy> = definitions.iter().map(compile).collect::<Result<_>>()?;
        let mut by_kind: HashMap<Kind, Vec<usize>> = HashMap::new();
        for (place, policy) in policies.iter().enumerate() {
            for kind in policy.kinds().context("a definition that speaks of every kind")? {
                by_kind.entry(kind.clone()).or_default().push(place);
            }
        }
        Ok(Self { policies, by_kind })
    }

    /// Makes resources of their JSON text, and an estate of the resources.
    pub fn estate(&self, texts: &[String]) -> Result<Ready> {
        let mut builder = EstateBuilder::new();
        let mut ids = Vec::with_capacity(texts.len());
        for text in texts {
            let resource = resource(text)?;
            ids.push(resource.id.clone());
            builder.resource(resource);
        }
        let estate = builder.finish(Arc::new(KindCatalogue::default()));
        let find = |id: &ResourceId| yagura_model::Estate::by_id(&estate, id).context("an id is there twice");
        let resources = ids.iter().map(find).collect::<Result<_>>()?;
        Ok(Ready { estate, resources })
    }

    /// What one definition says of one resource.
    pub fn answer(&self, place: usize, ready: &Ready, number: usize) -> Answer {
        answer(&self.policies[place], &ready.resources[number], &context(ready))
    }

    /// How many pairs are triggered.
    pub fn count(&self, ready: &Ready) -> usize {
        let context = context(ready);
        let triggered = |resource: &Arc<Resource>| {
            self.policies.iter().filter(|policy| answer(policy, resource, &context) == Answer::Triggered).count()
        };
        ready.resources.iter().map(triggered).sum()
    }

    /// The same, asking only definitions that speak of the resource's kind.
    pub fn count_by_kind(&self, ready: &Ready) -> usize {
        let context = context(ready);
        let triggered = |resource: &Arc<Resource>| {
            let places = self.by_kind.get(&resource.kind).map_or(&[][..], Vec::as_slice);
            let policies = places.iter().map(|place| &self.policies[*place]);
            policies.filter(|policy| answer(policy, resource, &context) == Answer::Triggered).count()
        };
        ready.resources.iter().map(triggered).sum()
    }
}

fn context(ready: &Ready) -> Context<'_> {
    Context { estate: &ready.estate, now: Timestamp::UNIX_EPOCH, parameters: None }
}

fn answer(policy: &CompiledPolicy, resource: &Resource, context: &Context<'_>) -> Answer {
    match policy.evaluate(resource, context) {
        Verdict::Unhealthy => Answer::Triggered,
        Verdict::Healthy | Verdict::NotApplicable => Answer::Not,
        Verdict::Unknown(_) => Answer::Undecided,
    }
}

fn resource(text: &str) -> Result<Resource> {
    let document = Document::parse(text.as_bytes())?;
    let root = document.root();
    let part = |name: &str| root.get(name).and_then(Value::as_str).with_context(|| format!("no `{name}`"));
    let (id, kind, name, region) = (part("id")?, part("type")?, part("name")?, part("location")?);
    let parts: Vec<&str> = id.split('/').collect();
    Ok(Resource {
        id: ResourceId::new(Cloud::Azure, id),
        kind: Kind::new(kind),
        cloud: Cloud::Azure,
        scope: Scope::account(Cloud::Azure, &parts[..3].join("/")),
        group: parts.get(4).map(|group| (*group).into()),
        name: name.into(),
        region: Some(region.into()),
        observed_at: None,
        attached: Vec::new(),
        document,
    })
}
