//! What changed from one JSON Schema to another, in sentences for people. Says what it can put into words and names
//! the place of everything else; never decides whether a value is valid. Says nothing, or that there is no change of
//! meaning, only of schemas that take the same values. Pure, and bounded in depth, steps and words.

#[cfg(test)]
mod agreement;
mod keywords;
mod path;
mod reading;
mod steps;
#[cfg(test)]
mod tests;
mod values;
mod walk;
mod words;

pub use walk::difference;
