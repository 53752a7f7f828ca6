//! Where the walk is, in words: places in a value by pointers, alternatives and conditions in front of the sentence.

use super::words::cut;

/// From one place to the next.
#[derive(Clone, Debug)]
pub(super) enum Step<'a> {
    /// To this member.
    Member(&'a str),
    /// To any member that has no description of its own.
    AnyMember,
    /// To any element.
    Element,
    /// To the element at this index.
    Position(usize),
    /// To the names of members.
    Name,
    /// Not to another place: to what holds for it in some cases.
    Case(Case<'a>),
}

/// In which cases something holds.
#[derive(Clone, Debug)]
pub(super) enum Case<'a> {
    Variant(String),
    /// One that has no name, from 1.
    VariantNumber(usize),
    Not,
    If,
    Then,
    Else,
    /// This member is there.
    Present(&'a str),
    /// For members with such names.
    Matching(&'a str),
    Contained,
    /// For what no other keyword speaks of.
    Unevaluated,
}

/// The place a sentence is about: `name` at the top, `/address/street` below it.
pub(super) fn place(path: &[Step<'_>]) -> String {
    let last = path.iter().rposition(|step| !matches!(step, Step::Case(_)));
    if let Some((Step::Name, above)) = last.and_then(|last| path.get(..=last)?.split_last()) {
        return format!("each name{}", of(above));
    }
    let names: Vec<String> = path.iter().filter_map(name).collect();
    match names.as_slice() {
        [] => "it".to_owned(),
        [only] if only != "*" => format!("`{only}`"),
        names => format!(
            "`/{}`",
            names.iter().map(|name| name.replace('~', "~0").replace('/', "~1")).collect::<Vec<_>>().join("/")
        ),
    }
}

/// The cases a sentence is about, to be written before it; empty for all.
pub(super) fn cases(path: &[Step<'_>]) -> String {
    let cases = path.iter().enumerate().filter_map(|(index, step)| match step {
        Step::Case(case) => Some(case_in_words(case, path.get(..index).unwrap_or_default())),
        _ => None,
    });
    cases.collect::<Vec<_>>().join(", ")
}

fn name(step: &Step<'_>) -> Option<String> {
    match step {
        Step::Member(name) => Some(cut(name)),
        Step::AnyMember | Step::Element => Some("*".to_owned()),
        Step::Position(index) => Some(index.to_string()),
        Step::Name | Step::Case(_) => None,
    }
}

fn of(path: &[Step<'_>]) -> String {
    if path.iter().all(|step| name(step).is_none()) { String::new() } else { format!(" of {}", place(path)) }
}

fn case_in_words(case: &Case<'_>, above: &[Step<'_>]) -> String {
    let of = of(above);
    match case {
        Case::Variant(name) => format!("in variant `{}`{of}", cut(name)),
        Case::VariantNumber(number) => format!("in variant number {number}{of}"),
        Case::Not => format!("in what {} must not be", place(above)),
        Case::If => format!("in the condition (`if`){of}"),
        Case::Then => format!("where the condition{of} is met"),
        Case::Else => format!("where the condition{of} is not met"),
        Case::Present(member) => {
            let mut path = above.to_vec();
            path.push(Step::Member(member));
            format!("where {} is there", place(&path))
        }
        Case::Matching(pattern) => format!("in members{of} whose names match `{}`", cut(pattern)),
        Case::Contained => format!("in what {} must contain", place(above)),
        Case::Unevaluated => format!("in what nothing else{of} describes"),
    }
}
