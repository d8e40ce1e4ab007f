//! The configuration file: a user's decisions.

use std::path::{Path, PathBuf};

use anyhow::Context;
use yagura_posture::Settings;

use crate::args::KnowledgeArguments;

/// The settings of `--config`, else of the file that `YAGURA_CONFIG` names, else the defaults.
pub fn settings(knowledge: &KnowledgeArguments) -> anyhow::Result<Settings> {
    let named = knowledge.config.clone().or_else(|| std::env::var_os("YAGURA_CONFIG").map(PathBuf::from));
    named.map_or_else(|| Ok(Settings::default()), |path| read(&path))
}

fn read(path: &Path) -> anyhow::Result<Settings> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the configuration {}", path.display()))?;
    if text.trim().is_empty() {
        return Ok(Settings::default());
    }
    serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}
