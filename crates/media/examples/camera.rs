//! Lists the cameras, then opens one and says what comes of it: `camera [SOURCE [SECONDS]]`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_media::observer::Unobserved;
use eyeline_media::slot::{LatestSlot, Taken};
use eyeline_media::video::{CameraSource, Capture, CaptureFormat, list_cameras};

fn main() {
    match list_cameras() {
        Ok(cameras) if cameras.is_empty() => println!("no cameras"),
        Ok(cameras) => cameras.iter().for_each(|camera| println!("{}\t{}", camera.id, camera.label)),
        Err(error) => println!("cannot list cameras: {error}"),
    }
    let mut arguments = std::env::args().skip(1);
    let Some(source) = arguments.next() else { return };
    let Ok(source) = source.parse::<CameraSource>();
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);

    let start = Instant::now();
    let frames = Arc::new(LatestSlot::default());
    let say = move |event| println!("{:7.3} {event:?}", start.elapsed().as_secs_f64());
    let capture = Capture::open(source, CaptureFormat::default(), Arc::clone(&frames), say, Arc::new(Unobserved));
    let (mut count, mut last, mut second) = (0_u32, None, Instant::now());
    while start.elapsed() < Duration::from_secs(seconds) {
        if let Taken::Value(frame) = frames.take(Duration::from_millis(100)) {
            count += 1;
            last = Some(frame);
        }
        if second.elapsed() >= Duration::from_secs(1) {
            let mean = last.take().map(|frame| {
                let (y, u, v) = frame.picture.planes();
                [y, u, v].map(|plane| plane.iter().map(|&p| u64::from(p)).sum::<u64>() / plane.len() as u64)
            });
            println!("{:7.3} {count} frames, mean YUV {mean:?}", start.elapsed().as_secs_f64());
            (count, second) = (0, Instant::now());
        }
    }
    let closing = Instant::now();
    drop(capture);
    println!("closed in {:?}", closing.elapsed());
}
