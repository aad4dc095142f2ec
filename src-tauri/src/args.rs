//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

/// Private video calls straight between two machines.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "eyeline", version)]
pub struct Args {
    /// A link to show in the lobby (eyeline://… or https://…).
    #[arg(value_name = "LINK", conflicts_with_all = ["host", "join"])]
    pub link: Option<String>,
    /// Keep everything in this folder, keys included, instead of the system's folders and keychain.
    #[arg(long, value_name = "DIR")]
    pub profile: Option<PathBuf>,
    /// Base address of the signaling server to use in this run.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Start a call at once.
    #[arg(long, conflicts_with = "join")]
    pub host: bool,
    /// Join this call at once.
    #[arg(long, value_name = "LINK")]
    pub join: Option<String>,
    /// Name the other side is shown in this run.
    #[arg(long)]
    pub name: Option<String>,
    /// Camera to use in this run: an id, `default`, `test-pattern`, `none` or a y4m file.
    #[arg(long)]
    pub camera: Option<String>,
    /// Microphone to use in this run: an id, `default`, `tone`, `none` or a wav file.
    #[arg(long)]
    pub microphone: Option<String>,
    /// Speaker to use in this run: an id, `default`, `null` or a wav file to write.
    #[arg(long)]
    pub speaker: Option<String>,
    /// How pictures reach the screen; `native` exists on Linux only.
    #[arg(long, value_enum)]
    pub surface: Option<SurfaceChoice>,
    /// Size and place of the window, as WIDTHxHEIGHT or WIDTHxHEIGHT+X+Y.
    #[arg(long, value_name = "WxH+X+Y")]
    pub geometry: Option<Geometry>,
    /// Start without showing the window, to be reachable.
    #[arg(long, conflicts_with_all = ["link", "host", "join"])]
    pub hidden: bool,
    /// Make no sound when somebody rings.
    #[arg(long)]
    pub no_ring_sound: bool,
    /// Write one line of figures a second to this file.
    #[arg(long, value_name = "FILE.jsonl")]
    pub stats: Option<PathBuf>,
    /// Write the call's link to this file as soon as it is known.
    #[arg(long, value_name = "FILE")]
    pub link_file: Option<PathBuf>,
    /// Hang up and quit after this many seconds.
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
}

/// How pictures reach the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SurfaceChoice {
    /// Drawn by the shell, under the page.
    Native,
    /// Drawn by the page.
    Canvas,
}

impl SurfaceChoice {
    /// The best this system has.
    pub fn of_this_system() -> Self {
        if cfg!(target_os = "linux") { Self::Native } else { Self::Canvas }
    }
}

/// Size and, if given, place of the window, in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Width of the page.
    pub width: u32,
    /// Height of the page.
    pub height: u32,
    /// Left and top edge on the screen.
    pub position: Option<(i32, i32)>,
}

impl Geometry {
    /// Smallest window, width by height.
    pub const MIN: (u32, u32) = (480, 360);
}

impl Default for Geometry {
    fn default() -> Self {
        Self { width: 1_100, height: 720, position: None }
    }
}

/// Not a geometry.
#[derive(Debug, thiserror::Error)]
#[error("expected WIDTHxHEIGHT or WIDTHxHEIGHT+X+Y, at least 480x360")]
pub struct BadGeometry;

impl FromStr for Geometry {
    type Err = BadGeometry;

    fn from_str(text: &str) -> Result<Self, BadGeometry> {
        let mut parts = text.split('+');
        let (width, height) = parts.next().and_then(|size| size.split_once('x')).ok_or(BadGeometry)?;
        let side = |text: &str, min: u32| text.parse().ok().filter(|n| (min..=16_384).contains(n)).ok_or(BadGeometry);
        let edge = |text: &str| text.parse().map_err(|_| BadGeometry);
        let position = match (parts.next(), parts.next(), parts.next()) {
            (None, None, None) => None,
            (Some(x), Some(y), None) => Some((edge(x)?, edge(y)?)),
            _ => return Err(BadGeometry),
        };
        Ok(Self { width: side(width, Self::MIN.0)?, height: side(height, Self::MIN.1)?, position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_takes_a_size_and_an_optional_place() {
        assert_eq!("640x480".parse::<Geometry>().unwrap(), Geometry { width: 640, height: 480, position: None });
        let placed = "640x480+10+-20".parse::<Geometry>().unwrap();
        assert_eq!(placed.position, Some((10, -20)));
        for bad in ["", "640", "640x", "x480", "100x100", "640x480+1", "640x480+1+2+3", "640x480+a+b", "99999x480"] {
            assert!(bad.parse::<Geometry>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn one_way_into_a_call_at_a_time() {
        let parse = |words: &[&str]| Args::try_parse_from([&["eyeline"], words].concat());
        assert_eq!(parse(&["eyeline://host/j#x"]).unwrap().link.as_deref(), Some("eyeline://host/j#x"));
        assert!(parse(&["--host", "--seconds", "5", "--surface", "canvas", "--geometry", "640x480"]).unwrap().host);
        assert!(parse(&["--host", "--join", "link"]).is_err());
        assert!(parse(&["--host", "link"]).is_err());
        assert!(parse(&["--hidden"]).unwrap().hidden);
        assert!(parse(&["--hidden", "--host"]).is_err());
        assert!(parse(&["--surface", "hologram"]).is_err());
        assert!(parse(&["--geometry", "1x1"]).is_err());
    }
}
