//! A bounded map in memory, for what is looked up at each request.
//!
//! Two generations a shard: what is put or found goes to the young one, and when that is full the old one is
//! forgotten and the young one takes its place. That keeps what is in use, in constant time and without lists.

use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

const SHARDS: usize = 16;

pub struct Cache<K, V> {
    shards: [RwLock<Shard<K, V>>; SHARDS],
    /// Entries of one generation of one shard.
    most: usize,
    /// Counts removals, so that what was read before one is not put behind it.
    removals: AtomicU64,
}

struct Shard<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

/// A moment between removals: see [`Cache::put_since`].
#[derive(Clone, Copy)]
pub struct Moment(u64);

/// Keys are random in their last byte.
impl<K: Eq + Hash + Copy + AsRef<[u8]>, V: Clone> Cache<K, V> {
    /// Holds at most about `entries`.
    pub fn new(entries: usize) -> Cache<K, V> {
        Cache {
            shards: std::array::from_fn(|_| {
                RwLock::new(Shard {
                    young: HashMap::new(),
                    old: HashMap::new(),
                })
            }),
            most: (entries / SHARDS / 2).max(1),
            removals: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: &K) -> &RwLock<Shard<K, V>> {
        let last = key.as_ref().last().copied().unwrap_or_default();
        &self.shards[usize::from(last) % SHARDS]
    }

    pub fn get(&self, key: &K) -> Option<V> {
        let shard = self.shard(key);
        let aged = {
            let shard = shard.read();
            if let Some(value) = shard.young.get(key) {
                return Some(value.clone());
            }
            shard.old.contains_key(key)
        };
        if !aged {
            return None;
        }
        let mut shard = shard.write();
        let value = shard.old.remove(key)?;
        self.place(&mut shard, *key, value.clone());
        Some(value)
    }

    fn place(&self, shard: &mut Shard<K, V>, key: K, value: V) {
        if shard.young.len() >= self.most && !shard.young.contains_key(&key) {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.old.remove(&key);
        shard.young.insert(key, value);
    }

    pub fn put(&self, key: K, value: V) {
        self.place(&mut self.shard(&key).write(), key, value);
    }

    /// To be taken before what will be put is read.
    pub fn moment(&self) -> Moment {
        Moment(self.removals.load(Ordering::SeqCst))
    }

    /// Puts what was read since `moment`, unless something was removed meanwhile: it may be out of date then.
    pub fn put_since(&self, moment: Moment, key: K, value: V) {
        let mut shard = self.shard(&key).write();
        // Under the lock: a removal that is not counted yet has still to come by here.
        if self.removals.load(Ordering::SeqCst) == moment.0 {
            self.place(&mut shard, key, value);
        }
    }

    pub fn remove(&self, key: &K) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        let mut shard = self.shard(key).write();
        shard.young.remove(key);
        shard.old.remove(key);
    }

    pub fn remove_where(&self, mut gone: impl FnMut(&V) -> bool) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        for shard in &self.shards {
            let mut shard = shard.write();
            shard.young.retain(|_, value| !gone(value));
            shard.old.retain(|_, value| !gone(value));
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        let count = |shard: &RwLock<Shard<K, V>>| {
            let shard = shard.read();
            shard.young.len() + shard.old.len()
        };
        self.shards.iter().map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> [u8; 4] {
        n.to_be_bytes()
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let cache = Cache::new(320);
        cache.put(key(7), 7);
        for n in 100..10_000 {
            cache.put(key(n), n);
            assert_eq!(cache.get(&key(7)), Some(7), "after {n}");
        }
        assert!(cache.len() <= 320, "{}", cache.len());
        assert_eq!(cache.get(&key(100)), None);
    }

    #[test]
    fn what_was_read_before_a_removal_is_not_put_behind_it() {
        let cache = Cache::new(320);
        let before = cache.moment();
        cache.remove(&key(1));
        cache.put_since(before, key(1), 1);
        assert_eq!(cache.get(&key(1)), None);
        cache.put_since(cache.moment(), key(1), 2);
        assert_eq!(cache.get(&key(1)), Some(2));
        cache.remove_where(|value| *value == 2);
        assert_eq!(cache.get(&key(1)), None);
    }
}
