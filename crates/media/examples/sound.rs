//! Lists sound devices, then loops the microphone back to the speaker through Opus and the jitter buffer.
//!
//! `cargo run -p eyeline-media --example sound -- [MICROPHONE [SPEAKER [SECONDS]]]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use eyeline_media::audio::{
    AudioReceiver, AudioSender, AudioSenderConfig, EchoReference, Microphone, MicrophoneSource, PassThrough, Speaker,
    SpeakerSink, list_microphones, list_speakers,
};
use eyeline_media::frame::{EncodedAudio, ReceivedAudio};
use eyeline_media::observer::Unobserved;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (kind, devices) in [("microphone", list_microphones()), ("speaker", list_speakers())] {
        for device in devices {
            println!("{kind} {} ({})", device.id, device.label);
        }
    }
    let mut arguments = std::env::args().skip(1);
    let source: MicrophoneSource = arguments.next().unwrap_or_else(|| "default".into()).parse()?;
    let sink: SpeakerSink = arguments.next().unwrap_or_else(|| "default".into()).parse()?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |s| s.parse())?;

    let reference = EchoReference::default();
    let receiver = AudioReceiver::new()?;
    let to = receiver.clone();
    let mut sequence = 0_u16;
    let network = move |packet: EncodedAudio| {
        sequence = sequence.wrapping_add(1);
        let rtp_timestamp = u32::try_from(packet.first_sample % (1 << 32)).expect("below 2^32");
        to.push(ReceivedAudio {
            data: packet.data,
            sequence,
            rtp_timestamp,
            received_at: Instant::now(),
            redundant: false,
        });
    };
    let sender = AudioSender::start(&AudioSenderConfig::default(), Box::new(PassThrough), reference.clone(), network)?;
    let input = sender.clone();
    let print = |who: &'static str| move |event| println!("{who}: {event:?}");
    let observer = Arc::new(Unobserved);
    let _speaker = Speaker::open(sink, receiver.clone(), reference, print("speaker"), observer.clone());
    let _microphone = Microphone::open(source, move |block, at| input.block(block, at), print("microphone"), observer);
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        println!("level {:.2} -> {:.2}  {:?}", sender.level(), receiver.level(), receiver.stats());
    }
    Ok(())
}
