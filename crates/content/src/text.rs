//! Texts for people, and small shapes that many files share.

use serde::{Deserialize, Serialize};

/// A language that Yagura speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English
    #[default]
    English,
    /// Japanese
    Japanese,
}

impl std::str::FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "en" => Ok(Self::English),
            "ja" => Ok(Self::Japanese),
            _ => Err(format!("`{text}` is not a language: use en or ja")),
        }
    }
}

/// One text in both languages; Japanese may be missing in a user's own content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English
    pub en: String,
    /// Japanese
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ja: Option<String>,
}

impl Text {
    /// The text in a language, English where it is missing.
    pub fn get(&self, language: Language) -> &str {
        match (language, &self.ja) {
            (Language::Japanese, Some(text)) => text,
            _ => &self.en,
        }
    }
}

/// A list of texts in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// English
    #[serde(default)]
    pub en: Vec<String>,
    /// Japanese
    #[serde(default)]
    pub ja: Vec<String>,
}

impl Texts {
    /// The texts in a language, English where they are missing.
    pub fn get(&self, language: Language) -> &[String] {
        match language {
            Language::Japanese if !self.ja.is_empty() => &self.ja,
            _ => &self.en,
        }
    }
}

/// A value or a list of values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}
