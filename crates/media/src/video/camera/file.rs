//! A y4m file as a camera.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::{Camera, CameraError, Description, Pace};
use crate::frame::{FrameTimes, I420Buffer, VideoFrame};
use crate::video::y4m::{Y4mError, Y4mReader};

/// Read-ahead from the file: a 720p frame is 1.4 MB, so this only saves system calls.
const READ_BUFFER: usize = 256 * 1024;

/// Plays a file in real time, over and over. The frame index is the frame's place in the file.
#[derive(Debug)]
pub(crate) struct FileCamera {
    path: PathBuf,
    reader: Y4mReader<BufReader<File>>,
    /// The frame read on opening or on starting over, until it is shown.
    first: Option<I420Buffer>,
    next_index: u64,
    pace: Pace,
}

impl FileCamera {
    /// Opens the file and reads its first frame.
    pub(crate) fn open(path: &Path) -> Result<Self, CameraError> {
        let (reader, first) = start(path)?;
        let pace = Pace::new(reader.header().fps);
        Ok(Self { path: path.to_owned(), reader, first: Some(first), next_index: 0, pace })
    }

    /// The frame that comes next, from the beginning again at the end.
    fn read(&mut self) -> Result<I420Buffer, CameraError> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        if let Some(frame) = self.reader.frame().map_err(|error| camera_error(&error))? {
            return Ok(frame);
        }
        let (reader, first) = start(&self.path)?;
        self.reader = reader;
        self.next_index = 0;
        Ok(first)
    }
}

/// Opens the file anew, which also notices when it was replaced.
fn start(path: &Path) -> Result<(Y4mReader<BufReader<File>>, I420Buffer), CameraError> {
    let open = || -> Result<_, Y4mError> {
        let mut reader = Y4mReader::new(BufReader::with_capacity(READ_BUFFER, File::open(path)?))?;
        let first = reader.frame()?.ok_or(Y4mError::Header("no frames in it"))?;
        Ok((reader, first))
    };
    open().map_err(|error| camera_error(&error))
}

fn camera_error(error: &Y4mError) -> CameraError {
    match error {
        Y4mError::Io(io) => match io.kind() {
            io::ErrorKind::NotFound => CameraError::NotFound,
            io::ErrorKind::PermissionDenied => CameraError::PermissionDenied,
            _ => CameraError::Failed(io.to_string()),
        },
        Y4mError::Header(_) | Y4mError::Chroma(_) | Y4mError::Frame => CameraError::Unsupported(error.to_string()),
    }
}

impl Camera for FileCamera {
    fn next(&mut self) -> Result<VideoFrame, CameraError> {
        // Read before its time, so that it leaves on time.
        let picture = Arc::new(self.read()?);
        let index = self.next_index;
        self.next_index += 1;
        self.pace.wait();
        let times = FrameTimes { captured: Some(Instant::now()), ..FrameTimes::default() };
        Ok(VideoFrame { picture, index, times })
    }

    fn description(&self) -> Description {
        let label = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned();
        let header = self.reader.header();
        Description { label, width: header.width, height: header.height, fps: header.fps }
    }
}
