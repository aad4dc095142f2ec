//! Texts and bytes that must not be found, or must.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter ones are found by chance.
const NEEDLE_BYTES_MIN: usize = 8;

/// What is looked for, each under a name and in all its spellings.
#[derive(Default)]
pub struct Needles {
    all: Vec<(String, Vec<u8>)>,
    by_first: BTreeMap<u8, Vec<usize>>,
    longest: usize,
}

impl Needles {
    /// Adds bytes as they are and as they look inside of base64, wherever they begin in it.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        self.add_spelling(name, bytes);
        for engine in [URL_SAFE_NO_PAD, STANDARD_NO_PAD] {
            for offset in 0..3 {
                let shifted = [&vec![0; offset], bytes].concat();
                let text = engine.encode(&shifted);
                // Characters that hold bits of what is before and after say nothing.
                let (start, end) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
                self.add_spelling(name, &text.as_bytes()[start..end]);
            }
        }
    }

    fn add_spelling(&mut self, name: &str, bytes: &[u8]) {
        let known = self.all.iter().any(|(_, other)| other == bytes);
        if known || bytes.len() < NEEDLE_BYTES_MIN {
            assert!(known || !self.all.is_empty(), "{name} is too short to be looked for");
            return;
        }
        self.by_first.entry(bytes[0]).or_default().push(self.all.len());
        self.longest = self.longest.max(bytes.len());
        self.all.push((name.into(), bytes.to_vec()));
    }

    /// Length of the longest spelling.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The names, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.all.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// How often each that is there was found in `hay`, by name.
    pub fn find(&self, hay: &[u8]) -> Found<'_> {
        let mut first = [&[][..]; 256];
        for (byte, at) in &self.by_first {
            first[usize::from(*byte)] = at;
        }
        let mut found = Found::default();
        for (at, byte) in hay.iter().enumerate() {
            for needle in first[usize::from(*byte)] {
                let (name, bytes) = &self.all[*needle];
                if hay[at..].starts_with(bytes) {
                    *found.0.entry(name).or_default() += 1;
                }
            }
        }
        found
    }
}

/// What was found, and how often.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found<'a>(BTreeMap<&'a str, usize>);

impl<'a> Found<'a> {
    /// Adds what was found elsewhere.
    pub fn join(&mut self, other: Self) {
        for (name, times) in other.0 {
            *self.0.entry(name).or_default() += times;
        }
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one was found.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names of `needles` that were not found.
    pub fn missing<'n>(&self, needles: &'n Needles) -> Vec<&'n str> {
        needles.names().into_iter().filter(|name| !self.has(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_as_they_are_and_inside_of_base64() {
        let mut needles = Needles::default();
        needles.add("name", b"Eleonora-Quittenbaum");
        assert!(needles.find(b"...Eleonora-Quittenbaum...").has("name"));
        assert!(needles.find(b"Eleonora-Quittenbau").is_empty());
        for before in 0..7 {
            let text = [&vec![b'~'; before][..], b"Eleonora-Quittenbaum??>>"].concat();
            for engine in [URL_SAFE_NO_PAD, STANDARD_NO_PAD] {
                assert!(needles.find(engine.encode(&text).as_bytes()).has("name"), "{before} bytes before");
            }
        }
        let found = needles.find(b"Eleonora-Quittenbaum, Eleonora-Quittenbaum");
        assert_eq!(found, Found(BTreeMap::from([("name", 2)])));
        assert_eq!(needles.find(b"").missing(&needles), ["name"]);
    }
}
