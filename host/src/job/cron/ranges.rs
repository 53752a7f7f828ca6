//! Ranges that run over the end of their field: `FRI-MON`, `22-4`, `NOV-FEB/2`. They become lists, which every reader of
//! cron takes.

use super::expression::Field;

/// The field with such ranges replaced; everything else as it is, the wrong included.
pub(super) fn without_backward_ranges(field: Field, written: &str) -> String {
    let items = written.split(',').map(|item| listed(field, item).unwrap_or_else(|| item.to_owned()));
    items.collect::<Vec<_>>().join(",")
}

/// The values of a backward range; `None` if the item is none.
fn listed(field: Field, item: &str) -> Option<String> {
    let (range, step) = item.split_once('/').map_or((item, "1"), |(range, step)| (range, step));
    let (from, to) = range.split_once('-')?;
    let (from, to, step) = (value(field, from)?, value(field, to)?, step.parse::<u32>().ok()?);
    // Sunday is 0 and 7: SAT-SUN and 5-7 run forwards.
    let sunday_is_last = field.names.first() == Some(&"SUN") && to == 0 && from > 0;
    if step == 0 || (from <= to && !sunday_is_last) {
        return None;
    }
    let count = field.last - field.first + 1;
    let length = (to + count - from) % count;
    let values = (0..=length).step_by(usize::try_from(step).ok()?);
    let values = values.map(|passed| (field.first + (from - field.first + passed) % count).to_string());
    Some(values.collect::<Vec<_>>().join(","))
}

fn value(field: Field, word: &str) -> Option<u32> {
    if let Some(place) = field.names.iter().position(|name| *name == word) {
        return Some(field.first + u32::try_from(place).ok()?);
    }
    let value: u32 = word.parse().ok()?;
    (field.first..=field.last).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::expression::FIELDS;
    use super::*;

    #[test]
    fn only_backward_ranges_change() {
        for (field, written, expected) in [
            (2, "22-4", "22,23,0,1,2,3,4"),
            (2, "22-4/3", "22,1,4"),
            (2, "4-22", "4-22"),
            (4, "NOV-FEB", "11,12,1,2"),
            (4, "9-8/3", "9,12,3,6"),
            (3, "30-2", "30,31,1,2"),
            (5, "FRI-MON", "5,6,0,1"),
            (5, "SAT-SUN", "6,0"),
            (5, "SUN-TUE", "SUN-TUE"),
            (5, "5-7", "5-7"),
            (5, "MON,SAT-TUE/2", "MON,6,1"),
            (
                1,
                "5-1,*/5",
                "5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,0,1,*/5",
            ),
            (1, "99-1", "99-1"),
            (1, "9-1/0", "9-1/0"),
            (3, "L", "L"),
        ] {
            assert_eq!(without_backward_ranges(FIELDS[field], written), expected);
        }
    }
}
