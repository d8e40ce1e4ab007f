//! Kinds of resources and how they relate.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::path::Path;
use crate::scope::Cloud;

/// The cloud's own name of a kind of resource: `Microsoft.Compute/virtualMachines`, `AWS::EC2::Instance`,
/// `compute.googleapis.com/Instance`. Compares without ASCII case and keeps the case it came in.
#[derive(Clone)]
pub struct Kind(Arc<str>);

impl Kind {
    /// A kind by its name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this kind lies below `other` by its name, as `Microsoft.Sql/servers/databases` does below `Microsoft.Sql/servers`.
    pub fn is_below(&self, other: &Self) -> bool {
        let (name, above) = (self.0.as_bytes(), other.0.as_bytes());
        name.len() > above.len() && name[above.len()] == b'/' && name[..above.len()].eq_ignore_ascii_case(above)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Kind {}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_folded(&self.0, state);
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare_folded(&self.0, &other.0)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Hashes a text so that texts that differ only in ASCII case hash the same.
pub(crate) fn hash_folded<H: Hasher>(text: &str, state: &mut H) {
    let mut buffer = [0u8; 64];
    for chunk in text.as_bytes().chunks(64) {
        let folded = &mut buffer[..chunk.len()];
        folded.copy_from_slice(chunk);
        folded.make_ascii_lowercase();
        state.write(folded);
    }
    state.write_u8(0xff);
}

/// Orders texts without ASCII case.
pub(crate) fn compare_folded(left: &str, right: &str) -> std::cmp::Ordering {
    let fold = |byte: u8| byte.to_ascii_lowercase();
    let (left, right) = (left.as_bytes(), right.as_bytes());
    // Ids that are compared mostly begin alike, written alike.
    let words = left.chunks_exact(8).zip(right.chunks_exact(8));
    let same = words.take_while(|(left, right)| left == right).count() * 8;
    left[same..].iter().map(|byte| fold(*byte)).cmp(right[same..].iter().map(|byte| fold(*byte)))
}

/// What an estate must know of a kind to answer questions.
#[derive(Clone, Debug)]
pub struct KindFacts {
    /// The kind.
    pub kind: Kind,
    /// Its cloud.
    pub cloud: Cloud,
    /// Relations to other kinds by name.
    pub relations: HashMap<Box<str>, Relation>,
    /// Names of the answers that may hang under a resource of this kind.
    pub attached: Vec<Box<str>>,
    /// Where tags stand, if not at one of the usual places.
    pub tags: Option<Path>,
    /// Every scope that was looked at has one such resource, listed or not.
    pub implied: Option<Implied>,
}

/// Where a resource exists without being listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implied {
    /// One for each subscription, account or project.
    Scope,
    /// One for each region of each account.
    Region,
}

/// A relation from one kind to others.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Where the ids (or values) stand in the document, or under an attached answer.
    pub path: Path,
    /// The kinds it may lead to.
    pub kinds: Vec<Kind>,
    /// How a value becomes an id: `{}` is the value; none = the value is the id.
    pub target: Option<Template>,
}

/// A text with `{name}` parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Hole(Box<str>),
}

impl Template {
    /// Parses `arn:aws:ec2:{region}:{account}:vpc/{}`; an error names the brace without a partner.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Text(rest[..open].into()));
            }
            let close = rest[open..].find('}').ok_or_else(|| format!("`{text}` has a `{{` without `}}`"))?;
            parts.push(Part::Hole(rest[open + 1..open + close].into()));
            rest = &rest[open + close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self { parts })
    }

    /// Names of the holes in their order.
    pub fn holes(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(name) => Some(name.as_ref()),
            Part::Text(_) => None,
        })
    }

    /// The text with every hole filled, or the name of the first hole that `value_of` does not know.
    pub fn fill(&self, mut value_of: impl FnMut(&str) -> Option<String>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Hole(name) => text.push_str(&value_of(name).ok_or_else(|| name.to_string())?),
            }
        }
        Ok(text)
    }
}

/// All kinds that are described, by kind.
#[derive(Clone, Debug, Default)]
pub struct KindCatalogue {
    facts: HashMap<Kind, KindFacts>,
}

impl KindCatalogue {
    /// Adds or replaces the facts of a kind.
    pub fn insert(&mut self, facts: KindFacts) {
        self.facts.insert(facts.kind.clone(), facts);
    }

    /// The facts of a kind, if it is described.
    pub fn get(&self, kind: &Kind) -> Option<&KindFacts> {
        self.facts.get(kind)
    }

    /// All facts, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &KindFacts> {
        self.facts.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_compare_without_case_and_keep_their_writing() {
        let one = Kind::new("Microsoft.Sql/servers");
        assert_eq!(one, Kind::new("microsoft.sql/SERVERS"));
        assert_eq!(one.as_str(), "Microsoft.Sql/servers");
        assert!(Kind::new("microsoft.sql/servers/databases").is_below(&one));
        assert!(!Kind::new("Microsoft.Sql/serversX").is_below(&one));
    }

    #[test]
    fn a_template_fills_its_holes_or_names_the_missing_one() {
        let template = Template::parse("arn:{partition}:s3:::{Name}").unwrap();
        let fill = |name: &str| (name == "partition").then(|| "aws".to_owned());
        assert_eq!(template.fill(fill), Err("Name".to_owned()));
        assert_eq!(template.fill(|_| Some("x".into())), Ok("arn:x:s3:::x".to_owned()));
        assert!(Template::parse("a{b").is_err());
    }
}
