//! Content files before they are understood.

use std::io::BufRead;

use serde::de::DeserializeOwned;

use crate::diagnostic::Diagnostic;

/// A content file: its path below the content folder and what stands in it.
#[derive(Clone, Debug)]
pub struct ContentFile {
    /// Path below the content folder with `/`, for instance `recommendations/azure/storage/secure-transfer.yaml`.
    pub path: String,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    /// YAML as a person wrote it.
    Yaml(String),
    /// The JSON that the build made of it.
    Json(String),
}

impl ContentFile {
    /// A file with its YAML text.
    pub fn yaml(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), body: Body::Yaml(text.into()) }
    }

    /// The text, for digests.
    pub(crate) fn text(&self) -> &str {
        match &self.body {
            Body::Yaml(text) | Body::Json(text) => text,
        }
    }

    /// The line on which a top-level field starts, for diagnostics.
    pub(crate) fn line_of(&self, field: &str) -> Option<u64> {
        let Body::Yaml(text) = &self.body else { return None };
        let is_field = |line: &str| line.strip_prefix(field).is_some_and(|rest| rest.starts_with(':'));
        text.lines().position(is_field).map(|line| line as u64 + 1)
    }

    /// The first line in which a text stands, for diagnostics.
    pub(crate) fn line_with(&self, wanted: &str) -> Option<u64> {
        let Body::Yaml(text) = &self.body else { return None };
        text.lines().position(|line| line.contains(wanted)).map(|line| line as u64 + 1)
    }

    /// The file as a value of its schema.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Diagnostic> {
        match &self.body {
            Body::Json(text) => {
                serde_json::from_str(text).map_err(|error| Diagnostic::error(&self.path, "schema", error.to_string()))
            }
            Body::Yaml(text) => self.read_yaml(text),
        }
    }

    /// By way of JSON, as the build does for shipped files, so that a file means the same in both places.
    fn read_yaml<T: DeserializeOwned>(&self, text: &str) -> Result<T, Diagnostic> {
        let json = yaml_value(text).map(serde_json::from_value);
        match json {
            Ok(Ok(read)) => Ok(read),
            Err(error) => Err(self.yaml_fault(&error)),
            // The YAML reader knows the line.
            Ok(Err(error)) => match serde_saphyr::from_str_with_options::<T>(text, yaml_options()) {
                Err(located) => Err(self.yaml_fault(&located)),
                Ok(_) => Err(Diagnostic::error(&self.path, "schema", error.to_string())),
            },
        }
    }

    fn yaml_fault(&self, error: &serde_saphyr::Error) -> Diagnostic {
        let line = error.location().map(|location| location.line());
        let message = error.to_string();
        let first = message.lines().find(|line| line.starts_with("error")).or_else(|| message.lines().next_back());
        let reason = message.lines().find_map(|line| line.split_once("^ ").map(|(_, reason)| reason));
        let text = reason.or(first).unwrap_or("it could not be read").trim_start_matches("error: ");
        Diagnostic::error(&self.path, "schema", text).at_line(line)
    }
}

/// YAML 1.2 booleans alone: `On` and `Yes` are words that clouds use.
fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

fn yaml_value(text: &str) -> Result<serde_json::Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, yaml_options())
}

/// The content that is built into the binary.
///
/// # Panics
/// When the blob that the build made cannot be read, which a test holds.
pub fn shipped() -> Vec<ContentFile> {
    let blob: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/content.zst"));
    let plain = zstd::decode_all(blob).expect("the build wrote this blob");
    let mut files = Vec::new();
    for line in plain.lines() {
        let line = line.expect("the build wrote UTF-8");
        let (path, body): (String, Box<serde_json::value::RawValue>) =
            serde_json::from_str(&line).expect("the build wrote a pair a line");
        files.push(ContentFile { path, body: Body::Json(body.get().to_owned()) });
    }
    files
}
