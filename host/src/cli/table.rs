//! Rows under headings, each column as wide as its widest cell.

use super::terminal::{Colours, Tone, line};

/// Text of strangers is made harmless; `tone` is asked how the cell of the given row and column stands out.
pub(super) fn table<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
    colours: Colours,
    tone: impl Fn(usize, usize) -> Option<Tone>,
) -> String {
    let safe: Vec<[String; COLUMNS]> =
        rows.iter().map(|row| row.clone().map(|cell| line(&cell).into_owned())).collect();
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in &safe {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let aligned = |cells: [(String, Option<Tone>); COLUMNS]| {
        let mut text = String::new();
        let mut pending = 0;
        for ((cell, tone), width) in cells.into_iter().zip(widths) {
            if !cell.is_empty() {
                // Spaces only before something: no line ends in them.
                text.extend(std::iter::repeat_n(' ', pending));
                pending = 0;
                match tone {
                    Some(tone) => text.push_str(&colours.paint(tone, &cell)),
                    None => text.push_str(&cell),
                }
            }
            pending += width + 2 - cell.chars().count();
        }
        text
    };
    let mut lines = vec![aligned(headings.map(|heading| (heading.to_owned(), Some(Tone::Faint))))];
    for (index, row) in safe.into_iter().enumerate() {
        let mut column = 0;
        lines.push(aligned(row.map(|cell| {
            column += 1;
            (cell, tone(index, column - 1))
        })));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_no_line_ends_in_spaces() {
        let rows = [["a".to_owned(), String::new()], ["long\u{1b}[2J".to_owned(), "x".to_owned()]];
        let table = table(["ONE", "TWO"], &rows, Colours::Off, |_, _| None);
        assert_eq!(table, "ONE            TWO\na\nlong\\u{1b}[2J  x");
    }

    #[test]
    fn a_cell_stays_in_its_place_and_shows_what_it_is() {
        let rows = [["a\u{2028}b".to_owned(), "x".to_owned()], ["\u{200b}\u{202e}".to_owned(), "y".to_owned()]];
        let table = table(["ONE", "TWO"], &rows, Colours::Off, |_, _| None);
        assert_eq!(table, "ONE               TWO\na\\u{2028}b        x\n\\u{200b}\\u{202e}  y");
    }
}
