//! What a running program has in its memory. Needs root, or a system that lets a parent look.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::needles::{Found, Needles};
use crate::{Outcome, ensure};

const CHUNK_BYTES: usize = 4 << 20;

/// A program's memory, by its process id.
pub struct Memory(u32);

impl Memory {
    /// The memory of this process.
    pub fn of(process: u32) -> Self {
        Self(process)
    }

    /// Hands out all that can be read (proc(5), `maps` and `mem`), in pieces of which each begins with the last `overlap`
    /// bytes of the one before; returns how much there is.
    ///
    /// # Errors
    /// When the process is gone or we may not look.
    pub fn each(&self, overlap: usize, mut look: impl FnMut(&[u8])) -> Outcome<usize> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.0))?;
        let memory = File::open(format!("/proc/{}/mem", self.0))?;
        let (mut buffer, mut total) = (vec![0; CHUNK_BYTES], 0);
        for (start, end) in maps.lines().filter_map(readable) {
            let mut at = start;
            while at < end {
                let wanted = CHUNK_BYTES.min(usize::try_from(end - at)?);
                // Parts of a mapping can be unreadable, those of devices and of files cut short.
                let Ok(read @ 1..) = memory.read_at(&mut buffer[..wanted], at) else { break };
                look(&buffer[..read]);
                total += read;
                at += u64::try_from(if read == wanted && read > overlap && at + u64::try_from(read)? < end {
                    read - overlap
                } else {
                    read
                })?;
            }
        }
        ensure!(total > 0, "nothing of process {} can be read", self.0);
        Ok(total)
    }

    /// What of `needles` is there.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn find<'n>(&self, needles: &'n Needles) -> Outcome<Found<'n>> {
        let mut found = Found::default();
        self.each(needles.longest(), |piece| found.join(needles.find(piece)))?;
        Ok(found)
    }

    /// Texts that begin with `mark`, as far as they are printable and not quoted.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn texts(&self, mark: &str) -> Outcome<Vec<String>> {
        /// Longer than any line of a session description.
        const TEXT_BYTES_MAX: usize = 512;
        let mut texts = Vec::new();
        self.each(TEXT_BYTES_MAX, |piece| {
            for at in (0..piece.len()).filter(|at| piece[*at..].starts_with(mark.as_bytes())) {
                let rest = &piece[at..piece.len().min(at + TEXT_BYTES_MAX)];
                let end = rest.iter().position(|byte| !(b' '..=b'~').contains(byte) || b"\"\\".contains(byte));
                texts.push(String::from_utf8_lossy(&rest[..end.unwrap_or(rest.len())]).into_owned());
            }
        })?;
        texts.sort_unstable();
        texts.dedup();
        Ok(texts)
    }
}

/// The addresses of a line of `maps`, if the program itself may read there.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let (start, end) = range.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some((address(start)?, address(end)?)).filter(|_| rights.starts_with('r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_memory_is_searched() {
        let mut needles = Needles::default();
        let planted: String = ["plan", "ted-", &std::process::id().to_string()].concat();
        needles.add("planted", planted.as_bytes());
        let memory = Memory::of(std::process::id());
        assert!(memory.find(&needles).unwrap().has("planted"));
        // Once at least: memory that was given back may still hold a copy.
        assert!(memory.texts(&planted[..10]).unwrap().iter().any(|text| text.starts_with(&planted)));
    }
}
