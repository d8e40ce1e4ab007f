//! Patterns of policies: `*`, `?` and policy variables.

use super::context::{Context, KeyState};
use crate::truth::Truth;

/// What stands for what in a pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// `*` and `?` stand for other characters.
    pub wildcards: bool,
    /// `${key}` stands for the value of a condition key (policies of version 2012-10-17).
    pub variables: bool,
    /// Case does not count.
    pub folds: bool,
}

/// A text of a policy that other texts are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    written: Box<str>,
    pieces: Box<[Piece]>,
    /// The same as bytes, for [`Pattern::covers`].
    signs: Box<[u8]>,
    folds: bool,
    has_variables: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// `*`: any characters, also none.
    Any,
    /// `?`: one character.
    One,
    Variable(Variable),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    /// Lower case.
    key: Box<str>,
    default: Option<Box<str>>,
}

impl Pattern {
    /// Reads a pattern, or says what is wrong with its variables.
    pub(crate) fn parse(written: &str, reading: Reading) -> Result<Self, String> {
        let folded = if reading.folds { written.to_ascii_lowercase() } else { String::new() };
        let mut rest = if reading.folds { folded.as_str() } else { written };
        let mut pieces = Pieces::default();
        while let Some(letter) = rest.chars().next() {
            if reading.variables
                && let Some(inside) = rest.strip_prefix("${")
            {
                let (name, after) =
                    inside.split_once('}').ok_or_else(|| format!("`{written}` has a `${{` without `}}`"))?;
                pieces.variable(name).map_err(|fault| format!("`{written}` {fault}"))?;
                rest = after;
                continue;
            }
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            match letter {
                '*' if reading.wildcards => pieces.any(),
                '?' if reading.wildcards => pieces.push(Piece::One),
                letter => pieces.text.push(letter),
            }
        }
        let pieces = pieces.finish();
        let has_variables = pieces.iter().any(|piece| matches!(piece, Piece::Variable(_)));
        let signs = signs(&pieces);
        Ok(Self { written: written.into(), pieces, signs, folds: reading.folds, has_variables })
    }

    /// The pattern as it stands in the policy.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it holds for every text.
    pub fn is_all(&self) -> bool {
        matches!(&*self.pieces, [Piece::Any])
    }

    /// Whether it is one text alone: nothing in it stands for something else.
    pub fn is_plain(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// Whether a text is of this form. A variable without value holds for nothing; one that is not known leaves it open.
    pub fn matches(&self, text: &str, context: &Context<'_>) -> Truth {
        if self.folds && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.matches_folded(&text.to_ascii_lowercase(), context);
        }
        self.matches_folded(text, context)
    }

    fn matches_folded(&self, text: &str, context: &Context<'_>) -> Truth {
        if !self.has_variables {
            return glob(&self.pieces, text).into();
        }
        let (pieces, all_known) = match self.resolved(context) {
            Resolved::NoValue => return Truth::No,
            Resolved::Pieces(pieces, all_known) => (pieces, all_known),
        };
        match (glob(&pieces, text), all_known) {
            (false, _) => Truth::No,
            (true, true) => Truth::Yes,
            (true, false) => Truth::Unknown,
        }
    }

    /// The pieces with values in the place of variables; what is not known may be anything.
    fn resolved(&self, context: &Context<'_>) -> Resolved {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        let mut all_known = true;
        for piece in &self.pieces {
            let Piece::Variable(variable) = piece else {
                pieces.push(piece.clone());
                continue;
            };
            match (context.state(&variable.key), &variable.default) {
                (KeyState::Present(values), default) => match (values.as_slice(), default) {
                    ([value], _) => pieces.push(Piece::Text(self.folded(value))),
                    (_, Some(default)) => pieces.push(Piece::Text(default.clone())),
                    // A variable takes a key with one value alone.
                    (_, None) => return Resolved::NoValue,
                },
                (KeyState::Absent, Some(default)) => pieces.push(Piece::Text(default.clone())),
                (KeyState::Absent, None) => return Resolved::NoValue,
                (KeyState::Unknown | KeyState::Perhaps(_), _) => {
                    pieces.push(Piece::Any);
                    all_known = false;
                }
            }
        }
        Resolved::Pieces(pieces, all_known)
    }

    fn folded(&self, value: &str) -> Box<str> {
        if self.folds { value.to_ascii_lowercase().into() } else { value.into() }
    }

    /// A text of this form, with `filler` where anything may stand; none when a variable has no value.
    /// A variable that is not known reads as the filler too.
    pub fn example(&self, filler: &str, context: &Context<'_>) -> Option<String> {
        let Resolved::Pieces(pieces, _) = self.resolved(context) else { return None };
        let mut text = String::with_capacity(self.written.len() + filler.len());
        for piece in &pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Any | Piece::Variable(_) => text.push_str(filler),
                Piece::One => text.push('x'),
            }
        }
        Some(text)
    }

    /// Whether every text of the other form is surely of this form too. May say no where it is so.
    pub fn covers(&self, other: &Self) -> bool {
        if self.is_all() {
            return true;
        }
        if self.has_variables || other.has_variables {
            return self.pieces == other.pieces;
        }
        covers(&self.signs, &other.signs)
    }
}

enum Resolved {
    /// The pieces without variables, and whether all values were known.
    Pieces(Vec<Piece>, bool),
    NoValue,
}

#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: String,
}

impl Pieces {
    fn push(&mut self, piece: Piece) {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(std::mem::take(&mut self.text).into()));
        }
        self.done.push(piece);
    }

    fn any(&mut self) {
        if !self.text.is_empty() || self.done.last() != Some(&Piece::Any) {
            self.push(Piece::Any);
        }
    }

    fn finish(mut self) -> Box<[Piece]> {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(self.text.into()));
        }
        self.done.into()
    }

    /// `*`, `?` and `$` in braces are these characters; else it is a key, perhaps with a default in quotes.
    fn variable(&mut self, name: &str) -> Result<(), String> {
        if let "*" | "?" | "$" = name {
            self.text.push_str(name);
            return Ok(());
        }
        let (key, default) = match name.split_once(',') {
            None => (name.trim(), None),
            Some((key, default)) => {
                let quoted = default.trim();
                let inner = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
                (key.trim(), Some(inner.ok_or("has a variable whose default is not in quotes")?))
            }
        };
        if key.is_empty() {
            return Err("has a variable without name".to_owned());
        }
        let variable = Variable { key: key.to_ascii_lowercase().into(), default: default.map(Box::from) };
        self.push(Piece::Variable(variable));
        Ok(())
    }
}

/// Whether the text is of that form. Goes back to the last `*` alone, so that the time is at most the product of both.
fn glob(pieces: &[Piece], text: &str) -> bool {
    let (mut pattern, mut left) = (pieces, text);
    let mut star: Option<(&[Piece], &str)> = None;
    loop {
        let taken = match pattern.split_first() {
            None if left.is_empty() => return true,
            None => None,
            Some((Piece::Any, [])) => return true,
            Some((Piece::Any, after)) => {
                star = Some((after, left));
                pattern = after;
                continue;
            }
            Some((Piece::Text(part), after)) => left.strip_prefix(&**part).map(|rest| (after, rest)),
            Some((Piece::One | Piece::Variable(_), after)) => without_first(left).map(|rest| (after, rest)),
        };
        if let Some(further) = taken {
            (pattern, left) = further;
            continue;
        }
        let Some((after_star, from)) = star else { return false };
        let Some(later) = without_first(from) else { return false };
        (pattern, left) = (after_star, later);
        star = Some((after_star, later));
    }
}

fn without_first(text: &str) -> Option<&str> {
    let mut letters = text.chars();
    letters.next()?;
    Some(letters.as_str())
}

/// Bytes that stand in no UTF-8 text.
const ANY: u8 = 0xff;
const ONE: u8 = 0xfe;

fn signs(pieces: &[Piece]) -> Box<[u8]> {
    let mut signs = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => signs.extend_from_slice(text.as_bytes()),
            Piece::Any | Piece::Variable(_) => signs.push(ANY),
            Piece::One => signs.push(ONE),
        }
    }
    signs.into()
}

/// The other pattern read as a text in which `*` is a sign that only `*` of this one takes, and `?` one that `?` takes too.
fn covers(wide: &[u8], narrow: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let fits = match (wide.get(at), narrow.get(read)) {
            (None, None) => return true,
            (Some(&ANY), _) => {
                star = Some((at + 1, read));
                at += 1;
                continue;
            }
            // One sign is one byte of a longer letter: `?` takes whole letters alone.
            (Some(&ONE), Some(other)) => other.is_ascii() || *other == ONE,
            (Some(own), Some(other)) => own == other,
            _ => false,
        };
        if fits {
            at += 1;
            read += 1;
            continue;
        }
        let Some((after, from)) = star else { return false };
        if from >= narrow.len() {
            return false;
        }
        star = Some((after, from + 1));
        at = after;
        read = from + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::context::{Keys, Rest};
    use super::*;

    fn pattern(written: &str) -> Pattern {
        Pattern::parse(written, Reading { wildcards: true, variables: true, folds: false }).unwrap()
    }

    /// The definition of a glob, without any thought for speed.
    fn plainly(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| plainly(rest, &text[taken..])),
            Some(('?', rest)) => !text.is_empty() && plainly(rest, &text[1..]),
            Some((letter, rest)) => text.first() == Some(letter) && plainly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_as_its_definition_says(written in "[ab*?é]{0,7}", text in "[abé]{0,7}") {
            let context = Context::new(&[], Rest::Absent);
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = plainly(&letters(&written), &letters(&text));
            prop_assert_eq!(pattern(&written).matches(&text, &context), Truth::from(expected));
        }

        #[test]
        fn what_a_pattern_covers_it_matches(wide in "[aé*?]{0,6}", narrow in "[aé*?]{0,6}", text in "[aé]{0,6}") {
            let context = Context::new(&[], Rest::Absent);
            let (wide, narrow) = (pattern(&wide), pattern(&narrow));
            if wide.covers(&narrow) && narrow.matches(&text, &context) == Truth::Yes {
                prop_assert_eq!(wide.matches(&text, &context), Truth::Yes);
            }
        }

        #[test]
        fn an_example_is_of_the_form_it_was_made_of(written in "[ab*?]{0,8}") {
            let context = Context::new(&[], Rest::Absent);
            let example = pattern(&written).example("filler", &context).unwrap();
            prop_assert_eq!(pattern(&written).matches(&example, &context), Truth::Yes);
        }
    }

    #[test]
    fn variables_have_values_defaults_or_stay_open() {
        let mut keys = Keys::new();
        keys.set("aws:username", KeyState::one("ann*"));
        keys.set("aws:PrincipalTag/team", KeyState::Absent);
        keys.set("aws:many", KeyState::Present(vec!["a".into(), "b".into()]));
        let rows = [
            ("home/${aws:username}/*", "home/ann*/x", Truth::Yes),
            ("home/${AWS:UserName}/*", "home/annette/x", Truth::No),
            ("${aws:PrincipalTag/team, 'none'}", "none", Truth::Yes),
            ("${aws:PrincipalTag/team,''}x", "x", Truth::Yes),
            ("${aws:PrincipalTag/team}", "", Truth::No),
            ("${aws:many}", "a", Truth::No),
            ("${aws:other}/x", "y/x", Truth::Unknown),
            ("${aws:other}/x", "y/z", Truth::No),
            ("${*}${?}${$}", "*?$", Truth::Yes),
            ("${*}", "x", Truth::No),
            ("$x", "$x", Truth::Yes),
        ];
        for (written, text, expected) in rows {
            let got = pattern(written).matches(text, &Context::new(&[&keys], Rest::Unknown));
            assert_eq!(got, expected, "{written} against {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let context = Context::new(&[], Rest::Absent);
        let hostile = pattern(&"*a".repeat(2_000));
        assert_eq!(hostile.matches(&"a".repeat(1_999), &context), Truth::No);
    }
}
