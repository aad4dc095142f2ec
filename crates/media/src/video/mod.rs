//! Cameras, conversion, the VP8 and VP9 codecs, and the two pipelines that move pictures: [`VideoSender`] and
//! [`VideoReceiver`].
//!
//! ```text
//! camera thread -> LatestSlot -> VideoSender (scale, encode) -> EncodedVideo
//!                                    \-> self-view slot
//! ReceivedVideo -> VideoReceiver (decode, playout) -> display slot
//! ```
//!
//! Live pictures overwrite each other: nothing here queues more than a few frames, and what is full says so in the
//! comment of its capacity.

mod adapt;
mod camera;
mod capture;
pub mod code;
pub mod convert;
mod governor;
mod playout;
mod quantizer;
mod receiver;
mod receiver_stats;
mod scale;
mod sender;
mod source;
mod vpx;
mod y4m;

pub use adapt::{Adaptation, Conditions, Content, QualityLimitation};
pub use camera::{Camera, CameraError, CameraInfo, Description, TestPattern, list_cameras};
pub use capture::{CameraEvent, Capture, CaptureFormat};
pub use code::{block_lumas, decode_code, draw_code};
pub use playout::PlayoutTimeline;
pub use receiver::{LatencyStats, ReceiverStats, VideoReceiver};
pub use scale::{Scaler, fit_within};
pub use sender::{SenderStats, VideoSender};
pub use source::CameraSource;
pub use vpx::{CodecError, EncoderSetup, Prediction, VideoDecoder, VideoEncoder};
pub use y4m::{Y4mError, Y4mHeader, Y4mReader};
