//! Codes as people say, write and mistype them.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use thiserror::Error;

/// How many words there are: 11 bits each, so a code's two words are one of 4,194,304 pairs.
pub const WORD_COUNT: usize = 2048;

/// Where the words come from is written at the top of `words.txt`.
static WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    include_str!("../words.txt").lines().filter(|line| !line.starts_with('#')).filter(|line| !line.is_empty()).collect()
});

/// The words, sorted.
#[must_use]
pub fn words() -> &'static [&'static str] {
    &WORDS
}

/// The words that begin with `prefix` (any case), for completion while typing; all of them if it is empty.
pub fn complete(prefix: &str) -> impl Iterator<Item = &'static str> + use<> {
    let prefix = prefix.trim().to_ascii_lowercase();
    let start = WORDS.partition_point(|word| *word < prefix.as_str());
    WORDS[start..].iter().copied().take_while(move |word| word.starts_with(&prefix))
}

/// The code of one meeting. Whoever hears it in time can take the guest's place, so `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpokenCode {
    /// From the server.
    pub nameplate: u32,
    words: [u16; 2],
}

/// Why a text is not a code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpokenError {
    /// Nothing but blanks.
    #[error("no code given")]
    Empty,
    /// The number in front is missing or too large.
    #[error("the code begins with a number")]
    NoNameplate,
    /// Not two words after the number.
    #[error("the code is a number and two words")]
    NotTwoWords,
    /// A word that is in no code.
    #[error("\"{word}\" is not a word of a code")]
    UnknownWord {
        /// As it was typed, in lower case, cut to the length of the longest word and a bit.
        word: String,
    },
}

/// Longer words are cut before they are shown in an error.
const SHOWN_CHARS_MAX: usize = 16;

impl SpokenCode {
    /// A code for this nameplate with words of 4 random bytes.
    #[must_use]
    pub fn new(nameplate: u32, random: [u8; 4]) -> Self {
        let mask = u16::try_from(WORD_COUNT - 1).expect("11 bits");
        let [a, b, c, d] = random;
        Self { nameplate, words: [u16::from_be_bytes([a, b]) & mask, u16::from_be_bytes([c, d]) & mask] }
    }

    /// The two words, as indices into [`words`].
    #[must_use]
    pub fn word_indices(&self) -> [u16; 2] {
        self.words
    }

    /// Reads a code: any case, and blanks, hyphens, dots, commas or underscores between the parts.
    ///
    /// # Errors
    /// [`SpokenError`] as its variants say.
    pub fn parse(text: &str) -> Result<Self, SpokenError> {
        let separator = |c: char| c.is_whitespace() || "-\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}.,_".contains(c);
        let mut parts = text.split(separator).filter(|part| !part.is_empty());
        let number = parts.next().ok_or(SpokenError::Empty)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let nameplate = number.parse().ok().filter(|_| digits).ok_or(SpokenError::NoNameplate)?;
        let (Some(first), Some(second), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SpokenError::NotTwoWords);
        };
        Ok(Self { nameplate, words: [index(first)?, index(second)?] })
    }

    /// The secret part: `amber-violin`.
    pub(crate) fn password(&self) -> String {
        let [first, second] = self.words.map(word);
        format!("{first}-{second}")
    }
}

fn word(index: u16) -> &'static str {
    WORDS[usize::from(index)]
}

fn index(text: &str) -> Result<u16, SpokenError> {
    let text = text.to_lowercase();
    match WORDS.binary_search(&text.as_str()) {
        Ok(index) => Ok(u16::try_from(index).expect("there are 2,048 words")),
        Err(_) => Err(SpokenError::UnknownWord { word: text.chars().take(SHOWN_CHARS_MAX).collect() }),
    }
}

impl FromStr for SpokenCode {
    type Err = SpokenError;

    fn from_str(text: &str) -> Result<Self, SpokenError> {
        Self::parse(text)
    }
}

impl fmt::Display for SpokenCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.nameplate, self.password())
    }
}

impl fmt::Debug for SpokenCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpokenCode(..)")
    }
}

#[cfg(test)]
mod tests;
