//! Counts requests by route, method and status, and how long they took. Atomics in a fixed table: counting takes
//! no lock and allocates nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use rustc_hash::FxHashMap;

use crate::job::duration::whole_us;

/// Statuses the API answers with; anything else is counted as `0`.
const STATUSES: [u16; 21] =
    [101, 200, 201, 202, 204, 303, 304, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503, 0];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "other"];
/// Upper bounds of the histogram, µs.
pub(super) const BUCKETS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000];

/// One place in the table.
#[derive(Clone, Copy)]
pub(super) struct Route {
    path: usize,
    method: usize,
}

#[derive(Default)]
struct Cell {
    statuses: [AtomicU64; STATUSES.len()],
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    total_us: AtomicU64,
}

/// The counts of one route and method.
pub(super) struct RouteCounts<'a> {
    pub(super) path: &'a str,
    pub(super) method: &'static str,
    /// Status and number of answers, without zeros.
    pub(super) statuses: Vec<(u16, u64)>,
    /// Answers in each bucket, the last one unbounded; not summed up.
    pub(super) buckets: Vec<u64>,
    pub(super) total_us: u64,
}

/// The table.
pub(super) struct HttpMetrics {
    index: FxHashMap<String, usize>,
    paths: Vec<String>,
    cells: Vec<[Cell; METHODS.len()]>,
}

impl HttpMetrics {
    /// For these routes, and one more for whatever matches none.
    pub(super) fn new(paths: Vec<String>) -> Self {
        let mut paths = paths;
        paths.push("unmatched".to_owned());
        Self {
            index: paths.iter().enumerate().map(|(index, path)| (path.clone(), index)).collect(),
            cells: paths.iter().map(|_| Default::default()).collect(),
            paths,
        }
    }

    pub(super) fn route(&self, path: Option<&str>, method: &Method) -> Route {
        let unmatched = self.paths.len() - 1;
        Route {
            path: path.and_then(|path| self.index.get(path).copied()).unwrap_or(unmatched),
            method: METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1),
        }
    }

    pub(super) fn record(&self, route: Route, status: StatusCode, took: Duration) {
        let Some(cell) = self.cells.get(route.path).and_then(|methods| methods.get(route.method)) else { return };
        let took_us = whole_us(took);
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        let bucket = BUCKETS_US.iter().position(|bound| took_us <= *bound).unwrap_or(BUCKETS_US.len());
        cell.statuses[status].fetch_add(1, Ordering::Relaxed);
        cell.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        cell.total_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// Every route and method that has been asked for.
    pub(super) fn counts(&self) -> impl Iterator<Item = RouteCounts<'_>> {
        self.paths.iter().zip(&self.cells).flat_map(|(path, methods)| {
            METHODS.iter().zip(methods).filter_map(move |(method, cell)| {
                let statuses: Vec<(u16, u64)> = STATUSES
                    .iter()
                    .zip(&cell.statuses)
                    .map(|(status, count)| (*status, count.load(Ordering::Relaxed)))
                    .filter(|(_, count)| *count > 0)
                    .collect();
                (!statuses.is_empty()).then(|| RouteCounts {
                    path,
                    method,
                    statuses,
                    buckets: cell.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
                    total_us: cell.total_us.load(Ordering::Relaxed),
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_under_its_status() {
        for code in crate::api::error::ProblemCode::ALL {
            assert!(STATUSES.contains(&code.status()), "{}", code.status());
        }
    }

    #[test]
    fn requests_are_counted_where_they_belong() {
        let metrics = HttpMetrics::new(vec!["/a".to_owned()]);
        let a = metrics.route(Some("/a"), &Method::GET);
        metrics.record(a, StatusCode::OK, Duration::from_micros(100));
        metrics.record(a, StatusCode::NOT_MODIFIED, Duration::from_micros(100));
        metrics.record(a, StatusCode::IM_A_TEAPOT, Duration::from_mins(1));
        metrics.record(metrics.route(None, &Method::PATCH), StatusCode::NOT_FOUND, Duration::ZERO);
        let counts: Vec<_> = metrics.counts().collect();
        assert_eq!(counts.len(), 2);
        assert_eq!((counts[0].path, counts[0].method), ("/a", "GET"));
        assert_eq!(counts[0].statuses, [(200, 1), (304, 1), (0, 1)]);
        assert_eq!((counts[0].buckets[0], counts[0].buckets[BUCKETS_US.len()]), (2, 1));
        assert_eq!((counts[1].path, counts[1].method), ("unmatched", "other"));
    }
}
