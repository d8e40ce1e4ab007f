//! Reads template expressions.

use yagura_model::Document;

use super::functions::{self, Scope};
use super::{Current, Expr, Special};
use crate::field::{Counted, Dialect, FieldRef, bind};

/// The longest expression that is read, in bytes: Resource Manager's own limit.
const LONGEST: usize = 24_576;
/// How deep calls may stand inside each other.
const DEEPEST: usize = 128;

/// What an expression may refer to.
pub(crate) struct ExpressionContext<'c> {
    /// Which front end the rule comes from.
    pub dialect: &'c Dialect,
    /// Elements that surround the expression, outermost first.
    pub scopes: &'c [Counted],
    /// Names of declared parameters; none when they are not known.
    pub parameters: Option<&'c [String]>,
    /// Receives the text of every literal `field('path')`.
    pub fields: &'c mut Vec<String>,
}

/// Whether a text is an expression: `[...]`, but not the escaped `[[...`.
pub(crate) fn is_expression(text: &str) -> bool {
    text.len() >= 2 && text.starts_with('[') && !text.starts_with("[[") && text.ends_with(']')
}

/// The literal a text stands for: `[[x` is `[x`.
pub(crate) fn unescape(text: &str) -> &str {
    if text.starts_with("[[") { text.get(1..).unwrap_or(text) } else { text }
}

/// Compiles an expression with its brackets. The error says what is wrong and at which character.
pub(crate) fn compile(text: &str, context: &mut ExpressionContext<'_>) -> Result<Expr, String> {
    if text.len() > LONGEST {
        return Err(format!("an expression of {} characters; at most {LONGEST} are read", text.len()));
    }
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let mut parser = Parser { text: inner, at: 0, depth: 0, context };
    let expr = parser.expression()?;
    parser.blanks();
    if parser.at < inner.len() {
        return Err(parser.fault("expected the end of the expression"));
    }
    Ok(expr)
}

struct Parser<'t, 'c, 'd> {
    text: &'t str,
    at: usize,
    depth: usize,
    context: &'d mut ExpressionContext<'c>,
}

impl<'t> Parser<'t, '_, '_> {
    fn fault(&self, what: &str) -> String {
        format!("could not read the expression `[{}]`: {what} at character {}", self.text, self.at + 1)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expression(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.fault("more than 128 levels of nesting"));
        }
        let mut expr = self.primary()?;
        loop {
            if self.eat(b'.') {
                let name = self.name();
                if name.is_empty() {
                    return Err(self.fault("expected a property name"));
                }
                expr = Expr::Member(Box::new(expr), name.into());
            } else if self.eat(b'[') {
                let index = self.expression()?;
                if !self.eat(b']') {
                    return Err(self.fault("expected `]`"));
                }
                expr = Expr::Index(Box::new(expr), Box::new(index));
            } else {
                self.depth -= 1;
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        self.blanks();
        match self.peek() {
            Some(b'\'') => self.string().map(|text| literal(text.into())),
            Some(b'-' | b'+') => self.signed(),
            Some(byte) if byte.is_ascii_digit() => self.number(false),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => self.word(),
            Some(_) => Err(self.fault("expected a value")),
            None => Err(self.fault("expected a value, found the end")),
        }
    }

    fn signed(&mut self) -> Result<Expr, String> {
        let negative = self.peek() == Some(b'-');
        self.at += 1;
        self.blanks();
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.number(negative);
        }
        let operand = self.expression()?;
        if !negative {
            return Ok(operand);
        }
        let call = functions::find("sub").ok_or_else(|| self.fault("no way to negate"))?;
        Ok(Expr::Call(call, vec![literal(0.into()), operand]))
    }

    fn string(&mut self) -> Result<String, String> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(end) = self.rest().find('\'') else {
                return Err(self.fault("a text without its closing quote"));
            };
            text.push_str(self.rest().get(..end).unwrap_or(""));
            self.at += end + 1;
            if self.peek() != Some(b'\'') {
                return Ok(text);
            }
            text.push('\'');
            self.at += 1;
        }
    }

    fn number(&mut self, negative: bool) -> Result<Expr, String> {
        let rest = self.rest();
        let digits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        let length = rest.bytes().take_while(|byte| digits(*byte)).count();
        let written = format!("{}{}", if negative { "-" } else { "" }, rest.get(..length).unwrap_or(""));
        self.at += length;
        if let Ok(number) = written.parse::<i64>() {
            return Ok(literal(number.into()));
        }
        match written.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(literal(number.into())),
            _ => Err(self.fault("a number that cannot be read")),
        }
    }

    fn name(&mut self) -> &'t str {
        self.blanks();
        let rest = self.rest();
        let length =
            rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-')).count();
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    fn word(&mut self) -> Result<Expr, String> {
        let name = self.name();
        if self.eat(b'(') {
            let arguments = self.arguments()?;
            return self.call(name, arguments);
        }
        match name.to_ascii_lowercase().as_str() {
            "true" => Ok(literal(true.into())),
            "false" => Ok(literal(false.into())),
            "null" => Ok(literal(serde_json::Value::Null)),
            _ => Err(self.fault(&format!("`{name}` is neither a call nor a value"))),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, String> {
        let mut arguments = Vec::new();
        if self.eat(b')') {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.eat(b')') {
                return Ok(arguments);
            }
            if !self.eat(b',') {
                return Err(self.fault("expected `,` or `)`"));
            }
        }
    }

    fn call(&mut self, name: &str, arguments: Vec<Expr>) -> Result<Expr, String> {
        if let Some(expr) = self.reference(name, &arguments)? {
            return Ok(expr);
        }
        if let Some((special, least, most)) = special(name) {
            let own = matches!(special, Special::DaysSince | Special::MatchesRegex);
            if own && !self.context.dialect.is_own() {
                return Err(self.fault(&format!("`{name}` is not a function of Azure Policy")));
            }
            self.check_count(name, arguments.len(), least, most)?;
            return self.special(special, arguments);
        }
        let Some(native) = functions::find(name) else {
            return Err(self.fault(&unknown(name)));
        };
        if native.scope == Scope::Own && !self.context.dialect.is_own() {
            return Err(self.fault(&format!("`{name}` is not a function of Azure Policy")));
        }
        self.check_count(name, arguments.len(), native.least, native.most)?;
        Ok(Expr::Call(native, arguments))
    }

    fn special(&self, special: Special, arguments: Vec<Expr>) -> Result<Expr, String> {
        if special != Special::MatchesRegex {
            return Ok(Expr::Special(special, arguments));
        }
        let pattern = match arguments.get(1) {
            Some(Expr::Literal(document)) => document.root().as_str().map(super::regex),
            _ => None,
        };
        // A pattern from a parameter is compiled when it is known.
        let Some(pattern) = pattern else { return Ok(Expr::Special(special, arguments)) };
        let pattern = pattern.map_err(|reason| self.fault(&reason))?;
        let text = arguments.into_iter().next().unwrap_or_else(|| literal(serde_json::Value::Null));
        Ok(Expr::Matches(Box::new(text), pattern))
    }

    fn check_count(&self, name: &str, given: usize, least: usize, most: usize) -> Result<(), String> {
        if (least..=most).contains(&given) {
            return Ok(());
        }
        let wanted = match most {
            usize::MAX => format!("at least {least}"),
            _ if least == most => least.to_string(),
            _ => format!("{least} to {most}"),
        };
        Err(self.fault(&format!("`{name}` takes {wanted} arguments, not {given}")))
    }

    /// `field`, `parameters`, `current`: what refers to something by name.
    fn reference(&mut self, name: &str, arguments: &[Expr]) -> Result<Option<Expr>, String> {
        match name.to_ascii_lowercase().as_str() {
            "parameters" => {
                self.check_count(name, arguments.len(), 1, 1)?;
                self.check_parameter(arguments)?;
                Ok(arguments.first().map(|argument| Expr::Parameter(Box::new(argument.clone()))))
            }
            "field" => {
                self.check_count(name, arguments.len(), 1, 1)?;
                let field = self.field(arguments)?;
                Ok(Some(Expr::Field(Box::new(field))))
            }
            "current" => {
                self.check_count(name, arguments.len(), 0, 1)?;
                self.current(arguments).map(|current| Some(Expr::Current(current)))
            }
            _ => Ok(None),
        }
    }

    fn check_parameter(&self, arguments: &[Expr]) -> Result<(), String> {
        let (Some(known), Some(name)) = (self.context.parameters, literal_text(arguments)) else { return Ok(()) };
        if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        Err(self.fault(&format!("there is no parameter `{name}`")))
    }

    fn field(&mut self, arguments: &[Expr]) -> Result<FieldRef, String> {
        if let Some(path) = literal_text(arguments) {
            let field = self.context.dialect.field(path)?;
            self.context.fields.push(path.to_owned());
            return Ok(FieldRef::Fixed(bind(field, self.context.scopes, 0)));
        }
        let Some(expr) = arguments.first() else { return Err(self.fault("`field` without a path")) };
        Ok(FieldRef::dynamic(expr.clone(), self.text, self.context.dialect, self.context.scopes, 0))
    }

    fn current(&mut self, arguments: &[Expr]) -> Result<Current, String> {
        if self.context.scopes.is_empty() {
            return Err(self.fault("`current` outside of `count`"));
        }
        if arguments.is_empty() {
            return Ok(Current::Element(0));
        }
        let Some(name) = literal_text(arguments) else {
            return Err(self.fault("`current` with a name that is not written out"));
        };
        for (up, scope) in self.context.scopes.iter().rev().enumerate() {
            if matches!(scope, Counted::Value { name: Some(own) } if own.eq_ignore_ascii_case(name)) {
                return Ok(Current::Element(up as u16));
            }
        }
        let field = self.context.dialect.field(name)?;
        let subject = self.context.scopes.iter().rev().find_map(Counted::subject).unwrap_or(0);
        let bound = bind(field, self.context.scopes, subject);
        if !bound.is_bound() {
            return Err(self.fault(&format!("`current('{name}')` names no element that is being counted")));
        }
        Ok(Current::Path(Box::new(FieldRef::Fixed(bound))))
    }
}

fn literal(value: serde_json::Value) -> Expr {
    Expr::Literal(Document::from(value))
}

fn literal_text(arguments: &[Expr]) -> Option<&str> {
    match arguments.first() {
        Some(Expr::Literal(document)) => document.root().as_str(),
        _ => None,
    }
}

fn special(name: &str) -> Option<(Special, usize, usize)> {
    Some(match name.to_ascii_lowercase().as_str() {
        "if" => (Special::If, 3, 3),
        "and" => (Special::And, 2, usize::MAX),
        "or" => (Special::Or, 2, usize::MAX),
        "coalesce" => (Special::Coalesce, 1, usize::MAX),
        "tryget" => (Special::TryGet, 2, usize::MAX),
        "utcnow" => (Special::UtcNow, 0, 1),
        "matchesregex" => (Special::MatchesRegex, 2, 2),
        "dayssince" => (Special::DaysSince, 1, 1),
        "resourcegroup" => (Special::ResourceGroup, 0, 0),
        "subscription" => (Special::Subscription, 0, 0),
        "requestcontext" => (Special::RequestContext, 0, 0),
        "policy" => (Special::Policy, 0, 0),
        _ => return None,
    })
}

/// Functions of Resource Manager templates that policy rules may not use, as Azure Policy's documentation lists them.
const NOT_IN_POLICY: [&str; 29] = [
    "copyIndex",
    "deployer",
    "deployment",
    "environment",
    "extensionResourceId",
    "filter",
    "groupBy",
    "guid",
    "lambda",
    "list",
    "listAccountSas",
    "listKeys",
    "listSecrets",
    "managementGroup",
    "managementGroupResourceId",
    "map",
    "mapValues",
    "newGuid",
    "objectKeys",
    "pickZones",
    "providers",
    "reduce",
    "reference",
    "resourceId",
    "sort",
    "subscriptionResourceId",
    "tenantResourceId",
    "uniqueString",
    "variables",
];

fn unknown(name: &str) -> String {
    if NOT_IN_POLICY.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return format!("`{name}` cannot be used in a policy rule");
    }
    format!("there is no function `{name}`")
}
