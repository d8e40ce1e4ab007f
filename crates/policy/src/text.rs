//! How texts compare: without case, by wildcard, by pattern.

use std::cmp::Ordering;

/// The letters of a character without case, close to Unicode's full case folding: `ß` is `ss`, `ς` is `σ`.
fn fold_char(letter: char) -> impl Iterator<Item = char> {
    // Upper-casing first expands ligatures and sharp s; these two would otherwise fold wrongly.
    let expanded = match letter {
        'ẞ' => 'ß',
        other => other,
    };
    let keep = (expanded == 'ı').then_some(expanded);
    let folded = keep.is_none().then(|| expanded.to_uppercase().flat_map(char::to_lowercase));
    keep.into_iter().chain(folded.into_iter().flatten())
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(fold_char)
}

/// The text without case.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { folded(text).collect() }
}

/// Whether two texts are equal without case.
pub(crate) fn equal(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    folded(left).eq(folded(right))
}

/// The order of two texts without case.
pub(crate) fn order(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        let fold = |byte: u8| byte.to_ascii_lowercase();
        return left.bytes().map(fold).cmp(right.bytes().map(fold));
    }
    folded(left).cmp(folded(right))
}

/// Whether `part` stands in `text`, without case.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    if text.is_ascii() && part.is_ascii() {
        let (text, part) = (text.as_bytes(), part.as_bytes());
        return part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    }
    fold(text).contains(&fold(part))
}

/// Whether the text fits a wildcard pattern, without case: `*` stands for any letters, `?` for one if `question` is set.
///
/// Takes time in proportion to the product of the lengths at worst, never more.
pub(crate) fn like(text: &str, pattern: &str, question: bool) -> bool {
    if text.is_ascii() && pattern.is_ascii() {
        let same = |left: &u8, right: &u8| left.eq_ignore_ascii_case(right);
        return wildcard(text.as_bytes(), pattern.as_bytes(), &b'*', question.then_some(&b'?'), same);
    }
    let (text, pattern): (Vec<char>, Vec<char>) = (folded(text).collect(), folded(pattern).collect());
    wildcard(&text, &pattern, &'*', question.then_some(&'?'), |left, right| left == right)
}

fn wildcard<T: PartialEq>(text: &[T], pattern: &[T], many: &T, one: Option<&T>, same: impl Fn(&T, &T) -> bool) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(at) {
        match pattern.get(in_pattern) {
            Some(wanted) if wanted == many => {
                retry = Some((at, in_pattern + 1));
                in_pattern += 1;
                continue;
            }
            Some(wanted) if one == Some(wanted) || same(letter, wanted) => {
                at += 1;
                in_pattern += 1;
                continue;
            }
            _ => {}
        }
        let Some((from, after)) = retry else { return false };
        retry = Some((from + 1, after));
        at = from + 1;
        in_pattern = after;
    }
    pattern.iter().skip(in_pattern).all(|rest| rest == many)
}

/// Whether the text fits a pattern of `#` (a digit), `?` (a letter) and `.` (any character); all else stands for itself.
pub(crate) fn matches(text: &str, pattern: &str, with_case: bool) -> bool {
    let mut letters = text.chars();
    for wanted in pattern.chars() {
        let Some(letter) = letters.next() else { return false };
        let fits = match wanted {
            '#' => letter.is_ascii_digit(),
            '?' => letter.is_alphabetic(),
            '.' => true,
            _ if with_case => letter == wanted,
            _ => letter == wanted || fold_char(letter).eq(fold_char(wanted)),
        };
        if !fits {
            return false;
        }
    }
    letters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_is_folded_fully() {
        for (left, right) in [("Straße", "STRASSE"), ("ﬃce", "FFICE"), ("κοςμος", "ΚΟΣΜΟΣ"), ("ẞ", "ss"), ("a", "A")]
        {
            assert!(equal(left, right), "{left} {right}");
            assert_eq!(order(left, right), Ordering::Equal, "{left} {right}");
        }
        assert!(!equal("ı", "i"));
        assert!(contains("Die Straße ist lang", "STRASSE"));
        assert!(!contains("", "x"));
    }

    #[test]
    fn patterns_stand_for_letters_digits_and_anything() {
        for (text, pattern, with_case, wanted) in [
            ("ABC-12", "???-##", true, true),
            ("ABC-12", "abc-##", true, false),
            ("ABC-12", "abc-##", false, true),
            ("A-1", "..#", true, true),
            ("A-12", "..#", true, false),
            ("A1", "##", true, false),
        ] {
            assert_eq!(matches(text, pattern, with_case), wanted, "{text} {pattern}");
        }
    }

    #[test]
    fn stars_stand_for_any_letters() {
        for (text, pattern, wanted) in [
            ("prod-1", "PROD-*", true),
            ("app.prod.east", "*.prod.*", true),
            ("app.dev", "*.prod.*", false),
            ("", "*", true),
            ("aaab", "a*ab", true),
            ("vm-?", "vm-?", true),
            ("vm-1", "vm-?", false),
        ] {
            assert_eq!(like(text, pattern, false), wanted, "{text} {pattern}");
        }
        assert!(like("vm-1", "vm-?", true));
    }

    proptest! {
        #[test]
        fn a_text_is_like_itself_and_like_itself_with_a_star(text in "[a-zA-Zß ]{0,12}", at in 0usize..12) {
            prop_assert!(like(&text, &text, false));
            let cut = text.char_indices().map(|(place, _)| place).nth(at).unwrap_or(text.len());
            let pattern = format!("{}*{}", &text[..cut], &text[cut..]);
            prop_assert!(like(&text, &pattern, false));
            prop_assert!(contains(&text, &text[cut..]));
        }
    }
}
