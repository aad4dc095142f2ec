// What the bench wants to know of a call, at little cost. Times are those of performance.now(), milliseconds.

const captured = []; // [captured, code]
const shown = []; // [handed to the compositor, code, width, height]
const kept = []; // { at, width, height, luma }
const sound = { said: [], heard: [] }; // { frame, offset_ms, samples }

const BLOCKS = 32; // of the code across the top
const CODE_HEIGHT_DIVISOR = 15;
const KEEP_EVERY_FRAMES = 45;

// Mean luma of each block, in the middle half of each: as eyeline_tests::picture::Luma::code takes them.
async function read_code(frame) {
  const [width, height] = [frame.codedWidth, frame.codedHeight];
  const rows = Math.max(Math.floor(height / CODE_HEIGHT_DIVISOR), 4);
  const rect = { x: 0, y: 0, width, height: rows + (rows % 2) };
  const strip = new Uint8Array(frame.allocationSize({ rect }));
  const [{ offset, stride }] = await frame.copyTo(strip, { rect });
  let code = "";
  for (let block = 0; block < BLOCKS; block++) {
    const [left, right] = [block, block + 1].map((at) => Math.floor((width * at) / BLOCKS));
    const quarter = Math.floor((right - left) / 4);
    const [top, bottom] = [Math.floor(rows / 4), rows - Math.floor(rows / 4)];
    let sum = 0;
    for (let y = top; y < bottom; y++)
      for (let x = left + quarter; x < right - quarter; x++) sum += strip[offset + y * stride + x];
    const mean = Math.floor(sum / ((right - left - 2 * quarter) * (bottom - top)));
    code += mean.toString(16).padStart(2, "0");
  }
  return code;
}

// The moment of capture is the frame's own timestamp, brought to the page's clock by the quickest delivery of all: what a frame
// needs from the camera's process to this one at the least is not counted, which is to the browser's advantage.
async function probe_camera(stream) {
  const [track] = stream.getVideoTracks();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) return;
    const at = performance.now();
    captured.push([frame.timestamp / 1000, at, await read_code(frame)]);
    frame.close();
  }
}

function probe_picture(video) {
  let count = 0;
  const next = async (now, metadata) => {
    video.requestVideoFrameCallback(next);
    const frame = new VideoFrame(video);
    const { codedWidth: width, codedHeight: height } = frame;
    const keeps = count++ % KEEP_EVERY_FRAMES === 0;
    const entry = [metadata.presentationTime, "", width, height, metadata.presentedFrames];
    shown.push(entry);
    if (keeps) {
      const bytes = new Uint8Array(frame.allocationSize());
      const [{ offset, stride }] = await frame.copyTo(bytes);
      kept.push({ at: metadata.presentationTime, width, height, offset, stride, bytes });
    }
    entry[1] = await read_code(frame);
    frame.close();
  };
  video.requestVideoFrameCallback(next);
}

// Hands on what passes, a tenth of a second at a time. The wall clock is the only one in there; of its readings the earliest
// relative to the count of samples counts.
const TAP = `
  registerProcessor("tap", class extends AudioWorkletProcessor {
    samples = new Float32Array(4800);
    filled = 0;
    first = 0;
    offset_ms = Infinity;
    process([[channel]]) {
      if (this.filled === 0) [this.first, this.offset_ms] = [currentFrame, Infinity];
      this.offset_ms = Math.min(this.offset_ms, Date.now() - currentFrame / (sampleRate / 1000));
      if (channel) this.samples.set(channel, this.filled);
      else this.samples.fill(0, this.filled, this.filled + 128);
      this.filled += 128;
      if (this.filled + 128 > this.samples.length) {
        this.port.postMessage({ frame: this.first, offset_ms: this.offset_ms, samples: this.samples.slice(0, this.filled) });
        this.filled = 0;
      }
      return true;
    }
  });
`;

async function probe_sound(which, stream) {
  const context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
  // Not a blob nor a file: a page without an origin may load neither into a worklet.
  await context.audioWorklet.addModule("data:text/javascript," + encodeURIComponent(TAP));
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream(stream.getAudioTracks()) });
  const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  tap.port.onmessage = ({ data }) => sound[which].push(data);
  source.connect(tap);
  await context.resume();
  log("taps what is " + which);
}

// Collecting, after the call.

function to_base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

function take_kept(index) {
  const { at, width, height, offset, stride, bytes } = kept[index];
  const luma = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) luma.set(bytes.subarray(offset + y * stride, offset + y * stride + width), y * width);
  return { at, width, height, luma: to_base64(luma) };
}

// All of one tap: first sample and clock of each piece, and the samples as 16 bits.
function take_sound(which) {
  const pieces = sound[which].map(({ frame, offset_ms, samples }) => [frame, offset_ms, samples.length]);
  const samples = new Int16Array(pieces.reduce((sum, [, , length]) => sum + length, 0));
  let at = 0;
  for (const piece of sound[which])
    for (const value of piece.samples) samples[at++] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
  return { pieces, samples: to_base64(new Uint8Array(samples.buffer)) };
}
