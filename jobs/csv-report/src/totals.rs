//! What the rows of one group add up to: exactly, as decimals. A float is made only of the result.

use std::fmt;

use rust_decimal::Decimal;

use crate::ColumnTotals;

/// One group's sums.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    count: u64,
    /// In the order of the columns asked for.
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    sum: Decimal,
    min: Decimal,
    max: Decimal,
}

/// The sum of a column, by its number, has no room in a decimal.
#[derive(Debug)]
pub(crate) struct TooLarge(usize);

impl TooLarge {
    /// In words, given the names of the columns.
    pub(crate) fn of(&self, names: &[String]) -> impl fmt::Display {
        let name = names.get(self.0).map(String::as_str).unwrap_or_default();
        format!("the sum of column {name:?} has more than 28 digits")
    }
}

impl Totals {
    /// Adds one row; always with the same number of columns.
    pub(crate) fn add(&mut self, numbers: &[Decimal]) -> Result<(), TooLarge> {
        self.count += 1;
        if self.count == 1 {
            self.columns = numbers.iter().map(|number| Column { sum: *number, min: *number, max: *number }).collect();
            return Ok(());
        }
        for (index, (column, number)) in self.columns.iter_mut().zip(numbers).enumerate() {
            column.sum = column.sum.checked_add(*number).ok_or(TooLarge(index))?;
            column.min = column.min.min(*number);
            column.max = column.max.max(*number);
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = ColumnTotals> + '_ {
        self.columns.iter().map(|Column { sum, min, max }| ColumnTotals {
            sum: float(*sum),
            min: float(*min),
            max: float(*max),
            // A group has a row at least.
            mean: float(sum / Decimal::from(self.count.max(1))),
        })
    }
}

/// The float nearest to a decimal: by way of its digits, for a conversion by arithmetic is off by a little.
fn float(decimal: Decimal) -> f64 {
    decimal.to_string().parse().unwrap_or(f64::NAN)
}
