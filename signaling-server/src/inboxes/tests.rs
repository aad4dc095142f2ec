//! What the tables hold in all; everything else is tested through the sockets (`rooms/tests/reach.rs`).

use eyeline_protocol::Watched;

use super::*;

fn small(grants_max: usize, watched_max: usize) -> Inboxes {
    let minute = Duration::from_secs(60);
    Inboxes::new(InboxesConfig { hold: minute, ring_ttl: minute, grants_max, watched_max }, [1; 32])
}

impl Inboxes {
    /// Whether nothing of anybody is kept.
    pub(crate) fn is_empty(&self) -> bool {
        let tables = [self.inboxes.len(), self.conns.len(), self.grants.len(), self.watchers.len()];
        tables.iter().sum::<usize>() + self.watched + self.rings.len() + self.by_caller.len() == 0
    }

    fn open_with(&mut self, now: Instant, conn: u64, secret: u8, tokens: u8) -> Result<Option<ConnId>, OpenError> {
        let secret = InboxSecret([secret; 32]);
        let tokens: Vec<Grant> = (0..tokens).map(|nth| Grant { hash: TokenHash([nth; 32]), presence: true }).collect();
        self.open(now, ConnId(conn), inbox_of(&secret), &secret, &tokens)
    }
}

#[test]
fn inboxes_and_tokens_are_bounded_in_all() {
    let now = Instant::now();
    let mut inboxes = small(6, 0);
    assert_eq!(inboxes.open_with(now, 1, 1, 2), Ok(None));
    assert_eq!(inboxes.open_with(now, 2, 2, 3), Err(OpenError::Full));
    assert_eq!(inboxes.open_with(now, 2, 2, 2), Ok(None));
    assert_eq!(inboxes.open_with(now, 1, 1, 3), Err(OpenError::Full));
    // What is refused changes nothing, and a list may shrink.
    assert_eq!(inboxes.grants.len(), 4);
    assert_eq!(inboxes.open_with(now, 1, 1, 1), Ok(None));
    assert_eq!(inboxes.open_with(now, 2, 2, 3), Ok(None));
    inboxes.left(ConnId(1));
    inboxes.left(ConnId(2));
    assert!(inboxes.is_empty());
}

#[test]
fn what_is_watched_is_bounded_in_all() {
    let now = Instant::now();
    let mut inboxes = small(0, 3);
    let list = |count: u8| -> Vec<Watched> {
        (0..count).map(|nth| Watched { inbox_id: InboxId([nth; 16]), token: RingToken([nth; 16]) }).collect()
    };
    assert_eq!(inboxes.watch(now, ConnId(1), &list(2)), Ok(()));
    assert_eq!(inboxes.watch(now, ConnId(2), &list(2)), Err(Full));
    assert_eq!(inboxes.watch(now, ConnId(1), &list(3)), Ok(()));
    assert_eq!(inboxes.watch(now, ConnId(1), &list(4)), Err(Full));
    assert_eq!(inboxes.watched, 3);
    inboxes.closed(now, ConnId(1));
    inboxes.closed(now, ConnId(2));
    assert!(inboxes.is_empty());
}
