//! Sleeps far past any timeout.

use std::time::Duration;

const AN_HOUR: Duration = Duration::from_hours(1);

fn main() {
    std::thread::sleep(AN_HOUR);
}
