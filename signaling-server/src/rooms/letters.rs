//! What was sent to one member and not yet acknowledged.

use std::collections::VecDeque;

use eyeline_protocol::MemberId;

/// A body that was sent to a member.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) from: MemberId,
    pub(super) seq: u64,
    pub(super) body: String,
}

/// Unacknowledged letters in the order they came, bounded in number and bytes. When it is full the member is given up:
/// it has not acknowledged for far longer than a call that works ever takes.
#[derive(Default)]
pub(super) struct Letters {
    letters: VecDeque<Letter>,
    body_bytes: usize,
}

/// There is no room for the letter; it was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LettersFull;

/// How much [`Letters`] hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct LettersLimit {
    pub(super) letters: usize,
    pub(super) body_bytes: usize,
}

impl Letters {
    pub(super) fn push(&mut self, letter: Letter, limit: LettersLimit) -> Result<(), LettersFull> {
        let body_bytes = self.body_bytes + letter.body.len();
        if self.letters.len() >= limit.letters || body_bytes > limit.body_bytes {
            return Err(LettersFull);
        }
        self.body_bytes = body_bytes;
        self.letters.push_back(letter);
        Ok(())
    }

    /// Forgets everything of `from` up to and including `seq`.
    pub(super) fn acknowledge(&mut self, from: &MemberId, seq: u64) {
        self.letters.retain(|letter| letter.from != *from || letter.seq > seq);
        self.body_bytes = self.letters.iter().map(|letter| letter.body.len()).sum();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Letter> {
        self.letters.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(from: &str, seq: u64, bytes: usize) -> Letter {
        Letter { from: MemberId::new(from).unwrap(), seq, body: "A".repeat(bytes) }
    }

    #[test]
    fn it_is_bounded_in_number_and_bytes_and_acknowledging_makes_room() {
        let limit = LettersLimit { letters: 3, body_bytes: 100 };
        let mut letters = Letters::default();
        assert_eq!(letters.push(letter("a", 1, 60), limit), Ok(()));
        assert_eq!(letters.push(letter("a", 2, 41), limit), Err(LettersFull));
        assert_eq!(letters.push(letter("b", 1, 1), limit), Ok(()));
        assert_eq!(letters.push(letter("a", 2, 1), limit), Ok(()));
        assert_eq!(letters.push(letter("b", 2, 1), limit), Err(LettersFull));
        letters.acknowledge(&MemberId::new("a").unwrap(), 1);
        assert_eq!(letters.push(letter("b", 2, 41), limit), Ok(()));
        let left: Vec<_> = letters.iter().map(|letter| (letter.from.as_str(), letter.seq)).collect();
        assert_eq!(left, [("b", 1), ("a", 2), ("b", 2)]);
    }
}
