//! How many connections of one address are still being opened: requests not answered, handshakes not finished. One who
//! opens many and says nothing takes these places from nobody else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::admission::key;

/// For one address (IPv6: one /64); one more is closed at once. A whole office behind one address opens fewer at a time:
/// each takes a few round trips.
const PER_ADDRESS_MAX: u32 = 64;

#[derive(Default)]
pub(crate) struct Openings {
    by_address: Mutex<HashMap<IpAddr, u32>>,
}

/// A place; given back when dropped.
pub(crate) struct Opening {
    openings: Arc<Openings>,
    key: IpAddr,
}

impl Openings {
    /// A place for one more connection of this address, if it may have one.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Opening> {
        let key = key(address);
        let mut by_address = self.lock();
        let open = by_address.entry(key).or_default();
        if *open >= PER_ADDRESS_MAX {
            return None;
        }
        *open += 1;
        drop(by_address);
        Some(Opening { openings: Arc::clone(self), key })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        // No section panics half-way through a change, so a poisoned lock still guards a sound state.
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.openings.lock().entry(self.key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_leaves_nothing_behind() {
        let openings = Arc::new(Openings::default());
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let held: Vec<_> = (0..PER_ADDRESS_MAX).map(|_| openings.enter(one).unwrap()).collect();
        assert!(openings.enter(one).is_none());
        assert!(openings.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(held);
        assert!(openings.enter(one).is_some());
        assert!(openings.lock().is_empty());
    }
}
