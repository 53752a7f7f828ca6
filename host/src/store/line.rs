//! The lines of a claim: where jobs of each tenant can be taken from now, by the place of the first job there, in the one order all
//! jobs of a tenant have. Kept from claim to claim, so that a claim pays for what it meets, and not for all the limits that have
//! room, nor for all the tenants there are. See ADR 15 and 17. Whose line is gone along next is decided in `shares.rs`.
//!
//! A place in here is one before which no job of its source stands; whether one stands there is seen by who goes there. All of
//! it is memory: it can be looked up again, and is, after a start and after a transaction that was taken back.

use std::collections::{BTreeSet, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};

use super::catalog::{Catalog, KindId, QueueId, TenantId};
use super::draft::Place;
use super::limit_of::LimitOf;
use super::order::Order;
use crate::job::kind::PRIORITY_DEFAULT;

/// Where jobs are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Source {
    /// Those of a queue that nothing holds.
    Ready(QueueId),
    /// Those held under a limit of a kind or key that lets some begin; of a key whose jobs take turns the one in turn.
    Held(LimitOf),
}

/// What is kept back together: the ready jobs of a queue, or those of a queue and a kind that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Group {
    pub(super) queue: QueueId,
    pub(super) kind: Option<KindId>,
}

/// A place among those of all queues of a tenant: with what the queue's priority adds.
pub(super) type Rank = (i64, [u8; 16]);

/// A group's first place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    rank: Rank,
    group: Group,
}

/// The sources of a group.
#[derive(Debug, Default)]
struct Members {
    sources: BTreeSet<(Place, Source)>,
    /// Kept out of the line.
    is_aside: bool,
}

impl Members {
    fn head(&self) -> Option<Place> {
        self.sources.first().filter(|_| !self.is_aside).map(|(place, _)| *place)
    }
}

/// Sources in the order in which they came to be here, each once.
#[derive(Debug, Default)]
struct Unknown {
    queue: VecDeque<Source>,
    members: FxHashSet<Source>,
}

impl Unknown {
    fn insert(&mut self, source: Source) {
        if self.members.insert(source) {
            self.queue.push_back(source);
        }
    }

    fn take(&mut self, sources_max: usize) -> Vec<Source> {
        let taken: Vec<Source> = self.queue.drain(..sources_max.min(self.queue.len())).collect();
        for source in &taken {
            self.members.remove(source);
        }
        taken
    }

    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// Who is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) group: Group,
    pub(super) source: Source,
    pub(super) place: Place,
    /// What the queue's priority adds to the keys of its jobs.
    pub(super) offset: i64,
    /// Beyond this rank somebody else is first.
    pub(super) until: Option<Rank>,
}

/// See the file's head. One per writer.
#[derive(Debug)]
pub(super) struct Line {
    order: Order,
    /// Of every group that is not aside. No tenant without any is in it.
    heads: FxHashMap<TenantId, BTreeSet<Head>>,
    /// Tenants who have come to have any since they were last asked for.
    arrived: Vec<TenantId>,
    /// Whose each queue is.
    tenants: FxHashMap<QueueId, TenantId>,
    groups: FxHashMap<Group, Members>,
    /// Where each source is in the groups.
    places: FxHashMap<Source, Vec<(Group, Place)>>,
    /// Groups that were found to have to wait for a limit.
    aside: FxHashMap<LimitOf, Vec<Group>>,
    /// What each queue's priority adds.
    offsets: FxHashMap<QueueId, i64>,
    /// Sources whose places are to be looked up, again or for the first time.
    unknown: Unknown,
}

impl Line {
    /// Nobody is in it.
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            heads: FxHashMap::default(),
            arrived: Vec::new(),
            tenants: FxHashMap::default(),
            groups: FxHashMap::default(),
            places: FxHashMap::default(),
            aside: FxHashMap::default(),
            offsets: FxHashMap::default(),
            unknown: Unknown::default(),
        }
    }

    /// Nothing of it can be believed any more: every queue is to be looked at.
    pub(super) fn forget(&mut self, catalog: &Catalog) {
        *self = Self::new(self.order);
        let mut queues: Vec<QueueId> = catalog.queue_settings.keys().copied().collect();
        queues.sort_unstable();
        for queue in queues {
            self.unknown.insert(Source::Ready(queue));
        }
    }

    /// Queues may have other priorities, and may no longer be paused: who is aside is let in again.
    pub(super) fn rank_anew(&mut self, catalog: &Catalog) {
        let offset = |(queue, priority)| (queue, self.order.queue_offset(priority));
        let priorities = catalog.queue_settings.iter().map(|(queue, settings)| (*queue, settings.priority));
        self.offsets = priorities.map(offset).collect();
        self.tenants = catalog.queue_settings.iter().map(|(queue, settings)| (*queue, settings.tenant)).collect();
        self.aside.clear();
        self.groups.retain(|_, members| !members.sources.is_empty());
        self.heads = FxHashMap::default();
        self.arrived.clear();
        let groups: Vec<Group> = self.groups.keys().copied().collect();
        for group in groups {
            let offset = self.offset(group.queue);
            if let Some(members) = self.groups.get_mut(&group) {
                members.is_aside = false;
                let head = members.head().map(|place| head(group, place, offset));
                self.add_head(group, head);
            }
        }
    }

    /// Whether there is anybody to be taken, as far as is known.
    pub(super) fn has_anybody(&self) -> bool {
        !self.heads.is_empty() || !self.unknown.is_empty()
    }

    // ---- what is not known ----

    /// A source may begin elsewhere than is known.
    pub(super) fn look_up(&mut self, source: Source) {
        self.unknown.insert(source);
    }

    /// The same, if it is in the line: another one is looked up when it gets there.
    pub(super) fn look_up_again(&mut self, source: Source) {
        if self.has(source) {
            self.unknown.insert(source);
        }
    }

    /// Some of those to be looked up, no longer noted as such.
    pub(super) fn take_unknown(&mut self, sources_max: usize) -> Vec<Source> {
        self.unknown.take(sources_max)
    }

    /// Whether something is still to be looked up.
    pub(super) fn has_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }

    // ---- where sources begin ----

    /// Whether the source's places are known.
    pub(super) fn has(&self, source: Source) -> bool {
        self.places.contains_key(&source)
    }

    /// The source begins at these places, and at no others.
    pub(super) fn put(&mut self, source: Source, places: Vec<(Group, Place)>) {
        self.remove(source);
        for &(group, place) in &places {
            self.change(group, |members| {
                members.sources.insert((place, source));
            });
        }
        if !places.is_empty() {
            self.places.insert(source, places);
        }
    }

    /// Nothing is to be taken from the source.
    pub(super) fn remove(&mut self, source: Source) {
        for (group, place) in self.places.remove(&source).unwrap_or_default() {
            self.change(group, |members| {
                members.sources.remove(&(place, source));
            });
        }
    }

    /// A claim went through the source's jobs in a group: the next one stands there, or there is none.
    pub(super) fn moved(&mut self, source: Source, group: Group, to: Option<Place>) {
        let Some(places) = self.places.get_mut(&source) else { return };
        let Some(index) = places.iter().position(|(of, _)| *of == group) else { return };
        let (_, from) = places.swap_remove(index);
        places.extend(to.map(|place| (group, place)));
        if places.is_empty() {
            self.places.remove(&source);
        }
        self.change(group, |members| {
            members.sources.remove(&(from, source));
            members.sources.extend(to.map(|place| (place, source)));
        });
    }

    // ---- who is first ----

    /// Tenants who have come to have somebody in line since the last call. Of those who come together, as all do after a start,
    /// the one whose next job is the oldest is the first; jobs that were enqueued together are read and written together.
    pub(super) fn take_arrived(&mut self) -> Vec<TenantId> {
        let mut arrived = std::mem::take(&mut self.arrived);
        if arrived.len() > 1 {
            arrived.sort_by_cached_key(|tenant| {
                self.heads.get(tenant).and_then(|heads| heads.first()).map(|head| head.rank.1)
            });
        }
        arrived
    }

    /// The tenant's source whose first job comes before all others, and who comes next.
    pub(super) fn first(&self, tenant: TenantId) -> Option<First> {
        let mut heads = self.heads.get(&tenant)?.iter();
        let group = heads.next()?.group;
        let offset = self.offset(group.queue);
        let mut sources = self.groups.get(&group)?.sources.iter();
        let &(place, source) = sources.next()?;
        let beside = sources.next().map(|(place, _)| head(group, *place, offset).rank);
        let until = heads.next().map(|head| head.rank).into_iter().chain(beside).min();
        Some(First { group, source, place, offset, until })
    }

    /// Nobody of the group can begin before the limit has room; `None`: before the queue is set anew.
    pub(super) fn set_aside(&mut self, group: Group, limit: Option<LimitOf>) {
        self.change(group, |members| members.is_aside = true);
        if let Some(limit) = limit {
            self.aside.entry(limit).or_default().push(group);
        }
    }

    /// The limit may have room.
    pub(super) fn let_in(&mut self, limit: LimitOf) {
        for group in self.aside.remove(&limit).unwrap_or_default() {
            self.change(group, |members| members.is_aside = false);
        }
    }

    /// Changes a group, and keeps its head what it is.
    fn change(&mut self, group: Group, change: impl FnOnce(&mut Members)) {
        let offset = self.offset(group.queue);
        let members = self.groups.entry(group).or_default();
        let before = members.head();
        change(members);
        let after = members.head();
        // One that is aside is waited for: who comes to it meanwhile waits with it.
        if members.sources.is_empty() && !members.is_aside {
            self.groups.remove(&group);
        }
        if before != after {
            if let Some(place) = before {
                self.remove_head(group, head(group, place, offset));
            }
            self.add_head(group, after.map(|place| head(group, place, offset)));
        }
    }

    fn add_head(&mut self, group: Group, head: Option<Head>) {
        let (Some(head), tenant) = (head, self.tenant(group.queue)) else { return };
        let heads = self.heads.entry(tenant).or_default();
        if heads.is_empty() {
            self.arrived.push(tenant);
        }
        heads.insert(head);
    }

    fn remove_head(&mut self, group: Group, head: Head) {
        let tenant = self.tenant(group.queue);
        if let Some(heads) = self.heads.get_mut(&tenant) {
            heads.remove(&head);
            if heads.is_empty() {
                self.heads.remove(&tenant);
            }
        }
    }

    fn tenant(&self, queue: QueueId) -> TenantId {
        self.tenants.get(&queue).copied().unwrap_or(TenantId::DEFAULT)
    }

    fn offset(&self, queue: QueueId) -> i64 {
        self.offsets.get(&queue).copied().unwrap_or_else(|| self.order.queue_offset(PRIORITY_DEFAULT))
    }
}

fn head(group: Group, (key, job): Place, offset: i64) -> Head {
    Head { rank: (key + offset, job), group }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::store::limit_of::KeyId;

    const QUEUES: i64 = 4;
    const KINDS: i64 = 3;
    const KEYS: i64 = 12;

    /// What can happen to a line.
    #[derive(Clone, Debug)]
    enum Step {
        Put(Source, Vec<(Group, Place)>),
        Remove(Source),
        MoveFirst(Option<i64>),
        SetFirstAside(Option<LimitOf>),
        LetIn(LimitOf),
        RankAnew,
    }

    /// The same without any order.
    #[derive(Default)]
    struct Naive {
        places: Vec<(Source, Group, Place)>,
        aside: Vec<(Group, Option<LimitOf>)>,
    }

    impl Naive {
        fn first(&self) -> Option<(Place, Source, Group)> {
            let is_in = |group: &Group| self.aside.iter().all(|(aside, _)| aside != group);
            let known = self.places.iter().filter(|(_, group, _)| is_in(group));
            // As `Line` has it: groups by their heads, and in a group its sources.
            let head = known.clone().map(|(_, group, place)| (*place, *group)).min()?;
            known
                .filter(|(_, group, place)| (*place, *group) == head)
                .map(|(source, group, place)| (*place, *source, *group))
                .min()
        }

        fn second(&self, first: (Place, Source, Group)) -> Option<Place> {
            let is_in = |group: &Group| self.aside.iter().all(|(aside, _)| aside != group);
            let others = self.places.iter().filter(|(source, group, place)| (*place, *source, *group) != first);
            others.filter(|(_, group, _)| is_in(group)).map(|(_, _, place)| *place).min()
        }
    }

    fn limit() -> impl Strategy<Value = LimitOf> {
        prop_oneof![
            (0..KINDS).prop_map(|kind| LimitOf::Kind(KindId(kind))),
            (0..KEYS).prop_map(|key| LimitOf::Key(KeyId(key))),
            (0..QUEUES).prop_map(|queue| LimitOf::Queue(QueueId(queue))),
        ]
    }

    fn place() -> impl Strategy<Value = Place> {
        (0i64..20, 0u8..6).prop_map(|(key, job)| (key, [job; 16]))
    }

    /// A source and where it begins, one place in each of some groups.
    fn known() -> impl Strategy<Value = (Source, Vec<(Group, Place)>)> {
        let ready = (0..QUEUES, place()).prop_map(|(queue, place)| {
            let queue = QueueId(queue);
            (Source::Ready(queue), vec![(Group { queue, kind: None }, place)])
        });
        let held = (0..KINDS, 0..KEYS, prop::collection::btree_map(0..QUEUES, place(), 0..4), any::<bool>()).prop_map(
            |(kind, key, places, is_key)| {
                // A key has one kind.
                let kind = KindId(if is_key { key % KINDS } else { kind });
                let source = if is_key { LimitOf::Key(KeyId(key)) } else { LimitOf::Kind(kind) };
                let group = |queue| Group { queue: QueueId(queue), kind: Some(kind) };
                (Source::Held(source), places.into_iter().map(|(queue, place)| (group(queue), place)).collect())
            },
        );
        prop_oneof![ready, held]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => known().prop_map(|(source, places)| Step::Put(source, places)),
            1 => known().prop_map(|(source, _)| Step::Remove(source)),
            4 => prop::option::of(1i64..5).prop_map(Step::MoveFirst),
            2 => prop::option::of(limit()).prop_map(Step::SetFirstAside),
            2 => limit().prop_map(Step::LetIn),
            1 => Just(Step::RankAnew),
        ]
    }

    #[test]
    fn of_tenants_who_come_together_the_one_with_the_oldest_job_is_first() {
        let mut line = Line::new(Order::new(Duration::from_mins(1)));
        // The one that has waited longest has the lowest priority.
        for (tenant, job, key) in [(7, 3, 0), (8, 1, 9), (9, 2, 5)] {
            let queue = QueueId(tenant);
            line.tenants.insert(queue, TenantId(tenant));
            line.put(Source::Ready(queue), vec![(Group { queue, kind: None }, (key, [job; 16]))]);
        }
        assert_eq!(line.take_arrived(), [TenantId(8), TenantId(9), TenantId(7)]);
        assert_eq!(line.take_arrived(), []);
    }

    #[test]
    fn sources_are_looked_up_in_the_order_in_which_they_came() {
        let mut line = Line::new(Order::new(Duration::from_mins(1)));
        let source = |queue| Source::Ready(QueueId(queue));
        for queue in [5, 1, 9, 5] {
            line.look_up(source(queue));
        }
        assert_eq!(line.take_unknown(2), [source(5), source(1)]);
        // One that comes again and again keeps nobody out.
        line.look_up(source(5));
        assert_eq!(line.take_unknown(1), [source(9)]);
        assert!(line.has_unknown());
        assert_eq!(line.take_unknown(9), [source(5)]);
        assert!(!line.has_unknown() && line.take_unknown(9).is_empty());
    }

    proptest! {
        #[test]
        fn the_first_is_who_a_walk_through_all_finds(steps in prop::collection::vec(step(), 1..200)) {
            let mut line = Line::new(Order::new(Duration::from_mins(1)));
            let mut naive = Naive::default();
            for step in steps {
                match step {
                    Step::Put(source, places) => {
                        naive.places.retain(|(known, ..)| *known != source);
                        naive.places.extend(places.iter().map(|(group, place)| (source, *group, *place)));
                        line.put(source, places);
                    }
                    Step::Remove(source) => {
                        naive.places.retain(|(known, ..)| *known != source);
                        line.remove(source);
                    }
                    Step::MoveFirst(by) => {
                        let Some(First { group, source, place, .. }) = line.first(TenantId::DEFAULT) else { continue };
                        let to = by.map(|by| (place.0 + by, place.1));
                        naive.places.retain(|(known, of, _)| (*known, *of) != (source, group));
                        naive.places.extend(to.map(|to| (source, group, to)));
                        line.moved(source, group, to);
                    }
                    Step::SetFirstAside(limit) => {
                        let Some(First { group, .. }) = line.first(TenantId::DEFAULT) else { continue };
                        naive.aside.push((group, limit));
                        line.set_aside(group, limit);
                    }
                    Step::LetIn(limit) => {
                        naive.aside.retain(|(_, until)| *until != Some(limit));
                        line.let_in(limit);
                    }
                    Step::RankAnew => {
                        naive.aside.clear();
                        line.rank_anew(&Catalog::default());
                    }
                }
                let offset = line.offset(QueueId(0));
                let first = line.first(TenantId::DEFAULT);
                prop_assert_eq!(first.map(|first| (first.place, first.source, first.group)), naive.first());
                let until = first.and_then(|first| first.until).map(|(key, job)| (key - offset, job));
                prop_assert_eq!(until, naive.first().and_then(|first| naive.second(first)));
                let kept: usize = line.groups.values().map(|members| members.sources.len()).sum();
                prop_assert_eq!(kept, naive.places.len());
            }
        }
    }
}
