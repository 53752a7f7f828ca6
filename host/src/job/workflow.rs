//! The graph of a workflow: an order in which every job comes after those it waits for, or the circle that makes one
//! impossible. Pure.

use std::collections::VecDeque;

/// Jobs of one workflow.
pub const WORKFLOW_JOBS_MAX: usize = 1_000;
/// Dependencies between the jobs of one workflow.
pub const WORKFLOW_DEPENDENCIES_MAX: usize = 10_000;

/// Jobs that wait for each other in a circle, each for the next, the first again at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<usize>);

/// The jobs, `parents` of each, in an order in which parents come first; as near to the order given as that allows.
///
/// Every parent must be less than `parents.len()`.
pub fn in_order(parents: &[Vec<usize>]) -> Result<Vec<usize>, Cycle> {
    let mut open: Vec<usize> = parents.iter().map(Vec::len).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); parents.len()];
    for (child, its) in parents.iter().enumerate() {
        for parent in its {
            if let Some(children) = children.get_mut(*parent) {
                children.push(child);
            }
        }
    }
    let mut free: VecDeque<usize> = (0..parents.len()).filter(|job| open[*job] == 0).collect();
    let mut order = Vec::with_capacity(parents.len());
    while let Some(job) = free.pop_front() {
        order.push(job);
        for child in &children[job] {
            open[*child] -= 1;
            if open[*child] == 0 {
                free.push_back(*child);
            }
        }
    }
    if order.len() == parents.len() { Ok(order) } else { Err(circle(parents, &open)) }
}

/// Goes from a job that never became free to parents that did not either, until one comes up again.
fn circle(parents: &[Vec<usize>], open: &[usize]) -> Cycle {
    let stuck = |job: &usize| open.get(*job).is_some_and(|open| *open > 0);
    let mut path: Vec<usize> = Vec::new();
    let mut next = (0..parents.len()).find(stuck);
    while let Some(job) = next {
        if let Some(begin) = path.iter().position(|passed| *passed == job) {
            let mut circle = path.split_off(begin);
            circle.push(job);
            return Cycle(circle);
        }
        path.push(job);
        next = parents.get(job).and_then(|its| its.iter().copied().find(stuck));
    }
    Cycle(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn orders_and_circles() {
        for (parents, expected) in [
            (vec![], Ok(vec![])),
            (vec![vec![]], Ok(vec![0])),
            (vec![vec![1], vec![]], Ok(vec![1, 0])),
            (vec![vec![], vec![0], vec![0], vec![1, 2]], Ok(vec![0, 1, 2, 3])),
            (vec![vec![0]], Err(vec![0, 0])),
            (vec![vec![1], vec![0]], Err(vec![0, 1, 0])),
            (vec![vec![], vec![0, 2], vec![3], vec![1]], Err(vec![1, 2, 3, 1])),
            // The circle is named, not what hangs on it.
            (vec![vec![1], vec![2], vec![1]], Err(vec![1, 2, 1])),
        ] {
            assert_eq!(in_order(&parents), expected.map_err(Cycle), "{parents:?}");
        }
    }

    proptest! {
        #[test]
        fn parents_come_first_or_there_is_a_circle(edges in prop::collection::vec((0usize..12, 0usize..12), 0..40)) {
            let mut parents = vec![Vec::new(); 12];
            for (child, parent) in edges {
                if !parents[child].contains(&parent) {
                    parents[child].push(parent);
                }
            }
            match in_order(&parents) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), 12);
                    let place = |job: usize| order.iter().position(|one| *one == job);
                    for (child, its) in parents.iter().enumerate() {
                        prop_assert!(its.iter().all(|parent| place(*parent) < place(child)));
                    }
                }
                Err(Cycle(circle)) => {
                    prop_assert!(circle.len() >= 2 && circle.first() == circle.last());
                    prop_assert!(circle.windows(2).all(|pair| parents[pair[0]].contains(&pair[1])));
                }
            }
        }
    }
}
