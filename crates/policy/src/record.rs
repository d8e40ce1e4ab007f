//! Evidence: what is kept of the comparisons that decide, with secrets left out.

use serde_json::Value as Json;
use yagura_model::Evidence;

use crate::datum::{Datum, Shape};
use crate::evaluate::Env;

/// Evidence of elements that is kept for one count.
pub(crate) const ELEMENTS_SHOWN: usize = 20;
/// The longest text and list that evidence shows.
const TEXT_SHOWN: usize = 300;
const ITEMS_SHOWN: usize = 20;
const LEVELS_SHOWN: usize = 6;

/// Names whose values are secrets wherever they stand.
const SECRET_NAMES: [&str; 17] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "clientsecret",
    "secretvalue",
    "connectionstring",
    "accesskey",
    "accountkey",
    "primarykey",
    "secondarykey",
    "sastoken",
    "token",
    "apikey",
    "privatekey",
    "userdata",
    "customdata",
];

fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    SECRET_NAMES.iter().any(|secret| plain.ends_with(secret))
}

/// A value as evidence shows it: bounded, and with secrets hidden.
pub(crate) fn shown(path: &str, value: &Datum<'_>) -> Json {
    let last = path.rsplit(['.', '/']).next().unwrap_or_default();
    let name = last.trim_end_matches("[*]").trim_end_matches([']', '\'']);
    shown_below(name.rsplit('\'').next().unwrap_or(name), value, LEVELS_SHOWN)
}

fn shown_below(name: &str, value: &Datum<'_>, levels: usize) -> Json {
    match value.shape() {
        Shape::Text(text) if !text.is_empty() && is_secret_name(name) => "(hidden)".into(),
        Shape::Text(text) if text.chars().count() > TEXT_SHOWN => {
            let start: String = text.chars().take(TEXT_SHOWN).collect();
            format!("{start}… ({} characters)", text.chars().count()).into()
        }
        Shape::List | Shape::Object if levels == 0 => format!("({} elements)", value.len()).into(),
        Shape::List => {
            let items = value.to_items();
            let mut kept: Vec<Json> =
                items.iter().take(ITEMS_SHOWN).map(|item| shown_below(name, item, levels - 1)).collect();
            if items.len() > ITEMS_SHOWN {
                kept.push(format!("… and {} more", items.len() - ITEMS_SHOWN).into());
            }
            kept.into()
        }
        Shape::Object => {
            let entries = value.to_entries();
            let mut kept = serde_json::Map::new();
            for (key, value) in entries.iter().take(ITEMS_SHOWN) {
                kept.insert(key.to_string(), shown_below(key, value, levels - 1));
            }
            if entries.len() > ITEMS_SHOWN {
                kept.insert("…".to_owned(), format!("and {} more", entries.len() - ITEMS_SHOWN).into());
            }
            kept.into()
        }
        _ => value.to_json(),
    }
}

/// Keeps one piece of evidence, with the resource it was read from unless that is the assessed one.
pub(crate) fn push(
    env: &Env<'_>,
    place: &str,
    path: &str,
    found: Json,
    operator: &str,
    wanted: Json,
    held: Option<bool>,
) {
    let Some(recorder) = env.recorder else { return };
    let other = !std::ptr::eq(env.subject.resource, env.assessed.resource);
    recorder.push(Evidence {
        rule: place.to_owned(),
        resource: other.then(|| env.subject.resource.id.clone()),
        path: path.to_owned(),
        found,
        operator: operator.to_owned(),
        wanted,
        held,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_never_shown() {
        for path in ["properties.administratorLoginPassword", "properties.app['ClientSecret']", "a.connection_string"] {
            assert_eq!(shown(path, &Datum::text("hunter2")), json!("(hidden)"), "{path}");
        }
        let nested = json!({"settings": [{"apiKey": "x", "name": "n"}]});
        assert_eq!(
            shown("properties", &Datum::Json(&nested)),
            json!({"settings": [{"apiKey": "(hidden)", "name": "n"}]})
        );
        assert_eq!(shown("properties.keySource", &Datum::text("Microsoft.KeyVault")), json!("Microsoft.KeyVault"));
        assert_eq!(shown("properties.passwordPolicyEnabled", &Datum::Bool(true)), json!(true));
    }

    #[test]
    fn long_values_are_cut() {
        let long = json!((0..100).collect::<Vec<_>>());
        assert_eq!(shown("a", &Datum::Json(&long)).as_array().map(Vec::len), Some(ITEMS_SHOWN + 1));
        assert!(shown("a", &Datum::text("x".repeat(5000))).as_str().is_some_and(|text| text.len() < 400));
    }
}
