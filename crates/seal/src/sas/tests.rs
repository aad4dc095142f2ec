use std::collections::HashSet;

use super::*;
use crate::testing::identity;

fn context() -> SasContext {
    SasContext {
        handshake_hash: [1; 32],
        offerer: identity(1).device.id(),
        answerer: identity(2).device.id(),
        offerer_fingerprint: [3; 32],
        answerer_fingerprint: [4; 32],
    }
}

#[test]
fn a_commitment_holds_for_one_nonce() {
    assert!(check_commit(&commit(&[7; 32]), &[7; 32]));
    assert!(!check_commit(&commit(&[7; 32]), &[8; 32]));
}

#[test]
fn any_difference_shows() {
    let truth = emoji(&context(), &[7; 32], &[8; 32]);
    assert_eq!(truth, emoji(&context(), &[7; 32], &[8; 32]));
    let change = |change: fn(&mut SasContext)| {
        let mut changed = context();
        change(&mut changed);
        emoji(&changed, &[7; 32], &[8; 32])
    };
    let others = [
        emoji(&context(), &[8; 32], &[7; 32]),
        emoji(&context(), &[7; 32], &[9; 32]),
        change(|context| context.handshake_hash[31] ^= 1),
        change(|context| std::mem::swap(&mut context.offerer, &mut context.answerer)),
        change(|context| context.offerer_fingerprint[0] ^= 1),
        change(|context| std::mem::swap(&mut context.offerer_fingerprint, &mut context.answerer_fingerprint)),
    ];
    assert!(!others.contains(&truth));
    assert_eq!(others.into_iter().collect::<HashSet<_>>().len(), 6);
}

#[test]
fn every_emoji_comes_up_and_has_its_own_name() {
    let mut seen = HashSet::new();
    for nonce in 0..=255 {
        seen.extend(emoji(&context(), &[nonce; 32], &[0; 32]));
    }
    assert_eq!(seen.len(), 64);
    assert!(seen.iter().all(|index| usize::from(*index) < EMOJI.len()));
    assert_eq!(EMOJI.iter().map(|(picture, _)| picture).collect::<HashSet<_>>().len(), 64);
    assert_eq!(EMOJI.iter().map(|(_, name)| name).collect::<HashSet<_>>().len(), 64);
}
