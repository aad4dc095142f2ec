//! Which pictures the decoder was given.

use crate::acknowledge::{Acknowledgement, PICTURE_ID_MASK};

/// The newest picture and those before it: as far back as a frame can name its reference.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// The newest picture id, and a bit for each of the 128 up to it, the lowest its own.
    pictures: Option<(u16, u128)>,
}

impl Delivered {
    pub(super) fn add(&mut self, picture: u16) {
        let (newest, bits) = self.pictures.unwrap_or((picture, 0));
        let step = picture.wrapping_sub(newest) & PICTURE_ID_MASK;
        // Pictures are delivered in order, so a large step is a long gap or another stream.
        self.pictures = Some((picture, bits.checked_shl(step.into()).unwrap_or(0) | 1));
    }

    pub(super) fn has(&self, picture: u16) -> bool {
        self.pictures.is_some_and(|(newest, bits)| {
            let before = newest.wrapping_sub(picture) & PICTURE_ID_MASK;
            bits.checked_shr(before.into()).is_some_and(|bits| bits & 1 == 1)
        })
    }

    pub(super) fn clear(&mut self) {
        self.pictures = None;
    }

    /// What to tell the sender; `None` before the first picture.
    pub(super) fn acknowledgement(&self) -> Option<Acknowledgement> {
        let (newest, bits) = self.pictures?;
        let delivered = u32::try_from(bits & u128::from(u32::MAX)).expect("masked to 32 bits");
        Some(Acknowledgement { newest, delivered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_across_the_wrap_and_forgets() {
        let mut delivered = Delivered::default();
        assert!(!delivered.has(0) && delivered.acknowledgement().is_none());
        for picture in [0x7ffe, 0x7fff, 1, 2] {
            delivered.add(picture);
        }
        assert!(delivered.has(0x7ffe) && !delivered.has(0) && delivered.has(1) && !delivered.has(3));
        assert_eq!(delivered.acknowledgement(), Some(Acknowledgement { newest: 2, delivered: 0b11011 }));
        delivered.add(200);
        assert!(delivered.has(200) && !delivered.has(2));
    }
}
