//! The size that a VP9 frame announces (VP9 specification sections 6.2 and Annex B), read before libvpx allocates for it.
//!
//! Not only keyframes say it: any frame may be up to 16 times as large as the one it refers to.

/// Calls `check` with the size of every frame in `data` (one frame, or a superframe with its index) that states one. Frames cut
/// short state none: libvpx refuses them.
pub(super) fn for_each_size<E>(data: &[u8], check: impl Fn(u32, u32) -> Result<(), E>) -> Result<(), E> {
    let mut rest = data;
    for length in superframe_index(data) {
        let Some((frame, later)) = rest.split_at_checked(length) else { break };
        if let Some((width, height)) = announced_size(frame) {
            check(width, height)?;
        }
        rest = later;
    }
    Ok(())
}

/// Length of each frame; for data without an index that of all of it.
fn superframe_index(data: &[u8]) -> impl Iterator<Item = usize> {
    let marker = data.last().copied().unwrap_or(0);
    let (count, width) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let start = data.len().checked_sub(2 + count * width);
    let index = start
        .filter(|&start| marker & 0xe0 == 0xc0 && data[start] == marker)
        .map(|start| &data[start + 1..data.len() - 1]);
    let length = |bytes: &[u8]| bytes.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    let whole = index.is_none().then_some(data.len());
    index.unwrap_or_default().chunks_exact(width).map(length).chain(whole)
}

fn announced_size(frame: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits { data: frame, at: 0 };
    let _marker = bits.take(2)?;
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if profile == 3 {
        bits.take(1)?;
    }
    let shows_existing = bits.take(1)? == 1;
    if shows_existing {
        return None;
    }
    let keyframe = bits.take(1)? == 0;
    let shown = bits.take(1)? == 1;
    let resilient = bits.take(1)? == 1;
    if keyframe {
        bits.take(24)?;
        bits.colour(profile)?;
        return bits.size();
    }
    let intra_only = !shown && bits.take(1)? == 1;
    if !resilient {
        bits.take(2)?;
    }
    if intra_only {
        bits.take(24)?;
        if profile > 0 {
            bits.colour(profile)?;
        }
        bits.take(8)?;
        return bits.size();
    }
    // Which references it refreshes and uses; then, for each, whether the size is that one's.
    bits.take(8 + 3 * 4)?;
    for _ in 0..3 {
        if bits.take(1)? == 1 {
            return None;
        }
    }
    bits.size()
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// Skips `color_config`.
    fn colour(&mut self, profile: u32) -> Option<()> {
        const RGB: u32 = 7;
        if profile >= 2 {
            self.take(1)?;
        }
        let odd = profile % 2 == 1;
        if self.take(3)? != RGB {
            self.take(if odd { 4 } else { 1 })?;
        } else if odd {
            self.take(1)?;
        }
        Some(())
    }

    fn size(&mut self) -> Option<(u32, u32)> {
        Some((self.take(16)? + 1, self.take(16)? + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(data: &[u8]) -> Option<(u32, u32)> {
        for_each_size(data, |width, height| if width > 4_000 { Err((width, height)) } else { Ok(()) }).err()
    }

    /// Bits of a frame, most significant first.
    fn frame(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit) << (8 - byte.len())).collect()
    }

    #[test]
    fn every_kind_of_frame_that_states_its_size_is_seen() {
        let size = "1000000000000000 0000000000000001";
        let sync = "010010011000001101000010";
        let keyframe = frame(&format!("10 0 0 0 0 1 0 {sync} 001 0 {size}"));
        let intra_only = frame(&format!("10 0 0 0 1 0 0 1 00 {sync} 00000000 {size}"));
        let by_itself = frame(&format!("10 0 0 0 1 1 1 00000001 000 0 001 0 010 0 000 {size}"));
        for data in [&keyframe, &intra_only, &by_itself] {
            assert_eq!(refused(data), Some((32_769, 2)));
            assert_eq!(refused(&data[..data.len() - 3]), None, "cut short");
        }
        let as_reference = frame(&format!("10 0 0 0 1 1 1 00000001 000 0 001 0 010 0 1 {size}"));
        assert_eq!(refused(&as_reference), None);
        assert_eq!(refused(&[]), None);

        let mut superframe = as_reference.clone();
        superframe.extend(&by_itself);
        let lengths = [as_reference.len(), by_itself.len()].map(|length| u8::try_from(length).expect("short"));
        superframe.extend([0xc1, lengths[0], lengths[1], 0xc1]);
        assert_eq!(refused(&superframe), Some((32_769, 2)));
    }
}
