//! What waits between the threads that receive HEP and the one that writes it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Octets that an item takes beside its data.
const ITEM_OCTETS: usize = 96;
/// Senders whose drops are counted one by one.
const SENDERS: usize = 1024;
/// How long somebody waits for room before he looks whether he should end.
const PATIENCE: Duration = Duration::from_millis(100);

/// Something that came.
pub(super) struct Item {
    /// When, nanoseconds since 1970-01-01 UTC.
    pub time: u64,
    /// From whom.
    pub from: SocketAddr,
    /// What.
    pub what: What,
}

pub(super) enum What {
    /// Over UDP.
    Datagram(Vec<u8>),
    /// A stream with this number was opened to this address of ours.
    Opened(u64, SocketAddr),
    /// A packet out of a stream.
    Packet(u64, Vec<u8>),
    /// The stream is over.
    Closed(u64),
    /// So many octets of a stream belong to no packet; the version when they look like one of version 1
    /// or 2.
    Skipped(u64, Option<u8>),
    /// Of somebody who may not send.
    NotListed,
}

impl What {
    fn octets(&self) -> usize {
        match self {
            Self::Datagram(data) | Self::Packet(_, data) => data.len() + ITEM_OCTETS,
            _ => ITEM_OCTETS,
        }
    }
}

/// The queue, bounded in octets.
pub(super) struct Queue {
    most: usize,
    inner: Mutex<Inner>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct Inner {
    items: VecDeque<Item>,
    octets: usize,
    /// Of these octets, those of each sender.
    shares: HashMap<IpAddr, usize>,
    dropped: BTreeMap<Option<IpAddr>, u64>,
    producers: usize,
}

/// Somebody who may still fill the queue.
pub(super) struct Producer(Arc<Queue>);

impl Queue {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            inner: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        })
    }

    pub fn producer(self: &Arc<Self>) -> Producer {
        self.inner().producers += 1;
        Producer(Arc::clone(self))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that waits; what comes within `patience` when that is nothing. None when nobody is left
    /// who could fill it.
    pub fn take(&self, patience: Duration) -> Option<VecDeque<Item>> {
        let mut inner = self.inner();
        if inner.items.is_empty() {
            if inner.producers == 0 {
                return None;
            }
            let waited = self.filled.wait_timeout(inner, patience);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.octets = 0;
        inner.shares.clear();
        self.emptied.notify_all();
        Some(std::mem::take(&mut inner.items))
    }

    /// What was dropped since the last time, by sender; none for those beyond the bound.
    pub fn take_dropped(&self) -> BTreeMap<Option<IpAddr>, u64> {
        std::mem::take(&mut self.inner().dropped)
    }
}

impl Inner {
    /// True when the item fits. A sender may take half of the room.
    fn has_room(&self, item: &Item, most: usize) -> bool {
        let octets = item.what.octets();
        let share = self.shares.get(&item.from.ip()).copied().unwrap_or(0);
        self.octets + octets <= most && share + octets <= most / 2
    }

    fn put(&mut self, item: Item) {
        let octets = item.what.octets();
        self.octets += octets;
        *self.shares.entry(item.from.ip()).or_default() += octets;
        self.items.push_back(item);
    }
}

impl Producer {
    /// Puts it in, or drops and counts it.
    pub fn push(&self, item: Item) {
        let mut inner = self.0.inner();
        if inner.has_room(&item, self.0.most) {
            inner.put(item);
            self.0.filled.notify_one();
            return;
        }
        let ip = Some(item.from.ip());
        let known = inner.dropped.len() < SENDERS || inner.dropped.contains_key(&ip);
        *inner.dropped.entry(ip.filter(|_| known)).or_default() += 1;
    }

    /// Waits until it fits.
    pub fn push_when_there_is_room(&self, item: Item, stopped: impl Fn() -> bool) {
        let mut inner = self.0.inner();
        while !inner.has_room(&item, self.0.most) && !stopped() {
            let waited = self.0.emptied.wait_timeout(inner, PATIENCE);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        // At the end a little more than fits is better than a loss.
        inner.put(item);
        self.0.filled.notify_one();
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.0.inner().producers -= 1;
        self.0.filled.notify_one();
    }
}
