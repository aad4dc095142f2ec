//! Measurement logs. Media threads only format a line and queue it; one thread writes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use eyeline_media::frame::VideoFrame;
use eyeline_media::observer::MediaObserver;
use eyeline_media::time::WallClock;
use eyeline_media::video::block_lumas;

use crate::args::LogArgs;

/// Entries waiting for the disk, several seconds of everything. One more is dropped and counted: a measurement must not
/// slow down what it measures.
const QUEUE: usize = 1_024;

enum Entry {
    Frame(String),
    Sound { which: usize, samples: Vec<i16>, line: String },
    Dump { path: PathBuf, frame: VideoFrame },
}

/// Log of frames and sound.
pub(crate) struct MediaLogs {
    clock: WallClock,
    frames: bool,
    sound: bool,
    dump: Option<(PathBuf, u64)>,
    shown: AtomicU64,
    positions: [AtomicU64; 2],
    dropped: AtomicU64,
    queue: Mutex<Option<SyncSender<Entry>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct SoundFiles {
    samples: BufWriter<File>,
    lines: BufWriter<File>,
}

const MICROPHONE: usize = 0;
const SPEAKER: usize = 1;

impl MediaLogs {
    /// Creates the files that are asked for.
    pub(crate) fn open(args: &LogArgs) -> Result<Self, (PathBuf, std::io::Error)> {
        let create = |path: &Path| File::create(path).map(BufWriter::new).map_err(|error| (path.to_owned(), error));
        let frames = args.frame_log.as_deref().map(create).transpose()?;
        let sound = match &args.audio_log {
            None => None,
            Some(prefix) => {
                let file = |suffix: &str| {
                    let mut name = prefix.clone().into_os_string();
                    name.push(suffix);
                    create(Path::new(&name))
                };
                let microphone = SoundFiles { samples: file("-mic.s16")?, lines: file("-mic.csv")? };
                Some([microphone, SoundFiles { samples: file("-speaker.s16")?, lines: file("-speaker.csv")? }])
            }
        };
        if let Some(dir) = &args.dump_dir {
            std::fs::create_dir_all(dir).map_err(|error| (dir.clone(), error))?;
        }
        let (queue, inbox) = sync_channel(QUEUE);
        let (has_frames, has_sound) = (frames.is_some(), sound.is_some());
        let writer = std::thread::Builder::new()
            .name("logs".into())
            .spawn(move || write_all(&inbox, frames, sound))
            .map_err(|error| (PathBuf::from("log thread"), error))?;
        Ok(Self {
            clock: WallClock::now(),
            frames: has_frames,
            sound: has_sound,
            dump: args.dump_dir.clone().zip(args.dump_every),
            shown: AtomicU64::new(0),
            positions: [AtomicU64::new(0), AtomicU64::new(0)],
            dropped: AtomicU64::new(0),
            queue: Mutex::new(Some(queue)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Writes what is queued and closes the files.
    pub(crate) fn finish(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            eprintln!("eyeline-peer: the log writer failed");
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            eprintln!("eyeline-peer: {dropped} log entries were dropped because the disk was too slow");
        }
    }

    fn queue(&self, entry: Entry) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.as_ref().is_some_and(|queue| queue.try_send(entry).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn log_sound(&self, which: usize, samples: &[i16], at: Instant) {
        if self.sound {
            let first = self.positions[which].fetch_add(samples.len() as u64, Ordering::Relaxed);
            let line = format!("{},{first},{}\n", self.clock.unix_us(at), samples.len());
            self.queue(Entry::Sound { which, samples: samples.to_vec(), line });
        }
    }
}

impl MediaObserver for MediaLogs {
    fn captured(&self, frame: &VideoFrame) {
        if let (true, Some(at)) = (self.frames, frame.times.captured) {
            let (width, height) = (frame.picture.width(), frame.picture.height());
            self.queue(Entry::Frame(format!("cap,{},{},{width},{height}\n", self.clock.unix_us(at), frame.index)));
        }
    }

    fn shown(&self, frame: &VideoFrame, at: Instant) {
        let (width, height, unix_us) = (frame.picture.width(), frame.picture.height(), self.clock.unix_us(at));
        if self.frames {
            let code = block_lumas(&frame.picture).iter().fold(String::with_capacity(64), |mut hex, luma| {
                write!(hex, "{luma:02x}").expect("a string takes everything");
                hex
            });
            self.queue(Entry::Frame(format!("show,{unix_us},{code},{width},{height}\n")));
        }
        if let Some((dir, every)) = &self.dump
            && self.shown.fetch_add(1, Ordering::Relaxed).is_multiple_of(*every)
        {
            let path = dir.join(format!("{unix_us}_{width}x{height}.yuv"));
            self.queue(Entry::Dump { path, frame: frame.clone() });
        }
    }

    fn microphone(&self, samples: &[i16], at: Instant) {
        self.log_sound(MICROPHONE, samples, at);
    }

    fn speaker(&self, samples: &[i16], at: Instant) {
        self.log_sound(SPEAKER, samples, at);
    }
}

/// Writes until the queue is closed; a full disk is said once.
fn write_all(inbox: &Receiver<Entry>, mut frames: Option<BufWriter<File>>, mut sound: Option<[SoundFiles; 2]>) {
    let mut failed = false;
    for entry in inbox {
        let written = write_entry(&entry, frames.as_mut(), sound.as_mut());
        if let Err(error) = written
            && !std::mem::replace(&mut failed, true)
        {
            eprintln!("eyeline-peer: logs are incomplete: {error}");
        }
    }
    let flushed = frames.iter_mut().try_for_each(Write::flush).and_then(|()| {
        sound.iter_mut().flatten().try_for_each(|files| files.samples.flush().and_then(|()| files.lines.flush()))
    });
    if let Err(error) = flushed {
        eprintln!("eyeline-peer: logs are incomplete: {error}");
    }
}

fn write_entry(
    entry: &Entry,
    frames: Option<&mut BufWriter<File>>,
    sound: Option<&mut [SoundFiles; 2]>,
) -> std::io::Result<()> {
    match entry {
        Entry::Frame(line) => frames.map_or(Ok(()), |file| file.write_all(line.as_bytes())),
        Entry::Sound { which, samples, line } => {
            let Some(files) = sound.map(|files| &mut files[*which]) else { return Ok(()) };
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            files.samples.write_all(&bytes)?;
            files.lines.write_all(line.as_bytes())
        }
        Entry::Dump { path, frame } => std::fs::write(path, frame.picture.data()),
    }
}

/// Log of what happens to the call.
pub(crate) struct EventLog {
    clock: WallClock,
    file: Option<Mutex<File>>,
}

impl EventLog {
    /// Creates the file, if one is asked for.
    pub(crate) fn open(path: Option<&Path>) -> std::io::Result<Self> {
        let file = path.map(File::create).transpose()?.map(Mutex::new);
        Ok(Self { clock: WallClock::now(), file })
    }

    /// Writes a line at once: events are few, and a killed program should have left them.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let Some(file) = &self.file else { return };
        let line = format!("{name},{},{}\n", self.clock.unix_us(Instant::now()), text.replace('\n', " "));
        if let Err(error) = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()) {
            eprintln!("eyeline-peer: events are incomplete: {error}");
        }
    }
}
