//! Tables with a header, separated by tabs, and the lists of disagreements in `docs/acceptance`.

use std::collections::BTreeMap;

/// One row by its column names.
pub type Row = BTreeMap<String, String>;

/// The rows of a table.
pub fn rows(text: &str) -> Vec<Row> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let row = |line: &str| {
        header.iter().zip(line.split('\t')).map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect()
    };
    lines.filter(|line| !line.is_empty()).map(row).collect()
}

/// Checks that the disagreements are exactly those that `docs/acceptance/NAME` lists, each with a reason.
///
/// The first column of the document names a disagreement, the last one gives the reason. `YAGURA_LIST=write` writes the
/// rows that are found, with the reasons that are known, for a person to complete.
pub fn check_listed(name: &str, header: &str, found: &BTreeMap<String, String>) {
    let path = super::workspace().join("docs").join("acceptance").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut reasons = BTreeMap::new();
    for line in text.lines().skip(1) {
        let key = line.split('\t').next().unwrap_or_default();
        reasons.insert(key.to_owned(), line.rsplit('\t').next().unwrap_or_default().to_owned());
    }
    if std::env::var_os("YAGURA_LIST").is_some_and(|mode| mode == "write") {
        let mut text = format!("{header}\n");
        for (key, rest) in found {
            text.push_str(&format!("{key}\t{rest}\t{}\n", reasons.get(key).map_or("", String::as_str)));
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    for key in found.keys() {
        assert!(
            reasons.get(key).is_some_and(|reason| !reason.is_empty()),
            "{key} disagrees and docs/acceptance/{name} gives no reason"
        );
    }
    for key in reasons.keys() {
        assert!(found.contains_key(key), "{key} agrees, but docs/acceptance/{name} lists it");
    }
}
