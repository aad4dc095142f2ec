//! A screen nobody looks at, and pictures of it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::binaries::installed;
use crate::picture::Luma;
use crate::process::run;
use crate::{Failure, Outcome, Process, Scene, ensure};

const START_LIMIT: Duration = Duration::from_secs(20);

/// A running Xvfb.
pub struct Display {
    _server: Process,
    name: String,
}

/// A part of the screen in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

impl Display {
    /// What this machine lacks for it, in words.
    pub fn lacks() -> Option<&'static str> {
        (!installed("Xvfb") || !installed("import")).then_some("xvfb or imagemagick is not installed")
    }

    /// Starts a screen of this size, one pixel per CSS pixel.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(scene: &Scene, width: usize, height: usize) -> Outcome<Self> {
        // Xvfb finds a free number by itself and says it on the file descriptor it is given: standard output.
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", &format!("{width}x{height}x24")]);
        let mut server = Process::start(scene, "xvfb", &mut command)?;
        let log = scene.path("xvfb.out");
        let number = server.wait_for("the number of the screen", START_LIMIT, || {
            let text = fs::read_to_string(&log)?;
            Ok(text.strip_suffix('\n').and_then(|number| number.parse::<u32>().ok()))
        })?;
        Ok(Self { _server: server, name: format!(":{number}") })
    }

    /// What a program needs in its environment to open windows there.
    pub fn environment(&self) -> Vec<(String, String)> {
        let fixed = [("GDK_BACKEND", "x11"), ("NO_AT_BRIDGE", "1"), ("LIBGL_ALWAYS_SOFTWARE", "1")];
        let fixed = fixed.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        fixed.chain([("DISPLAY".into(), self.name.clone())]).collect()
    }

    /// Brightness of a part of the screen as it is now.
    ///
    /// # Errors
    /// When the picture cannot be taken.
    pub fn look(&self, scene: &Scene, area: Area) -> Outcome<Luma> {
        let file = scene.scratch("look.pgm");
        self.import(&area, &["-depth", "8", "-colorspace", "Gray"], &format!("pgm:{}", file.display()))?;
        parse_pgm(&fs::read(&file)?)
    }

    /// Keeps a picture of a part of the screen as `NAME.png` among the logs.
    ///
    /// # Errors
    /// When the picture cannot be taken.
    pub fn keep(&self, scene: &Scene, area: Area, name: &str) -> Outcome {
        self.import(&area, &[], &scene.path(&format!("{name}.png")).display().to_string())
    }

    fn import(&self, area: &Area, options: &[&str], file: &str) -> Outcome {
        let crop = format!("{}x{}+{}+{}", area.width, area.height, area.x, area.y);
        let mut command = Command::new("import");
        command.env("DISPLAY", &self.name).args(["-silent", "-window", "root", "-crop", &crop, "+repage"]);
        run(command.args(options).arg(file)).map(|_| ())
    }
}

/// Reads a binary PGM (pgm(5)) of 8 bits.
fn parse_pgm(bytes: &[u8]) -> Outcome<Luma> {
    let bad = || Failure::new("not a PGM picture of 8 bits");
    let mut header = Vec::new();
    let mut rest = bytes;
    while header.len() < 4 {
        let end = rest.iter().position(u8::is_ascii_whitespace).ok_or_else(bad)?;
        header.push(std::str::from_utf8(&rest[..end])?);
        rest = &rest[end + 1..];
    }
    let [width, height] = [header[1].parse::<usize>()?, header[2].parse::<usize>()?];
    ensure!(header[0] == "P5" && header[3] == "255" && rest.len() == width * height, "not a PGM picture of 8 bits");
    Ok(Luma { width, height, pixels: rest.to_vec() })
}

/// How much of two pictures differs visibly, 0 to 1.
pub fn changed(a: &Luma, b: &Luma) -> f64 {
    let differ = a.pixels.iter().zip(&b.pixels).filter(|(a, b)| a.abs_diff(**b) > 12).count();
    crate::logs::count(differ) / crate::logs::count(a.pixels.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgm_is_read_and_anything_else_refused() {
        let picture = parse_pgm(b"P5\n2 1\n255\n\x00\xff").unwrap();
        assert_eq!((picture.width, picture.height, picture.pixels), (2, 1, vec![0, 255]));
        for bad in [&b"P5\n2 1\n255\n\x00"[..], b"P6\n1 1\n255\n\x00", b"P5\n2 1", b""] {
            assert!(parse_pgm(bad).is_err());
        }
    }
}
