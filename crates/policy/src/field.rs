//! What `field` names: a place in a document, in the envelope, or below an element that is being counted.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use yagura_model::{Answer, Cause, Kind, Path, Resource, Segment, Value};

use crate::azure::{Alias, AliasCatalogue};
use crate::datum::Datum;
use crate::evaluate::{Env, Subject};
use crate::expression::{Expr, evaluate::evaluate};
use crate::text;

/// Which front end a rule comes from.
#[derive(Clone, Debug)]
pub(crate) enum Dialect {
    /// Our own form: document paths, envelope paths, attached answers.
    Own,
    /// Azure Policy: aliases, at an API version or at none in particular.
    Azure(Arc<AliasCatalogue>, Option<Arc<str>>),
}

impl Dialect {
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own)
    }

    /// The field a text names. The error says why it names none.
    pub(crate) fn field(&self, text: &str) -> Result<Field, String> {
        match self {
            Self::Own => own_field(text),
            Self::Azure(catalogue, version) => azure_field(text, catalogue, version.as_deref()),
        }
    }
}

/// A field, ready to be read.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Where the steps start.
    source: Source,
    steps: Box<[Segment]>,
    /// As written.
    pub text: Box<str>,
    /// Whether `[*]` stands in it: it names a collection.
    pub collects: bool,
    /// Whether `[*]` on one value stands for that value.
    lenient: bool,
    /// The kinds that `steps` hold for; empty = any.
    kinds: Box<[Kind]>,
    /// Paths for other kinds.
    others: Box<[OtherPlace]>,
    /// The path where the first one leads to nothing.
    usual: Option<Box<[Segment]>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// The document; in our own form the first step may name an attached answer.
    Document,
    /// The element that many frames up.
    Element(u16),
    Id,
    Name,
    FullName,
    Kind,
    Region,
    Scope,
    Tags,
    Tag(Box<str>),
    DocumentTag(Box<str>),
}

/// Kinds and the path that holds for them.
type OtherPlace = (Box<[Kind]>, Box<[Segment]>);

/// A field that is known when the rule is compiled, or one whose name is an expression.
#[derive(Clone, Debug)]
pub(crate) enum FieldRef {
    /// Known.
    Fixed(Field),
    /// To be named by an expression.
    Dynamic(Box<DynamicField>),
}

/// A field whose name is an expression, with what its binding needs.
#[derive(Clone, Debug)]
pub(crate) struct DynamicField {
    name: Expr,
    text: Box<str>,
    dialect: Dialect,
    scopes: Box<[Counted]>,
    subject: u16,
}

/// An element that surrounds a condition while it is compiled.
#[derive(Clone, Debug)]
pub(crate) enum Counted {
    /// An element of `count.field`: every path that starts with these steps stands below it.
    Path { steps: Box<[Segment]>, subject: u16 },
    /// An element of `count.value`.
    Value { name: Option<Box<str>> },
}

impl Counted {
    pub(crate) fn subject(&self) -> Option<u16> {
        match self {
            Self::Path { subject, .. } => Some(*subject),
            Self::Value { .. } => None,
        }
    }
}

impl FieldRef {
    pub(crate) fn dynamic(name: Expr, text: &str, dialect: &Dialect, scopes: &[Counted], subject: u16) -> Self {
        Self::Dynamic(Box::new(DynamicField {
            name,
            text: text.into(),
            dialect: dialect.clone(),
            scopes: scopes.into(),
            subject,
        }))
    }

    /// The field, named by its expression where it is not yet known.
    pub(crate) fn resolve<'a>(&'a self, env: &Env<'a>) -> Result<Cow<'a, Field>, Cause> {
        match self {
            Self::Fixed(field) => Ok(Cow::Borrowed(field)),
            Self::Dynamic(dynamic) => {
                let name = evaluate(&dynamic.name, env)?;
                let Some(text) = name.as_str() else {
                    return Err(undecidable(format!("the field name `{}` is {}", dynamic.text, name.describe())));
                };
                let field = dynamic.dialect.field(text).map_err(undecidable)?;
                Ok(Cow::Owned(bind(field, &dynamic.scopes, dynamic.subject)))
            }
        }
    }

    /// As written.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Fixed(field) => &field.text,
            Self::Dynamic(dynamic) => &dynamic.text,
        }
    }
}

pub(crate) fn undecidable(what: impl Into<Arc<str>>) -> Cause {
    Cause::Undecidable(what.into())
}

impl Field {
    fn at(source: Source, text: &str) -> Self {
        Self { steps: Box::new([]), ..Self::bare(source, text, true) }
    }

    fn document(path: &Path, text: &str, lenient: bool) -> Self {
        let steps: Box<[Segment]> = path.segments().into();
        let collects = steps.contains(&Segment::Each);
        Self { steps, collects, ..Self::bare(Source::Document, text, lenient) }
    }

    fn bare(source: Source, text: &str, lenient: bool) -> Self {
        Self {
            source,
            steps: Box::new([]),
            text: text.into(),
            collects: false,
            lenient,
            kinds: Box::new([]),
            others: Box::new([]),
            usual: None,
        }
    }

    fn alias(alias: Alias, text: &str) -> Result<Self, String> {
        let mut places = alias.places.into_iter();
        let first = places.next().ok_or_else(|| format!("`{text}` has no path"))?;
        let others = places.map(|place| (place.kinds.into(), place.path.segments().into()));
        Ok(Self {
            kinds: first.kinds.into(),
            others: others.collect(),
            usual: alias.usual.map(|path| path.segments().into()),
            ..Self::document(&first.path, text, false)
        })
    }

    /// Whether it is a field of our own form.
    pub(crate) fn is_own(&self) -> bool {
        self.lenient
    }

    /// Whether it stands below an element that is being counted.
    pub(crate) fn is_bound(&self) -> bool {
        matches!(self.source, Source::Element(_))
    }

    /// The same field for resources of one kind: its path is known.
    pub(crate) fn for_kind(&self, kind: &Kind) -> Self {
        if self.kinds.contains(kind) {
            return Self { kinds: Box::new([]), others: Box::new([]), ..self.clone() };
        }
        let other = self.others.iter().find(|(kinds, _)| kinds.contains(kind));
        match (&self.source, other) {
            (Source::Document, Some((_, steps))) => {
                Self { steps: steps.clone(), kinds: Box::new([]), others: Box::new([]), usual: None, ..self.clone() }
            }
            _ => self.clone(),
        }
    }

    /// Whether it is the type, name or `kind` of a resource, by which Azure Policy tells whether a policy applies.
    pub(crate) fn names_the_resource(&self) -> bool {
        let is_kind_property = || matches!(&*self.steps, [Segment::Key(name)] if name.eq_ignore_ascii_case("kind"));
        match self.source {
            Source::Kind | Source::Name | Source::FullName => true,
            Source::Document => is_kind_property(),
            _ => false,
        }
    }

    /// Whether it is the kind (Azure: the type) of the resource.
    pub(crate) fn is_kind(&self) -> bool {
        self.source == Source::Kind
    }

    /// The steps in the document, if it is a path in a document or below an element.
    pub(crate) fn steps(&self) -> Option<&[Segment]> {
        matches!(self.source, Source::Document | Source::Element(_)).then_some(&*self.steps)
    }

    /// Calls `found` with every value the field leads to, until it breaks.
    ///
    /// A path without `[*]` gives exactly one value, which may be missing; one with `[*]` one for each element.
    pub(crate) fn visit<'a>(
        &self,
        env: &Env<'a>,
        subject: Subject<'a>,
        found: &mut dyn FnMut(Datum<'a>) -> ControlFlow<()>,
    ) -> Result<(), Cause> {
        let root = match self.root(env, subject)? {
            Root::Value(value, rest) => {
                let _ = walk(rest, value, self.lenient, found);
                return Ok(());
            }
            Root::Missing(rest) => {
                let _ = missing(rest, found);
                return Ok(());
            }
            Root::Datum(datum) => datum,
        };
        match root {
            Datum::Node(value) => {
                let _ = walk(&self.steps, value, self.lenient, found);
            }
            datum if self.steps.is_empty() => {
                let _ = found(datum);
            }
            datum => {
                let _ = walk_datum(&self.steps, datum, self.lenient, found);
            }
        }
        Ok(())
    }

    fn root<'a, 's>(&'s self, env: &Env<'a>, subject: Subject<'a>) -> Result<Root<'a, 's>, Cause> {
        let resource = subject.resource;
        if !self.kinds.is_empty() && !resource.kind.as_str().is_empty() && !self.kinds.contains(&resource.kind) {
            let other = self.others.iter().find(|(kinds, _)| kinds.contains(&resource.kind));
            return Ok(match (&self.source, other) {
                (Source::Document, Some((_, steps))) => Root::Value(resource.document.root(), steps),
                _ => Root::Missing(&self.steps),
            });
        }
        Ok(match &self.source {
            Source::Document => return self.document_root(subject),
            Source::Element(up) => Root::Datum(env.frame(*up)),
            Source::Id => Root::Datum(text_or_missing(resource.id.as_str())),
            Source::Kind => Root::Datum(text_or_missing(resource.kind.as_str())),
            Source::Name => Root::Datum(match resource.document.root().get("name") {
                Some(name) if !name.is_null() => Datum::Node(name),
                _ => text_or_missing(&resource.name),
            }),
            Source::FullName => Root::Datum(full_name(resource)),
            Source::Region => Root::Datum(match resource.document.root().get("location") {
                Some(place) if !place.is_null() => Datum::Node(place),
                _ => resource.region.as_deref().map_or(Datum::Missing, text_or_missing),
            }),
            Source::Scope => Root::Datum(text_or_missing(resource.scope.id())),
            Source::Tag(name) => Root::Datum(
                resource.tag(name, subject.tag_place()).map_or(Datum::Missing, |text| Datum::Text(Cow::Borrowed(text))),
            ),
            Source::Tags => Root::Datum(Datum::Object(
                resource
                    .tags(subject.tag_place())
                    .into_iter()
                    .map(|(key, value)| (key.into(), Datum::Text(value.into())))
                    .collect(),
            )),
            Source::DocumentTag(name) => Root::Datum(document_tag(resource, name)),
        })
    }

    /// Whether the first step names an attached answer.
    fn names_an_answer(&self, subject: Subject<'_>) -> bool {
        let Some(Segment::Key(first)) = self.steps.first() else { return false };
        self.lenient && (subject.resource.attachment(first).is_some() || subject.declares(first))
    }

    fn document_root<'a, 's>(&'s self, subject: Subject<'a>) -> Result<Root<'a, 's>, Cause> {
        let resource = subject.resource;
        let plain = Root::Value(resource.document.root(), &self.steps);
        if resource.document.root().is_null() && !self.names_an_answer(subject) {
            // Known by an answer about it alone, such as its IAM policy.
            return Err(Cause::NotAsked("the resource itself".into()));
        }
        if !self.lenient {
            let root = resource.document.root();
            return Ok(match &self.usual {
                Some(usual) if !leads_somewhere(&self.steps, root) => Root::Value(root, usual),
                _ => plain,
            });
        }
        let Some((Segment::Key(first), rest)) = self.steps.split_first() else { return Ok(plain) };
        match resource.attachment(first) {
            Some(Answer::Found(document)) => Ok(Root::Value(document.root(), rest)),
            Some(Answer::Absent) => Ok(Root::Missing(rest)),
            Some(Answer::Failed(cause)) => Err(cause.clone()),
            None if subject.declares(first) => Err(Cause::NotAsked(first.as_ref().into())),
            None => Ok(plain),
        }
    }
}

/// Whether the steps up to the first `[*]` lead to a value.
fn leads_somewhere(steps: &[Segment], root: Value<'_>) -> bool {
    let mut value = root;
    for step in steps {
        let next = match step {
            Segment::Key(name) => value.get(name),
            Segment::Index(position) => value.index(*position),
            Segment::Each => return true,
        };
        let Some(next) = next else { return false };
        value = next;
    }
    true
}

enum Root<'a, 's> {
    /// A document value and the steps that are left.
    Value(Value<'a>, &'s [Segment]),
    /// Nothing, with the steps that are left.
    Missing(&'s [Segment]),
    /// A value of the envelope or of an element.
    Datum(Datum<'a>),
}

fn text_or_missing(text: &str) -> Datum<'_> {
    if text.is_empty() { Datum::Missing } else { Datum::Text(Cow::Borrowed(text)) }
}

fn missing<'a>(steps: &[Segment], found: &mut dyn FnMut(Datum<'a>) -> ControlFlow<()>) -> ControlFlow<()> {
    // A list that is not there has no elements.
    if steps.contains(&Segment::Each) { ControlFlow::Continue(()) } else { found(Datum::Missing) }
}

fn walk<'a>(
    steps: &[Segment],
    value: Value<'a>,
    lenient: bool,
    found: &mut dyn FnMut(Datum<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some((step, rest)) = steps.split_first() else {
        return found(Datum::Node(value));
    };
    match step {
        Segment::Key(name) => match value.get(name) {
            Some(inner) => walk(rest, inner, lenient, found),
            None => missing(rest, found),
        },
        Segment::Index(position) => match value.index(*position) {
            Some(inner) => walk(rest, inner, lenient, found),
            None => missing(rest, found),
        },
        Segment::Each if value.is_array() => value.items().try_for_each(|item| walk(rest, item, lenient, found)),
        Segment::Each if lenient && !value.is_null() => walk(rest, value, lenient, found),
        Segment::Each => ControlFlow::Continue(()),
    }
}

/// The same for values that do not stand in a document: elements of parameters and function results.
fn walk_datum<'a>(
    steps: &[Segment],
    datum: Datum<'a>,
    lenient: bool,
    found: &mut dyn FnMut(Datum<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some((step, rest)) = steps.split_first() else {
        return found(datum);
    };
    match step {
        Segment::Key(name) => match datum.get(name) {
            Datum::Missing => missing(rest, found),
            inner => walk_datum(rest, inner, lenient, found),
        },
        Segment::Index(position) => match datum.index(*position) {
            Datum::Missing => missing(rest, found),
            inner => walk_datum(rest, inner, lenient, found),
        },
        Segment::Each if datum.is_list() => datum.items(&mut |item| walk_datum(rest, item, lenient, found)),
        Segment::Each if lenient && !datum.is_nothing() => walk_datum(rest, datum, lenient, found),
        Segment::Each => ControlFlow::Continue(()),
    }
}

fn document_tag<'a>(resource: &'a Resource, name: &str) -> Datum<'a> {
    let Some(tags) = resource.document.root().get("tags") else { return Datum::Missing };
    if let Some(tag) = tags.get(name) {
        return Datum::Node(tag);
    }
    // The document compares names as ASCII only; tags may be written in any script.
    Datum::of(tags.entries().find(|(key, _)| text::equal(key, name)).map(|(_, value)| value))
}

/// `parent/child`: the names in an ARM id after the provider, or the name alone.
fn full_name(resource: &Resource) -> Datum<'_> {
    let own = resource.document.root().get("fullName").filter(|name| !name.is_null());
    if let Some(name) = own {
        return Datum::Node(name);
    }
    let id = resource.id.as_str();
    let Some((_, below)) = id.rsplit_once("/providers/") else {
        return text_or_missing(&resource.name);
    };
    let names: Vec<&str> = below.split('/').skip(2).step_by(2).collect();
    if names.is_empty() { text_or_missing(&resource.name) } else { Datum::text(names.join("/")) }
}

/// Puts a field below the innermost, longest counted path it starts with.
pub(crate) fn bind(mut field: Field, scopes: &[Counted], subject: u16) -> Field {
    if field.source != Source::Document {
        return field;
    }
    let mut best: Option<(usize, usize)> = None;
    for (up, scope) in scopes.iter().rev().enumerate() {
        let Counted::Path { steps, subject: own } = scope else { continue };
        let longer = best.is_none_or(|(_, length)| steps.len() > length);
        if *own == subject && longer && starts_with(&field.steps, steps) {
            best = Some((up, steps.len()));
        }
    }
    if let Some((up, length)) = best {
        field.source = Source::Element(up as u16);
        field.steps = field.steps.get(length..).unwrap_or_default().into();
    }
    field
}

fn starts_with(path: &[Segment], prefix: &[Segment]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(own, wanted)| same_step(own, wanted))
}

fn same_step(left: &Segment, right: &Segment) -> bool {
    match (left, right) {
        (Segment::Key(left), Segment::Key(right)) => left.eq_ignore_ascii_case(right),
        (left, right) => left == right,
    }
}

fn own_field(text: &str) -> Result<Field, String> {
    let path = Path::parse(text).map_err(|error| error.to_string())?;
    let Some((Segment::Key(first), rest)) = path.segments().split_first() else {
        return Ok(Field::document(&path, text, true));
    };
    if !first.starts_with('$') {
        return Ok(Field::document(&path, text, true));
    }
    let source = match first.to_ascii_lowercase().as_str() {
        "$id" => Source::Id,
        "$name" => Source::Name,
        "$kind" => Source::Kind,
        "$region" => Source::Region,
        "$scope" => Source::Scope,
        "$tags" => match rest {
            [] => Source::Tags,
            [Segment::Key(name)] => return Ok(Field::at(Source::Tag(name.clone()), text)),
            _ => return Err(format!("`{text}` reads below a tag")),
        },
        _ => {
            return Err(format!(
                "`{first}` is not a part of the envelope: use $id, $name, $kind, $region, $scope, $tags"
            ));
        }
    };
    if !rest.is_empty() {
        return Err(format!("`{text}` reads below `{first}`"));
    }
    Ok(Field::at(source, text))
}

fn azure_field(text: &str, catalogue: &AliasCatalogue, version: Option<&str>) -> Result<Field, String> {
    let source = match text.to_ascii_lowercase().as_str() {
        "type" => Some(Source::Kind),
        "id" => Some(Source::Id),
        "name" => Some(Source::Name),
        "fullname" => Some(Source::FullName),
        "location" => Some(Source::Region),
        _ => None,
    };
    if let Some(source) = source {
        return Ok(Field::at(source, text));
    }
    if let Some(name) = tag_name(text) {
        return Ok(Field::at(Source::DocumentTag(name.into()), text));
    }
    if text.contains('/') {
        let alias = catalogue.resolve(text, version).ok_or_else(|| format!("`{text}` is no known alias"))?;
        return Field::alias(alias, text);
    }
    let path = Path::parse(text).map_err(|error| error.to_string())?;
    Ok(Field::document(&path, text, false))
}

/// The tag a field names: `tags.x`, `tags['x']`, `tags[x]`; everything after the first dot or bracket is its name.
fn tag_name(text: &str) -> Option<&str> {
    let rest = text.get(..4).filter(|start| start.eq_ignore_ascii_case("tags")).and(text.get(4..))?;
    if let Some(name) = rest.strip_prefix('.') {
        return Some(name);
    }
    let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
    for quote in ['\'', '"'] {
        if let Some(name) = inner.strip_prefix(quote).and_then(|name| name.strip_suffix(quote)) {
            return Some(name);
        }
    }
    (inner != "*").then_some(inner)
}
