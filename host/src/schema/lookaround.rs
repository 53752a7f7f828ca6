//! Takes a pattern apart into plain regular expressions, all of which must hold. What looks ahead from the beginning of
//! the text, or back from its end, is a condition of its own; anything else that looks around cannot be told in one
//! pass and is refused.

/// One plain regular expression, as ECMA-262 writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Whether the text must match it, or must not.
    pub(super) wanted: bool,
    pub(super) expression: String,
}

/// What is wrong with a pattern that looks around anywhere else, or refers back.
const REFUSED: &str = "looks around or refers back in a way that cannot be checked in one pass; look ahead only right \
                       after the `^` at its beginning (`^(?!…)…`), look back only right before the `$` at its end \
                       (`…(?<!…)$`), and leave out `\\1`";

/// What `.` means in ECMA-262; the engine's own only leaves out `\n`.
const ANY_BUT_LINE_ENDS: &str = r"[^\n\r\u2028\u2029]";

/// The conditions a pattern consists of: itself, unless it looks around.
pub(super) fn conditions(pattern: &str) -> Result<Vec<Condition>, String> {
    let outline = Outline::of(pattern).ok_or(REFUSED)?;
    if !outline.looks_around {
        return Ok(vec![Condition { wanted: true, expression: outline.text }]);
    }
    if outline.has_alternatives {
        return Err(REFUSED.to_owned());
    }
    let text = outline.text.as_str();
    let mut found = Vec::new();
    let (mut from, mut to) = (0, text.len());
    let mut groups = outline.groups.as_slice();
    let mut is_anchored = false;
    loop {
        if text.get(from..).is_some_and(|rest| rest.starts_with('^')) {
            is_anchored = true;
            from += 1;
        } else if let Some((group, others)) = groups.split_first()
            && group.begins == from
            && let Some((wanted, inside)) = inside(text, *group, "(?=", "(?!")
        {
            found.push(Condition { wanted, expression: format!("^(?:{inside})") });
            from = group.ends;
            groups = others;
        } else {
            break;
        }
    }
    let looks_ahead = !found.is_empty();
    let is_closed = outline.ends_with_anchor;
    to -= usize::from(is_closed);
    while let Some((group, others)) = groups.split_last()
        && is_closed
        && group.ends == to
        && let Some((wanted, inside)) = inside(text, *group, "(?<=", "(?<!")
    {
        found.push(Condition { wanted, expression: format!("(?:{inside})$") });
        to = group.begins;
        groups = others;
    }
    let rest = text.get(from..to).unwrap_or_default();
    let is_looking = found.iter().map(|condition| condition.expression.as_str()).chain([rest]).any(looks_around);
    if (looks_ahead && !is_anchored) || is_looking {
        return Err(REFUSED.to_owned());
    }
    let (begin, end) = (if is_anchored { "^" } else { "" }, if is_closed { "$" } else { "" });
    found.push(Condition { wanted: true, expression: format!("{begin}{rest}{end}") });
    Ok(found)
}

fn looks_around(expression: &str) -> bool {
    Outline::of(expression).is_none_or(|outline| outline.looks_around)
}

/// What a group that looks around holds, and whether it is wanted. One that is repeated is none.
fn inside<'t>(text: &'t str, group: Group, positive: &str, negative: &str) -> Option<(bool, &'t str)> {
    if text.get(group.ends..).is_some_and(|rest| rest.starts_with(['*', '+', '?', '{'])) {
        return None;
    }
    let whole = text.get(group.begins..group.ends)?.strip_suffix(')')?;
    whole.strip_prefix(positive).map(|inside| (true, inside)).or(whole.strip_prefix(negative).map(|i| (false, i)))
}

/// A group that lies in no other: the places of its parentheses, bytes.
#[derive(Clone, Copy, Debug)]
struct Group {
    begins: usize,
    ends: usize,
}

/// What can be seen of a pattern without understanding it.
#[derive(Debug, Default)]
struct Outline {
    /// With boundaries of words as ECMA-262 means them, of ASCII words, and with its `.`.
    text: String,
    groups: Vec<Group>,
    /// Outside of groups.
    has_alternatives: bool,
    looks_around: bool,
    ends_with_anchor: bool,
}

impl Outline {
    /// `None` of a pattern that refers back to what a group matched.
    fn of(pattern: &str) -> Option<Outline> {
        let mut outline = Outline::default();
        let (mut depth, mut begins, mut in_class) = (0_usize, 0, false);
        let mut rest = pattern;
        while let Some(char) = rest.chars().next() {
            let after = rest.get(char.len_utf8()..).unwrap_or_default();
            outline.ends_with_anchor = char == '$' && depth == 0 && !in_class;
            match char {
                '\\' => {
                    let escaped = after.chars().next();
                    let taken = 1 + escaped.map_or(0, char::len_utf8);
                    let (escape, others) = rest.split_at_checked(taken).unwrap_or((rest, ""));
                    match escaped {
                        Some('b' | 'B') if !in_class => {
                            outline.text.push_str("(?-u:");
                            outline.text.push_str(escape);
                            outline.text.push(')');
                        }
                        Some('1'..='9' | 'k') if !in_class => return None,
                        _ => outline.text.push_str(escape),
                    }
                    rest = others;
                    continue;
                }
                '.' if !in_class => {
                    outline.text.push_str(ANY_BUT_LINE_ENDS);
                    rest = after;
                    continue;
                }
                '[' => in_class = true,
                ']' => in_class = false,
                '(' if !in_class => {
                    if depth == 0 {
                        begins = outline.text.len();
                    }
                    depth += 1;
                    outline.looks_around |= ["?=", "?!", "?<=", "?<!"].iter().any(|mark| after.starts_with(mark));
                }
                ')' if !in_class => {
                    if depth == 1 {
                        outline.groups.push(Group { begins, ends: outline.text.len() + 1 });
                    }
                    depth = depth.saturating_sub(1);
                }
                '|' if !in_class => outline.has_alternatives |= depth == 0,
                _ => {}
            }
            outline.text.push(char);
            rest = after;
        }
        Some(outline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(pattern: &str) -> Result<Vec<(bool, String)>, String> {
        Ok(conditions(pattern)?.into_iter().map(|condition| (condition.wanted, condition.expression)).collect())
    }

    #[test]
    fn what_looks_around_at_the_ends_becomes_conditions() {
        for (pattern, wanted) in [
            ("^a|b$", vec![(true, "^a|b$")]),
            ("", vec![(true, "")]),
            (r"(?<year>\d)(?:x)(?i:y)", vec![(true, r"(?<year>\d)(?:x)(?i:y)")]),
            (r"\bfoo\B[\b]\\b", vec![(true, r"(?-u:\b)foo(?-u:\B)[\b]\\b")]),
            ("^(?=a*[A-Z])(?!a*[(|])x$", vec![(true, "^(?:a*[A-Z])"), (false, "^(?:a*[(|])"), (true, "^x$")]),
            (r"^(?=.a)[.]\.$", vec![(true, r"^(?:[^\n\r\u2028\u2029]a)"), (true, r"^[.]\.$")]),
            ("(?!(^xn--|-a$))^[a-z]$", vec![(false, "^(?:(^xn--|-a$))"), (true, "^[a-z]$")]),
            ("^(?!-)a(?<!-)$", vec![(false, "^(?:-)"), (false, "(?:-)$"), (true, "^a$")]),
            ("(?<=a)(?<!b)$", vec![(false, "(?:b)$"), (true, "(?:a)$"), (true, "$")]),
            (r"^(?!\))(a|b)", vec![(false, r"^(?:\))"), (true, "^(a|b)")]),
            (r"^(?=\bx)y", vec![(true, r"^(?:(?-u:\b)x)"), (true, "^y")]),
        ] {
            let wanted: Vec<_> =
                wanted.into_iter().map(|(wanted, expression)| (wanted, expression.to_owned())).collect();
            assert_eq!(taken_apart(pattern), Ok(wanted), "{pattern}");
        }
    }

    #[test]
    fn what_looks_around_elsewhere_is_refused() {
        for pattern in [
            "(?=a)b",
            "^(?=a)*b",
            "^(?!a)b|c",
            "^((?!a).)*$",
            "^a(?=b)",
            "^a(?<=b)c",
            r"^a(?<!b)\$",
            "^(?=a(?!b))c",
            "(a)(?<!a(?=b))$",
            r"(a)\1",
            r"(?<a>b)\k<a>",
        ] {
            assert!(taken_apart(pattern).is_err_and(|said| said.contains("one pass")), "{pattern}");
        }
    }
}
