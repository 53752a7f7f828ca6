//! How often hosts are killed.

/// What `STOKER_CRASH_ROUNDS` says (`cargo xtask crash` does), else `otherwise`.
pub fn crash_rounds(otherwise: usize) -> usize {
    std::env::var("STOKER_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
