//! Any bytes at all.

use super::*;

/// A small generator of repeatable choices (xorshift64; Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

#[test]
fn changed_messages_hurt_nobody_and_go_to_nobody_else() {
    let mut rig = Rig::new();
    let [(a, a_address), (b, b_address)] = rig.pair();
    let good = [
        messages::binding(),
        messages::request(&Ask::Allocate, Some(&a.login)),
        messages::request(&Ask::Refresh(Some(300)), Some(&a.login)),
        messages::request(&Ask::Permission(vec![b_address, a_address]), Some(&a.login)),
        messages::request(&Ask::RawPermission(vec![0, 1, 0, 80, 127, 0, 0, 1]), Some(&a.login)),
        messages::request(&Ask::Bind(0x4001, b_address), Some(&a.login)),
        messages::send_indication(b_address, b"hello"),
        messages::channel_data(0x4001, b"hello", false),
    ];
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut answered = 0;
    for _ in 0..40_000 {
        let mut bytes = good[dice.roll(good.len())].clone();
        for _ in 0..=dice.roll(4) {
            match dice.roll(3) {
                0 => bytes.truncate(dice.roll(bytes.len() + 1)),
                1 => bytes.push(u8::try_from(dice.roll(256)).unwrap()),
                _ if !bytes.is_empty() => {
                    let at = dice.roll(bytes.len());
                    bytes[at] = u8::try_from(dice.roll(256)).unwrap();
                }
                _ => {}
            }
        }
        rig.at += Duration::from_millis(20);
        if let Some((to, out)) = rig.hand(a.client, &bytes) {
            assert!(to == a.client.id || to == b.client.id);
            assert!(!out.is_empty());
            answered += 1;
        }
        if rig.core.allocations.len() < 2 {
            rig = Rig::new();
            rig.pair();
        }
    }
    assert!(answered > 1000, "{answered}: the walk goes nowhere");
    assert!(rig.core.stats.malformed > 100);
}
