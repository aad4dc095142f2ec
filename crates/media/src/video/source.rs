//! What a user can choose as a camera.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where pictures come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CameraSource {
    /// The first camera the system lists.
    #[default]
    Default,
    /// The camera with this [`CameraInfo::id`](super::CameraInfo::id).
    Device(String),
    /// The built-in moving pattern with a machine-readable frame number.
    TestPattern,
    /// A y4m file, played in real time, over and over.
    File(PathBuf),
    /// No camera at all.
    None,
}

impl FromStr for CameraSource {
    type Err = Infallible;

    /// Reads `default`, `test-pattern`, `none`, a path (ending in `.y4m`, or of an existing ordinary file), else a device id.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "" | "default" => Self::Default,
            "test-pattern" => Self::TestPattern,
            "none" => Self::None,
            path if is_y4m(Path::new(path)) || Path::new(path).is_file() => Self::File(PathBuf::from(path)),
            id => Self::Device(id.to_owned()),
        })
    }
}

fn is_y4m(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("y4m"))
}

impl fmt::Display for CameraSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Device(id) => f.write_str(id),
            Self::TestPattern => f.write_str("test-pattern"),
            Self::File(path) => path.display().fmt(f),
            Self::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> CameraSource {
        match text.parse() {
            Ok(source) => source,
            Err(never) => match never {},
        }
    }

    #[test]
    fn words_paths_and_ids_are_told_apart_and_survive_display() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let cases = [
            ("default", CameraSource::Default),
            ("test-pattern", CameraSource::TestPattern),
            ("none", CameraSource::None),
            ("/nowhere/clip.Y4M", CameraSource::File("/nowhere/clip.Y4M".into())),
            (here, CameraSource::File(here.into())),
            ("usb-046d_C920-video-index0", CameraSource::Device("usb-046d_C920-video-index0".into())),
        ];
        for (text, source) in cases {
            assert_eq!(parse(text), source);
            assert_eq!(source.to_string(), text);
        }
        assert_eq!(parse(""), CameraSource::Default);
    }
}
