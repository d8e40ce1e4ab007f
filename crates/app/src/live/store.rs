//! The data folder and its connectors.

use std::path::PathBuf;

use anyhow::{Context, bail};
use yagura_store::{Connector, DEFAULT_TENANT, DataFolder, Store};

use crate::args::DataArguments;

/// Opens the data folder: `--data`, else `YAGURA_DATA`, else the system's place for a user's data.
pub fn open(arguments: &DataArguments) -> anyhow::Result<Store> {
    let named = arguments.data.clone().or_else(|| variable("YAGURA_DATA"));
    let Some(folder) = named.or_else(usual) else {
        bail!("there is no place for a user's data here: name a folder with --data or YAGURA_DATA");
    };
    let open = DataFolder::open(&folder).and_then(Store::open);
    open.with_context(|| format!("could not open the data folder {}", folder.display()))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The place by the XDG Base Directory Specification, of macOS, or of Windows.
fn usual() -> Option<PathBuf> {
    if cfg!(windows) {
        return Some(variable("LOCALAPPDATA")?.join("yagura"));
    }
    if cfg!(target_os = "macos") {
        return Some(variable("HOME")?.join("Library/Application Support/yagura"));
    }
    let data = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    Some(data.or_else(|| Some(variable("HOME")?.join(".local/share")))?.join("yagura"))
}

/// The connector of that name.
pub fn connector(store: &Store, name: &str) -> anyhow::Result<Connector> {
    if let Some(connector) = store.connector(DEFAULT_TENANT, name)? {
        return Ok(connector);
    }
    let known: Vec<_> = store.connectors(DEFAULT_TENANT)?.into_iter().map(|connector| connector.name).collect();
    if known.is_empty() {
        bail!("there is no connector `{name}`, and no other one: `yagura connect add` makes one");
    }
    bail!("there is no connector `{name}`; there are {}", known.join(", "))
}

/// The named connectors, or all when none is named.
pub fn chosen(store: &Store, names: &[String]) -> anyhow::Result<Vec<Connector>> {
    if names.is_empty() {
        let all = store.connectors(DEFAULT_TENANT)?;
        if all.is_empty() {
            bail!("there are no connectors yet: `yagura connect add` makes one");
        }
        return Ok(all);
    }
    let mut chosen: Vec<Connector> = Vec::new();
    for name in names {
        let found = connector(store, name)?;
        if !chosen.iter().any(|own| own.id == found.id) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}
