//! Resources: the cloud's own documents under one envelope.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Timestamp;
use crate::assessment::Cause;
use crate::document::{Document, Value};
use crate::kind::{Kind, compare_folded, hash_folded};
use crate::path::{Path, Segment};
use crate::scope::{Cloud, Scope};

/// The cloud's own id of a resource: an ARM id, an ARN, an asset name.
/// Azure ids compare without ASCII case; all keep the case they came in.
#[derive(Clone)]
pub struct ResourceId {
    text: Arc<str>,
    folds: bool,
}

impl ResourceId {
    /// An id of that cloud.
    pub fn new(cloud: Cloud, text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), folds: cloud.folds_ids() }
    }

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it compares without ASCII case.
    pub(crate) fn folds(&self) -> bool {
        self.folds
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        if self.folds != other.folds {
            return false;
        }
        Arc::ptr_eq(&self.text, &other.text)
            || if self.folds { self.text.eq_ignore_ascii_case(&other.text) } else { self.text == other.text }
    }
}

impl Eq for ResourceId {}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.folds { hash_folded(&self.text, state) } else { self.text.hash(state) }
    }
}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_text = if self.folds && other.folds {
            compare_folded(&self.text, &other.text)
        } else {
            self.text.cmp(&other.text)
        };
        by_text.then(self.folds.cmp(&other.folds))
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// One resource as the cloud describes it.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The cloud's own id.
    pub id: ResourceId,
    /// The cloud's own name of its kind.
    pub kind: Kind,
    /// The cloud.
    pub cloud: Cloud,
    /// The subscription, account, project or tenant it belongs to.
    pub scope: Scope,
    /// The Azure resource group, if it lies in one.
    pub group: Option<Arc<str>>,
    /// The name for people.
    pub name: Box<str>,
    /// Region, location or zone; none for global things.
    pub region: Option<Arc<str>>,
    /// When the cloud gave this document; none when the source does not say.
    pub observed_at: Option<Timestamp>,
    /// The cloud's own JSON, untouched.
    pub document: Document,
    /// Answers without an identity of their own, by the name of their call.
    pub attached: Vec<Attachment>,
}

/// An answer that hangs under a resource: `GetBucketPolicy`, `iamPolicy`.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The name of the call.
    pub name: Arc<str>,
    /// What came back.
    pub answer: Answer,
}

/// What a call about a resource came back with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The answer.
    Found(Document),
    /// The cloud said that there is none.
    Absent,
    /// The call failed: nothing is known.
    Failed(Cause),
}

/// Where the clouds keep tags and labels.
const TAG_PLACES: [&str; 5] = ["tags", "labels", "TagList", "TagSet", "Tags"];

fn pairs(tags: Value<'_>) -> Vec<(&str, &str)> {
    let members = tags.entries().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let listed = tags.items().filter_map(|tag| {
        let part = |name: &str| tag.get(name).and_then(Value::as_str);
        Some((part("Key").or_else(|| part("TagKey"))?, part("Value").or_else(|| part("TagValue"))?))
    });
    members.chain(listed).collect()
}

impl Resource {
    /// The answer attached under that name (without case); none when it was never asked for.
    pub fn attachment(&self, name: &str) -> Option<&Answer> {
        self.attached.iter().find(|attached| attached.name.eq_ignore_ascii_case(name)).map(|attached| &attached.answer)
    }

    /// Adds an answer; a found one replaces a failed or absent one of the same name, never the other way round.
    pub fn attach(&mut self, name: Arc<str>, answer: Answer) {
        let Some(existing) = self.attached.iter_mut().find(|attached| attached.name.eq_ignore_ascii_case(&name)) else {
            return self.attached.push(Attachment { name, answer });
        };
        if matches!(answer, Answer::Found(_)) || !matches!(existing.answer, Answer::Found(_)) {
            existing.answer = answer;
        }
    }

    /// Hangs an answer in place of the one of that name, whatever that was.
    pub(crate) fn replace_attachment(&mut self, name: Arc<str>, answer: Answer) {
        self.attached.retain(|attached| !attached.name.eq_ignore_ascii_case(&name));
        self.attached.push(Attachment { name, answer });
    }

    /// One tag, by its name without case. `place` is where this kind keeps tags, if not at one of the usual places.
    pub fn tag(&self, name: &str, place: Option<&Path>) -> Option<&str> {
        self.tags(place).into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Tags or labels as pairs: members of an object, or an AWS list of `Key` and `Value`. The first place that holds
    /// some is taken; a Compute Engine instance's `tags` are network tags and hold no pairs.
    pub fn tags(&self, place: Option<&Path>) -> Vec<(&str, &str)> {
        let root = self.document.root();
        if let Some(place) = place {
            return place.first(root).map(pairs).unwrap_or_default();
        }
        let places = TAG_PLACES.iter().filter_map(|place| root.get(place));
        places.map(pairs).find(|pairs| !pairs.is_empty()).unwrap_or_default()
    }

    /// Calls `found` with every value of a path that may start with the name of an attached answer.
    pub fn visit<'a>(&'a self, path: &Path, found: &mut impl FnMut(Value<'a>)) {
        if let Some((Segment::Key(first), rest)) = path.segments().split_first()
            && let Some(answer) = self.attachment(first)
        {
            if let Answer::Found(document) = answer {
                Path::of(rest).visit(document.root(), found);
            }
            return;
        }
        path.visit(self.document.root(), found);
    }
}
