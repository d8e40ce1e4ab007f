//! `yagura inventory`

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use yagura_model::{Estate, Resource};

use crate::args::{EstateArguments, Format};
use crate::estate::Loaded;
use crate::exit::Exit;
use crate::output;

/// One resource in the inventory: part of the public output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    kind: &'a str,
    name: &'a str,
    cloud: &'a str,
    scope: &'a str,
    region: Option<&'a str>,
    resource_group: Option<&'a str>,
    category: Option<&'a str>,
    tags: BTreeMap<&'a str, &'a str>,
    /// Recommendations that speak of its kind; 0 = no rules for this kind.
    recommendations: usize,
}

/// Lists resources.
pub fn run(arguments: &EstateArguments) -> anyhow::Result<Exit> {
    let loaded = Loaded::read(arguments)?;
    let speaking = speaking(&loaded);
    let kept: Vec<&Arc<Resource>> =
        loaded.estate.resources().iter().filter(|resource| loaded.filter.keeps_resource(resource)).collect();
    let rows = kept.iter().map(|resource| row(&loaded, &speaking, resource));
    match arguments.output {
        Format::Json => output::json(&rows.collect::<Vec<_>>())?,
        Format::Jsonl => output::json_lines(rows)?,
        Format::Csv => csv(rows)?,
        Format::Table => table(&loaded, &speaking, &kept)?,
        other => output::not_here(other, "inventory", "table, json, jsonl, csv")?,
    }
    Ok(loaded.completeness())
}

type Speaking<'a> = BTreeMap<&'a yagura_model::Kind, usize>;

/// How many recommendations speak of each kind.
fn speaking(loaded: &Loaded) -> Speaking<'_> {
    let mut counts = BTreeMap::new();
    for recommendation in loaded.catalogue.recommendations() {
        for kind in recommendation.source.applies_to.as_slice() {
            *counts.entry(kind).or_default() += 1;
        }
    }
    counts
}

fn row<'a>(loaded: &'a Loaded, speaking: &Speaking<'_>, resource: &'a Resource) -> Row<'a> {
    let described = loaded.catalogue.resource_types().get(&resource.kind);
    let place = loaded.estate.kinds().get(&resource.kind).and_then(|facts| facts.tags.as_ref());
    Row {
        id: resource.id.as_str(),
        kind: resource.kind.as_str(),
        name: &resource.name,
        cloud: resource.cloud.as_str(),
        scope: resource.scope.id(),
        region: resource.region.as_deref(),
        resource_group: resource.group.as_deref(),
        category: described.map(|described| described.category.as_str()),
        tags: resource.tags(place).into_iter().collect(),
        recommendations: speaking.get(&resource.kind).copied().unwrap_or(0),
    }
}

fn csv<'a>(rows: impl Iterator<Item = Row<'a>>) -> anyhow::Result<()> {
    let header = ["id", "kind", "name", "cloud", "scope", "region", "resourceGroup", "category", "recommendations"];
    let mut out = yagura_report::CsvWriter::new(output::stdout(), &header)?;
    for row in rows {
        let count = row.recommendations.to_string();
        out.row(&[
            row.id,
            row.kind,
            row.name,
            row.cloud,
            row.scope,
            row.region.unwrap_or_default(),
            row.resource_group.unwrap_or_default(),
            row.category.unwrap_or_default(),
            &count,
        ])?;
    }
    out.finish()?;
    Ok(())
}

fn table(loaded: &Loaded, speaking: &Speaking<'_>, kept: &[&Arc<Resource>]) -> anyhow::Result<()> {
    let mut counts: BTreeMap<(yagura_model::Cloud, &yagura_model::Kind), usize> = BTreeMap::new();
    for resource in kept {
        *counts.entry((resource.cloud, &resource.kind)).or_default() += 1;
    }
    let mut rows = Vec::new();
    for ((cloud, kind), count) in counts {
        let described = loaded.catalogue.resource_types().get(kind);
        let title = described.map_or("", |described| described.title.get(loaded.language));
        let rules = match speaking.get(kind) {
            Some(count) => count.to_string(),
            None => "no rules for this kind".to_owned(),
        };
        rows.push(vec![cloud.title().to_owned(), kind.to_string(), title.to_owned(), count.to_string(), rules]);
    }
    output::table(&["Cloud", "Kind", "", ">Resources", ">Recommendations"], rows)?;
    output::line(format_args!("{} resources in {} accounts", kept.len(), loaded.account_count()))
}
