//! YUV4MPEG2 files: a text header, then frames of raw planes.
//!
//! Format: `YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg X...\n`, each frame `FRAME ...\n` and the planes
//! (mjpegtools, yuv4mpeg(5)).

use std::io::{self, BufRead, Read};

use crate::frame::{I420Buffer, MAX_SIDE};

/// Longest header line that is read; a file without line ends is not read to its end.
const MAX_HEADER: u64 = 1_024;
/// Frame rates outside this are nonsense and are brought back to its ends.
const FPS: std::ops::RangeInclusive<f64> = 0.5..=240.0;

/// Why a y4m file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Y4mError {
    /// The file does not begin as a y4m file, or its header makes no sense.
    #[error("not a y4m file: {0}")]
    Header(&'static str),
    /// A chroma layout other than 8 bit 4:2:0.
    #[error("chroma format {0} is not supported, only 8 bit 4:2:0")]
    Chroma(String),
    /// A frame does not begin with its marker.
    #[error("damaged y4m file: frame marker missing")]
    Frame,
    /// The system's error.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
}

/// What the first line of a y4m file says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Y4mHeader {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second, 30 where the file does not say.
    pub fps: f64,
}

impl Y4mHeader {
    /// Reads the header line, without its line end.
    fn parse(line: &str) -> Result<Self, Y4mError> {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("YUV4MPEG2") {
            return Err(Y4mError::Header("no YUV4MPEG2 at its start"));
        }
        let (mut width, mut height, mut fps) = (None, None, 30.0);
        for word in words {
            let Some((tag, value)) = word.split_at_checked(1) else {
                return Err(Y4mError::Header("unreadable parameter"));
            };
            match tag {
                "W" => width = Some(side(value)?),
                "H" => height = Some(side(value)?),
                "F" => fps = rate(value)?,
                "C" => chroma(value)?,
                // Interlacing, aspect and comments change nothing here.
                _ => {}
            }
        }
        let (Some(width), Some(height)) = (width, height) else { return Err(Y4mError::Header("no picture size")) };
        Ok(Self { width, height, fps })
    }
}

fn side(value: &str) -> Result<u32, Y4mError> {
    match value.parse() {
        Ok(side) if (2..=MAX_SIDE).contains(&side) => Ok(side),
        _ => Err(Y4mError::Header("picture size out of bounds")),
    }
}

fn rate(value: &str) -> Result<f64, Y4mError> {
    let fraction = value.split_once(':').and_then(|(n, d)| Some((n.parse::<u32>().ok()?, d.parse::<u32>().ok()?)));
    match fraction {
        // "0:0" means unknown.
        Some((0, _) | (_, 0)) => Ok(30.0),
        Some((n, d)) => Ok((f64::from(n) / f64::from(d)).clamp(*FPS.start(), *FPS.end())),
        None => Err(Y4mError::Header("unreadable frame rate")),
    }
}

/// The 4:2:0 variants differ only in where chroma is sampled, which nobody can see.
fn chroma(value: &str) -> Result<(), Y4mError> {
    match value {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(()),
        other => Err(Y4mError::Chroma(other.chars().take(32).collect())),
    }
}

/// Reads frame after frame.
#[derive(Debug)]
pub struct Y4mReader<R> {
    input: R,
    header: Y4mHeader,
}

impl<R: BufRead> Y4mReader<R> {
    /// Reads the header from `input`.
    ///
    /// # Errors
    /// Any [`Y4mError`] but [`Y4mError::Frame`].
    pub fn new(mut input: R) -> Result<Self, Y4mError> {
        let line = read_line(&mut input)?;
        let text = line.as_deref().and_then(|line| std::str::from_utf8(line).ok());
        let header = Y4mHeader::parse(text.ok_or(Y4mError::Header("no header line"))?)?;
        Ok(Self { input, header })
    }

    /// Size and rate of the frames.
    pub fn header(&self) -> Y4mHeader {
        self.header
    }

    /// The next frame; `None` at the end of the file, where a last frame that is cut short counts as the end.
    ///
    /// # Errors
    /// [`Y4mError::Frame`] when something else stands where a frame should, [`Y4mError::Io`].
    pub fn frame(&mut self) -> Result<Option<I420Buffer>, Y4mError> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        match read_line(&mut self.input)? {
            Some(line) if line == b"FRAME" || line.starts_with(b"FRAME ") => {}
            _ => return Err(Y4mError::Frame),
        }
        let length = I420Buffer::len_of(self.header.width, self.header.height);
        let mut data = Vec::with_capacity(length);
        let read = self.input.by_ref().take(length as u64).read_to_end(&mut data)?;
        // Short of `length` is the end; otherwise the size fits by construction.
        Ok(if read < length { None } else { I420Buffer::from_vec(self.header.width, self.header.height, data) })
    }
}

/// A line without its end; `None` when there is no line end within [`MAX_HEADER`] bytes.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.by_ref().take(MAX_HEADER).read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8]) -> Result<Y4mReader<&[u8]>, Y4mError> {
        Y4mReader::new(bytes)
    }

    #[test]
    fn reads_frames_and_tolerates_a_cut_end() {
        for chroma in ["", " C420", " C420jpeg", " C420mpeg2 XYSCSS=420MPEG2", " C420paldv"] {
            let mut file = format!("YUV4MPEG2 W4 H2 F30000:1001 Ip A1:1{chroma}\n").into_bytes();
            file.extend(b"FRAME\n");
            file.extend([9; 12]);
            file.extend(b"FRAME Ixyz\n");
            file.extend([7; 12]);
            file.extend(b"FRAME\n");
            file.extend([5; 11]);
            let mut reader = open(&file).expect("a y4m file");
            assert_eq!((reader.header().width, reader.header().height), (4, 2));
            assert!((reader.header().fps - 29.97).abs() < 0.01);
            for value in [9, 7] {
                assert_eq!(reader.frame().expect("readable").expect("a frame").data(), [value; 12]);
            }
            assert!(reader.frame().expect("readable").is_none());
        }
    }

    #[test]
    fn odd_sizes_round_chroma_up() {
        let mut file = b"YUV4MPEG2 W3 H3\nFRAME\n".to_vec();
        file.extend([1; 9 + 4 + 4]);
        let mut reader = open(&file).expect("a y4m file");
        assert!(reader.frame().expect("readable").is_some());
        assert!(reader.frame().expect("readable").is_none());
    }

    #[test]
    fn what_is_not_y4m_says_so() {
        let endless = [b'x'; 100_000];
        let negatives: [&[u8]; 12] = [
            b"",
            b"RIFF....",
            b"YUV4MPEG2",
            b"YUV4MPEG2 W4\n",
            b"YUV4MPEG2 W0 H0\n",
            b"YUV4MPEG2 W99999 H99999\n",
            b"YUV4MPEG2 W4294967297 H2\n",
            b"YUV4MPEG2 W-4 H2\n",
            b"YUV4MPEG2 W4 H2 Fx\n",
            b"YUV4MPEG2 W4 H2 \xff\xfe\n",
            "YUV4MPEG2 W4 H2 \u{20ac}\n".as_bytes(),
            &endless,
        ];
        for bytes in negatives {
            assert!(matches!(open(bytes), Err(Y4mError::Header(_))), "{:?}", &bytes[..bytes.len().min(40)]);
        }
        for chroma in ["444", "422", "mono", "420p10", "411"] {
            let error = open(format!("YUV4MPEG2 W4 H2 C{chroma}\n").as_bytes()).expect_err("not 4:2:0");
            assert!(error.to_string().contains(chroma), "{error}");
        }
    }

    #[test]
    fn junk_between_frames_is_an_error() {
        let mut file = b"YUV4MPEG2 W4 H2\nFRAME\n".to_vec();
        file.extend([1; 13]);
        file.extend(b"FRAME\n");
        let mut reader = open(&file).expect("a y4m file");
        assert!(reader.frame().expect("readable").is_some());
        assert!(matches!(reader.frame(), Err(Y4mError::Frame)));
    }
}
