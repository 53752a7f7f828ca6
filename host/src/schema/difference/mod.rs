//! What changed from one JSON Schema to another, in sentences for people. Says what it can put into words and names
//! the place of everything else; never decides whether a value is valid. Pure, and bounded in depth, work and words.

mod reading;
#[cfg(test)]
mod tests;
mod walk;
mod words;

pub use walk::difference;
