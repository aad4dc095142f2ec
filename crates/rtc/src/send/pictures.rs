//! Pictures that were sent and which of them the other side has.

use std::collections::VecDeque;
use std::time::Instant;

use crate::acknowledge::Acknowledgement;

/// Pictures remembered, eight seconds of them. When full, the oldest is forgotten and no longer counts as acknowledged.
const MAX_PICTURES: usize = 256;

#[derive(Debug)]
struct Picture {
    id: u16,
    captured_at: Instant,
    acknowledged: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SentPictures(VecDeque<Picture>);

impl SentPictures {
    pub(crate) fn add(&mut self, id: u16, captured_at: Instant) {
        if self.0.len() >= MAX_PICTURES {
            self.0.pop_front();
        }
        self.0.push_back(Picture { id, captured_at, acknowledged: false });
    }

    pub(crate) fn acknowledge(&mut self, told: Acknowledgement) {
        self.0.iter_mut().filter(|picture| told.covers(picture.id)).for_each(|picture| picture.acknowledged = true);
    }

    /// Whether the other side has the picture captured at `captured_at`.
    pub(crate) fn is_acknowledged(&self, captured_at: Instant) -> bool {
        self.0.iter().any(|picture| picture.captured_at == captured_at && picture.acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_was_told_counts() {
        let start = Instant::now();
        let at = |n: u32| start + Duration::from_millis(33) * n;
        let mut pictures = SentPictures::default();
        (0..300).for_each(|n| pictures.add(u16::try_from(n).unwrap(), at(n)));
        pictures.acknowledge(Acknowledgement { newest: 290, delivered: 0b101 });
        pictures.acknowledge(Acknowledgement { newest: 5, delivered: u32::MAX });
        let acknowledged: Vec<u32> = (0..300).filter(|n| pictures.is_acknowledged(at(*n))).collect();
        assert_eq!(acknowledged, [288, 290]);
    }
}
