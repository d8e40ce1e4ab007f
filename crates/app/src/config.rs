//! The configuration file: a user's decisions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use yagura_content::Catalogue;
use yagura_posture::Settings;

use crate::args::KnowledgeArguments;

/// The settings of `--config`, else of the file that `YAGURA_CONFIG` names, else the defaults. What they name must
/// exist: a decision with a typing error would decide nothing, silently.
pub fn settings(knowledge: &KnowledgeArguments, catalogue: &Catalogue) -> anyhow::Result<Settings> {
    let named = knowledge.config.clone().or_else(|| std::env::var_os("YAGURA_CONFIG").map(PathBuf::from));
    let Some(path) = named else { return Ok(Settings::default()) };
    let mut settings = read(&path)?;
    resolve(&mut settings, catalogue).with_context(|| format!("in the configuration {}", path.display()))?;
    Ok(settings)
}

fn read(path: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the configuration {}", path.display()))?;
    if text.trim().is_empty() {
        return Ok(Settings::default());
    }
    serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

/// Checks names, and writes recommendations by their keys, however they were named.
fn resolve(settings: &mut Settings, catalogue: &Catalogue) -> anyhow::Result<()> {
    let plans = settings.plans.all.keys().chain(settings.plans.scopes.values().flat_map(BTreeMap::keys));
    for plan in plans {
        if !catalogue.plans().iter().any(|known| known.id == *plan) {
            let known: Vec<_> = catalogue.plans().iter().map(|known| known.id.as_str()).collect();
            bail!("`{plan}` is no plan; there are {}", known.join(", "));
        }
    }
    settings.parameters = resolved(std::mem::take(&mut settings.parameters), catalogue)?;
    for parameters in settings.scope_parameters.values_mut() {
        *parameters = resolved(std::mem::take(parameters), catalogue)?;
    }
    for exemption in &mut settings.exemptions {
        if exemption.key != "*" {
            exemption.key = key_of(&exemption.key, catalogue)?.to_owned();
        }
    }
    for attestation in &settings.attestations {
        let Some(standard) = catalogue.standards().iter().find(|known| known.id == attestation.standard) else {
            bail!("`{}` is no standard", attestation.standard);
        };
        if !standard.controls.iter().any(|control| control.id == attestation.control) {
            bail!("{} has no control `{}`", attestation.standard, attestation.control);
        }
    }
    Ok(())
}

type Parameters = BTreeMap<String, BTreeMap<String, serde_json::Value>>;

fn resolved(parameters: Parameters, catalogue: &Catalogue) -> anyhow::Result<Parameters> {
    let mut resolved = Parameters::new();
    for (name, values) in parameters {
        let key = key_of(&name, catalogue)?;
        let declared = &catalogue.recommendations()[catalogue.find(key).unwrap_or_default()].source.parameters;
        if let Some(unknown) = values.keys().find(|own| !declared.contains_key(own.as_str())) {
            let known: Vec<_> = declared.keys().map(String::as_str).collect();
            bail!(
                "`{name}` has no parameter `{unknown}`; it has {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            );
        }
        resolved.insert(key.to_owned(), values);
    }
    Ok(resolved)
}

fn key_of<'c>(name: &str, catalogue: &'c Catalogue) -> anyhow::Result<&'c str> {
    match catalogue.find(name) {
        Some(place) => Ok(&catalogue.recommendations()[place].key),
        None => bail!("`{name}` is no recommendation; `yagura content list` shows all"),
    }
}
