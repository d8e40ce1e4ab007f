//! Policy documents, read and compiled.

use std::collections::HashMap;
use std::sync::Arc;

use yagura_model::Value;

use super::condition::Condition;
use super::context::Context;
use super::pattern::{Pattern, Reading};
use crate::error::GraphError;
use crate::truth::Truth;

/// The most patterns and conditions of one document; the longest policy AWS stores holds far fewer.
const MOST_PARTS: usize = 20_000;

/// What a document is attached to, which decides the elements it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// To an identity, as its permissions, its boundary or its session, or to an account (service control policy):
    /// names resources, never principals.
    Identity,
    /// To a resource, a role as its trust, or an account (resource control policy): names principals.
    Resource,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Allow
    Allow,
    /// Deny
    Deny,
}

/// A compiled policy document.
#[derive(Clone, Debug)]
pub struct Policy {
    name: Arc<str>,
    statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Its `Sid`.
    pub sid: Option<Box<str>>,
    /// Allow or deny.
    pub effect: Effect,
    actions: Actions,
    resources: Resources,
    principals: Principals,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
struct Actions {
    /// `NotAction`: all but these.
    inverted: bool,
    names: Vec<ActionPattern>,
}

/// Actions to look for in policies, in lower case, by service.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActionIndex {
    names: Vec<Box<str>>,
    by_service: HashMap<Box<str>, Vec<usize>>,
}

impl ActionIndex {
    /// The position of an action, which is added when it is new.
    pub(crate) fn position(&mut self, action: &str) -> usize {
        let action = action.to_ascii_lowercase();
        if let Some(known) = self.names.iter().position(|name| **name == *action) {
            return known;
        }
        let service = action.split(':').next().unwrap_or_default();
        self.by_service.entry(service.into()).or_default().push(self.names.len());
        self.names.push(action.into());
        self.names.len() - 1
    }
}

/// `service:Action`, in lower case; either part may hold wildcards.
#[derive(Clone, Debug, PartialEq)]
struct ActionPattern {
    /// The service where it is plain text.
    service: Option<Box<str>>,
    whole: Pattern,
}

#[derive(Clone, Debug, PartialEq)]
struct Resources {
    /// `NotResource`: all but these.
    inverted: bool,
    /// Empty where the document stands on its resource and names none.
    patterns: Vec<Pattern>,
}

/// Whom a statement of a resource's policy speaks of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Principals {
    /// The document stands on an identity.
    Own,
    /// `Principal`
    These(Vec<Named>),
    /// `NotPrincipal`
    AllBut(Vec<Named>),
}

/// One entry of `Principal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// `*`
    Everyone,
    /// An account: its twelve digits.
    Account(Box<str>),
    /// The ARN of a user, a role or a session.
    Arn(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
    /// A canonical user id, which no ARN tells.
    Canonical,
    /// The unique id of a principal that was deleted.
    Deleted,
}

impl Named {
    /// The name to look it up by; none inside where it may be anybody, none at all where it is nobody.
    fn as_trusted(&self) -> Option<Option<&str>> {
        match self {
            Self::Service(name) | Self::Federated(name) | Self::Account(name) => Some(Some(name)),
            // A session holds the name of its role alone.
            Self::Arn(arn) => Some((!arn.contains(":assumed-role/")).then_some(arn)),
            Self::Everyone | Self::Canonical => Some(None),
            Self::Deleted => None,
        }
    }
}

impl Policy {
    /// Reads a document. An error leaves all of it out: AWS stores no invalid document, so what is invalid here is not
    /// what AWS evaluates.
    ///
    /// # Errors
    /// The first place that is not understood.
    pub fn parse(name: impl Into<Arc<str>>, document: Value<'_>, form: Form) -> Result<Self, GraphError> {
        if !document.is_object() {
            return Err(GraphError::Document("is no object"));
        }
        let mut variables = false;
        let mut written = None;
        for (element, value) in document.entries() {
            match element.to_ascii_lowercase().as_str() {
                "version" => variables = version(value)?,
                "id" => {}
                "statement" => written = Some(value),
                _ => return Err(GraphError::at(element, "is no element of a policy")),
            }
        }
        let Some(written) = written else {
            return Err(GraphError::Document("has no Statement"));
        };
        let mut reader = Reader { variables, form, parts: 0 };
        let mut statements = Vec::new();
        if written.is_object() {
            statements.push(reader.statement(written, "Statement")?);
        } else if written.is_array() {
            for (position, one) in written.items().enumerate() {
                statements.push(reader.statement(one, &format!("Statement[{position}]"))?);
            }
        } else {
            return Err(GraphError::at("Statement", "is neither a statement nor a list of statements"));
        }
        Ok(Self { name: name.into(), statements })
    }

    /// How the policy is called in evidence: its ARN, or its name with that of its owner.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its statements in their order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

/// Whether variables are read in that version.
fn version(value: Value<'_>) -> Result<bool, GraphError> {
    match value.as_str() {
        Some("2012-10-17") => Ok(true),
        Some("2008-10-17") => Ok(false),
        _ => Err(GraphError::at("Version", "is neither 2012-10-17 nor 2008-10-17")),
    }
}

struct Reader {
    variables: bool,
    form: Form,
    parts: usize,
}

/// The members of a statement before they are read together.
#[derive(Default)]
struct Members {
    sid: Option<Box<str>>,
    effect: Option<Effect>,
    actions: Option<Actions>,
    resources: Option<Resources>,
    principals: Option<Principals>,
    conditions: Vec<Condition>,
}

impl Reader {
    fn statement(&mut self, written: Value<'_>, at: &str) -> Result<Statement, GraphError> {
        if !written.is_object() {
            return Err(GraphError::at(at, "is no object"));
        }
        let mut members = Members::default();
        for (element, value) in written.entries() {
            self.member(&mut members, element, value, &format!("{at}.{element}"))?;
        }
        let missing = |element: &str| GraphError::at(at, format!("has no {element}"));
        let resources = match (members.resources, self.form) {
            (Some(resources), _) => resources,
            (None, Form::Resource) => Resources { inverted: false, patterns: Vec::new() },
            (None, Form::Identity) => return Err(missing("Resource")),
        };
        let principals = match (members.principals, self.form) {
            (Some(_), Form::Identity) => {
                return Err(GraphError::at(at, "names a Principal, which its form does not have"));
            }
            (None, Form::Identity) => Principals::Own,
            (Some(principals), Form::Resource) => principals,
            (None, Form::Resource) => return Err(missing("Principal")),
        };
        Ok(Statement {
            sid: members.sid,
            effect: members.effect.ok_or_else(|| missing("Effect"))?,
            actions: members.actions.ok_or_else(|| missing("Action"))?,
            resources,
            principals,
            conditions: members.conditions,
        })
    }

    fn member(&mut self, members: &mut Members, element: &str, value: Value<'_>, at: &str) -> Result<(), GraphError> {
        let twice = || GraphError::at(at, "stands beside another element of the same meaning");
        match element.to_ascii_lowercase().as_str() {
            "sid" => members.sid = value.as_str().map(Box::from),
            "effect" => members.effect = Some(effect(value, at)?),
            name @ ("action" | "notaction") => {
                let names = self.texts(value, at)?.into_iter().map(|text| ActionPattern::parse(text, at));
                let actions = Actions { inverted: name == "notaction", names: names.collect::<Result<_, _>>()? };
                if members.actions.replace(actions).is_some() {
                    return Err(twice());
                }
            }
            name @ ("resource" | "notresource") => {
                let reading = Reading { wildcards: true, variables: self.variables, folds: false };
                let mut patterns = Vec::new();
                for text in self.texts(value, at)? {
                    let text = completed(text);
                    patterns.push(Pattern::parse(&text, reading).map_err(|fault| GraphError::at(at, fault))?);
                }
                let resources = Resources { inverted: name == "notresource", patterns };
                if members.resources.replace(resources).is_some() {
                    return Err(twice());
                }
            }
            name @ ("principal" | "notprincipal") => {
                let named = self.principals(value, at)?;
                let principals = if name == "principal" { Principals::These(named) } else { Principals::AllBut(named) };
                if members.principals.replace(principals).is_some() {
                    return Err(twice());
                }
            }
            "condition" => members.conditions = self.conditions(value, at)?,
            _ => return Err(GraphError::at(at, "is no element of a statement")),
        }
        Ok(())
    }

    /// One text or a list of at least one.
    fn texts<'v>(&mut self, value: Value<'v>, at: &str) -> Result<Vec<&'v str>, GraphError> {
        let texts: Option<Vec<_>> = if value.is_array() {
            value.items().map(Value::as_str).collect()
        } else {
            value.as_str().map(|one| vec![one])
        };
        let texts = texts.filter(|texts| !texts.is_empty());
        let texts = texts.ok_or_else(|| GraphError::at(at, "is neither a text nor a list of texts"))?;
        self.count(texts.len(), at)?;
        Ok(texts)
    }

    fn count(&mut self, more: usize, at: &str) -> Result<(), GraphError> {
        self.parts = self.parts.saturating_add(more);
        if self.parts > MOST_PARTS {
            return Err(GraphError::at(at, format!("the document has more than {MOST_PARTS} parts")));
        }
        Ok(())
    }

    fn principals(&mut self, value: Value<'_>, at: &str) -> Result<Vec<Named>, GraphError> {
        if let Some(text) = value.as_str() {
            return match text {
                "*" => Ok(vec![Named::Everyone]),
                _ => Err(GraphError::at(at, "is a text other than `*`")),
            };
        }
        let mut named = Vec::new();
        for (class, entries) in value.entries() {
            for text in self.texts(entries, at)? {
                let principal = match class.to_ascii_lowercase().as_str() {
                    "aws" => aws_principal(text),
                    "service" => Named::Service(text.into()),
                    "federated" if text == "*" => Named::Everyone,
                    "federated" => Named::Federated(text.into()),
                    "canonicaluser" => Named::Canonical,
                    _ => return Err(GraphError::at(format!("{at}.{class}"), "is no class of principals")),
                };
                named.push(principal);
            }
        }
        if named.is_empty() {
            return Err(GraphError::at(at, "names nobody"));
        }
        Ok(named)
    }

    fn conditions(&mut self, value: Value<'_>, at: &str) -> Result<Vec<Condition>, GraphError> {
        if !value.is_object() {
            return Err(GraphError::at(at, "is no object"));
        }
        let mut conditions = Vec::new();
        for (operator, keys) in value.entries() {
            if !keys.is_object() {
                return Err(GraphError::at(format!("{at}.{operator}"), "is no object"));
            }
            for (key, values) in keys.entries() {
                self.count(values.items().count().max(1), at)?;
                conditions.push(Condition::parse(operator, key, values, self.variables, at)?);
            }
        }
        Ok(conditions)
    }
}

fn effect(value: Value<'_>, at: &str) -> Result<Effect, GraphError> {
    match value.as_str() {
        Some("Allow") => Ok(Effect::Allow),
        Some("Deny") => Ok(Effect::Deny),
        _ => Err(GraphError::at(at, "is neither Allow nor Deny")),
    }
}

/// AWS completes an ARN of fewer than six parts with `*`.
fn completed(resource: &str) -> std::borrow::Cow<'_, str> {
    let parts = resource.split(':').count();
    if !resource.starts_with("arn:") || parts >= 6 || resource.contains("${") {
        return resource.into();
    }
    format!("{resource}{}", ":*".repeat(6 - parts)).into()
}

fn aws_principal(text: &str) -> Named {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if text == "*" {
        return Named::Everyone;
    }
    if is_account(text) {
        return Named::Account(text.into());
    }
    if !text.starts_with("arn:") {
        return Named::Deleted;
    }
    match account_of(text) {
        Some(account) if text.ends_with(":root") && is_account(account) => Named::Account(account.into()),
        _ => Named::Arn(text.into()),
    }
}

/// The account in an ARN; none where it names none.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

impl ActionPattern {
    fn parse(text: &str, at: &str) -> Result<Self, GraphError> {
        let service = match text.split_once(':') {
            Some((service, action)) if !service.is_empty() && !action.is_empty() => service,
            None if text == "*" => "*",
            _ => return Err(GraphError::at(at, format!("`{text}` is no action"))),
        };
        let plain = !service.contains(['*', '?']);
        let reading = Reading { wildcards: true, variables: false, folds: true };
        Ok(Self {
            service: plain.then(|| service.to_ascii_lowercase().into()),
            whole: Pattern::parse(text, reading).map_err(|fault| GraphError::at(at, fault))?,
        })
    }

    fn is_all(&self) -> bool {
        self.whole.is_all() || self.whole.as_str() == "*:*"
    }

    fn covers(&self, other: &Self) -> bool {
        self.is_all() || self.whole.covers(&other.whole)
    }

    fn holds(&self, action: &str, context: &Context<'_>) -> bool {
        if let Some(service) = &self.service {
            let same = action.strip_prefix(&**service).is_some_and(|rest| rest.starts_with(':'));
            if !same {
                return false;
            }
        }
        self.whole.matches(action, context) == Truth::Yes
    }
}

impl Statement {
    /// Whether it speaks of that action, which is given in lower case.
    pub(crate) fn names_action(&self, action: &str, context: &Context<'_>) -> bool {
        self.actions.names.iter().any(|name| name.holds(action, context)) != self.actions.inverted
    }

    /// Whether it speaks of that resource.
    pub(crate) fn names_resource(&self, resource: &str, context: &Context<'_>) -> Truth {
        if self.resources.patterns.is_empty() {
            return Truth::Yes;
        }
        let named = Truth::any(self.resources.patterns.iter().map(|pattern| pattern.matches(resource, context)));
        if self.resources.inverted { !named } else { named }
    }

    /// Whether the request satisfies its conditions.
    pub(crate) fn conditions_hold(&self, context: &Context<'_>) -> Truth {
        Truth::all(self.conditions.iter().map(|condition| condition.holds(context)))
    }

    /// The resources it names, where it names what it speaks of and not what it leaves out.
    pub(crate) fn named_resources(&self) -> &[Pattern] {
        if self.resources.inverted { &[] } else { &self.resources.patterns }
    }

    /// Whether it speaks of every action on every resource.
    pub(crate) fn is_everything(&self) -> bool {
        let all_actions = !self.actions.inverted && self.actions.names.iter().any(ActionPattern::is_all);
        all_actions && self.named_resources().iter().any(Pattern::is_all)
    }

    /// Whether some action of another statement may be one of its own. May say yes where none is.
    pub(crate) fn may_touch(&self, other: &Self) -> bool {
        if self.actions.inverted || other.actions.inverted {
            return true;
        }
        let meets = |one: &ActionPattern, two: &ActionPattern| match (&one.service, &two.service) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        self.actions.names.iter().any(|one| other.actions.names.iter().any(|two| meets(one, two)))
    }

    /// Whether these statements together surely allow all that this one allows. May say no where they do.
    pub(crate) fn is_within(&self, wide: &[&Self]) -> bool {
        let is_same = |one: &&Self| std::ptr::eq(*one, self) || one.conditions.is_empty() && one.is_everything();
        if wide.iter().any(is_same) {
            return true;
        }
        if self.actions.inverted || self.resources.inverted || !self.conditions.is_empty() && wide.contains(&self) {
            return wide.contains(&self);
        }
        self.actions.names.iter().all(|action| {
            self.resources.patterns.iter().all(|resource| wide.iter().any(|one| one.covers(action, resource)))
        })
    }

    fn covers(&self, action: &ActionPattern, resource: &Pattern) -> bool {
        self.conditions.is_empty()
            && !self.actions.inverted
            && self.actions.names.iter().any(|own| own.covers(action))
            && self.named_resources().iter().any(|own| own.covers(resource))
    }

    /// Calls `found` with the positions of those of these actions that it speaks of.
    pub(crate) fn actions_among(&self, actions: &ActionIndex, found: &mut impl FnMut(usize)) {
        let context = Context::new(&[], super::Rest::Absent);
        if self.actions.inverted {
            for (position, action) in actions.names.iter().enumerate() {
                if self.names_action(action, &context) {
                    found(position);
                }
            }
            return;
        }
        for name in &self.actions.names {
            let candidates: &mut dyn Iterator<Item = usize> = match &name.service {
                Some(service) => &mut actions.by_service.get(service).into_iter().flatten().copied(),
                None => &mut (0..actions.names.len()),
            };
            for position in candidates {
                let Some(action) = actions.names.get(position) else { continue };
                if name.holds(action, &context) {
                    found(position);
                }
            }
        }
    }

    /// Services, identity providers, accounts and ARNs that it lets in; none where it may be anybody.
    pub(crate) fn trusted(&self) -> Vec<Option<&str>> {
        let entries = match (&self.principals, self.effect) {
            (_, Effect::Deny) | (Principals::Own, _) => return Vec::new(),
            (Principals::AllBut(_), Effect::Allow) => return vec![None],
            (Principals::These(entries), Effect::Allow) => entries,
        };
        entries.iter().filter_map(Named::as_trusted).collect()
    }

    /// Identity providers that it lets in.
    pub(crate) fn providers(&self) -> impl Iterator<Item = &str> {
        let entries = match (&self.principals, self.effect) {
            (Principals::These(entries), Effect::Allow) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().filter_map(|entry| match entry {
            Named::Federated(provider) => Some(&**provider),
            _ => None,
        })
    }

    pub(crate) fn principals(&self) -> &Principals {
        &self.principals
    }

    /// Its conditions.
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yagura_model::Document;

    use super::*;

    fn check(document: serde_json::Value, form: Form, expected: &str) {
        let read = Document::from(document.clone());
        let fault =
            Policy::parse("p", read.root(), form).map(|_| String::new()).unwrap_or_else(|fault| fault.to_string());
        assert_eq!(fault, expected, "{document}");
    }

    #[test]
    fn what_aws_would_not_store_is_refused_with_its_place() {
        let statement = |statement: serde_json::Value| json!({"Version": "2012-10-17", "Statement": [statement]});
        let good = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        let with = |member: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            changed[member] = value;
            statement(changed)
        };
        let without = |member: &str| {
            let mut changed = good.clone();
            changed.as_object_mut().unwrap().remove(member);
            statement(changed)
        };
        let rows = [
            (statement(good.clone()), ""),
            (json!({"Statement": good}), ""),
            (json!("text"), "the policy document is no object"),
            (json!({"Version": "2012-10-17"}), "the policy document has no Statement"),
            (json!({"Version": "2013-01-01", "Statement": []}), "Version: is neither 2012-10-17 nor 2008-10-17"),
            (json!({"Statements": []}), "Statements: is no element of a policy"),
            (json!({"Statement": "x"}), "Statement: is neither a statement nor a list of statements"),
            (with("Effect", json!("allow")), "Statement[0].Effect: is neither Allow nor Deny"),
            (without("Effect"), "Statement[0]: has no Effect"),
            (without("Action"), "Statement[0]: has no Action"),
            (without("Resource"), "Statement[0]: has no Resource"),
            (with("Action", json!("GetObject")), "Statement[0].Action: `GetObject` is no action"),
            (with("Action", json!([])), "Statement[0].Action: is neither a text nor a list of texts"),
            (with("Action", json!(["s3:*", 1])), "Statement[0].Action: is neither a text nor a list of texts"),
            (
                with("NotAction", json!("s3:*")),
                "Statement[0].NotAction: stands beside another element of the same meaning",
            ),
            (with("Principal", json!("*")), "Statement[0]: names a Principal, which its form does not have"),
            (with("Conditions", json!({})), "Statement[0].Conditions: is no element of a statement"),
            (with("Condition", json!({"Bool": "x"})), "Statement[0].Condition.Bool: is no object"),
            (with("Resource", json!("${x")), "Statement[0].Resource: `${x` has a `${` without `}`"),
        ];
        for (document, expected) in rows {
            check(document, Form::Identity, expected);
        }
        check(statement(good), Form::Resource, "Statement[0]: has no Principal");
        let of = |principal: serde_json::Value| json!({"Statement": {"Effect": "Deny", "Action": "*", "Principal": principal}});
        check(of(json!({"AWS": ["*", "123456789012"]})), Form::Resource, "");
        check(of(json!("arn:aws:iam::1:root")), Form::Resource, "Statement.Principal: is a text other than `*`");
        check(of(json!({})), Form::Resource, "Statement.Principal: names nobody");
        check(of(json!({"Robot": "x"})), Form::Resource, "Statement.Principal.Robot: is no class of principals");
    }

    #[test]
    fn a_document_without_measure_is_refused() {
        let actions: Vec<_> = (0..=MOST_PARTS).map(|number| format!("s3:A{number}")).collect();
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": "*"});
        check(
            json!({"Statement": statement}),
            Form::Identity,
            "Statement.Action: the document has more than 20000 parts",
        );
    }

    #[test]
    fn short_arns_are_completed() {
        assert_eq!(completed("arn:aws:sqs"), "arn:aws:sqs:*:*:*");
        assert_eq!(completed("arn:aws:s3:::b"), "arn:aws:s3:::b");
        assert_eq!(completed("*"), "*");
    }
}
