// The call itself.

const page_log = [];
const early = [];
const RESTART_EVERY_MS = 2000;
let connection;
let socket;
let local = new MediaStream();
let options;
let asked_at;
let restarted_at = -Infinity;

function log(words) {
  page_log.push(performance.now().toFixed(0) + " " + words);
}

// options: signaling (address of a socket that carries what one says to the other), camera and microphone (whether this side has
// them), codec (a MIME type that is preferred, or ""), probe ("" for none).
async function prepare(given) {
  options = given;
  const constraints = {
    video: options.camera && { width: 1280, height: 720, frameRate: 30 },
    // Sound is compared with its source, so nothing may improve it; both systems send it as it is.
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  };
  const stream = await navigator.mediaDevices.getUserMedia(constraints);
  // Who has asked for a microphone may use every network; who sends nothing gives it back.
  if (!options.microphone) for (const track of stream.getTracks()) track.stop();
  else local = stream;
  connection = new RTCPeerConnection();
  connection.onicecandidate = ({ candidate }) => say({ candidate: candidate && candidate.toJSON() });
  connection.onconnectionstatechange = () => log("connection " + connection.connectionState);
  connection.oniceconnectionstatechange = ice_changed;
  connection.ontrack = ({ track, streams }) => {
    log("track " + track.kind);
    if (options.probe === "cost") drain(track, streams[0]);
    else document.getElementById("picture").srcObject = streams[0];
    if (options.probe === "full" && track.kind === "audio") probe_sound("heard", streams[0]);
  };
  socket = new WebSocket(options.signaling);
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  await new Promise((done, failed) => ([socket.onopen, socket.onerror] = [done, failed]));
  if (options.probe === "full" && options.camera) probe_camera(local);
  if (options.probe === "full" && options.microphone) await probe_sound("said", local);
  if (options.probe === "full" && !options.camera) probe_picture(document.getElementById("picture"));
  for (const track of local.getTracks()) connection.addTrack(track, local);
  if (options.codec) prefer(options.codec);
}

// The order of codecs that this side offers, or answers with.
function prefer(codec) {
  const all = RTCRtpReceiver.getCapabilities("video").codecs;
  const preferred = all.filter(({ mimeType }) => mimeType.toLowerCase() === codec.toLowerCase());
  for (const transceiver of connection.getTransceivers())
    if (transceiver.receiver.track.kind === "video")
      transceiver.setCodecPreferences([...preferred, ...all.filter((other) => !preferred.includes(other))]);
}

async function call() {
  asked_at = performance.now();
  connection.onnegotiationneeded = offer;
  await offer();
}

async function offer() {
  if (connection.signalingState !== "stable") return;
  await connection.setLocalDescription();
  say({ description: connection.localDescription });
}

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

let heard = Promise.resolve();
// One after the other: a candidate must not overtake the description before it.
function hear(message) {
  heard = heard.then(() => take(message)).catch((error) => log("hear: " + error));
}

async function take({ description, candidate, restart }) {
  if (restart) return void restart_ice();
  if (candidate !== undefined) {
    if (!connection.remoteDescription) early.push(candidate);
    else if (candidate) await connection.addIceCandidate(candidate);
    return;
  }
  await connection.setRemoteDescription(description);
  for (const one of early.splice(0)) if (one) await connection.addIceCandidate(one);
  if (description.type === "offer") {
    if (options.codec) prefer(options.codec);
    await connection.setLocalDescription();
    say({ description: connection.localDescription });
  }
}

// Whoever misses the other first has the offerer restart.
function ice_changed() {
  log("ice " + connection.iceConnectionState);
  if (!["disconnected", "failed"].includes(connection.iceConnectionState)) return;
  if (asked_at === undefined) say({ restart: true });
  else restart_ice();
}

function restart_ice() {
  if (asked_at === undefined || performance.now() - restarted_at < RESTART_EVERY_MS) return;
  restarted_at = performance.now();
  log("restarts ice");
  connection.restartIce();
}

// Takes every picture and sound without showing or playing it, for measuring what a call costs without a screen.
function drain(track, stream) {
  if (track.kind === "audio") {
    const element = new Audio();
    element.srcObject = new MediaStream([track]);
    element.play();
    return;
  }
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const next = async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      drained += 1;
      drained_height = value.displayHeight;
      value.close();
    }
  };
  next();
}
let drained = 0;
let drained_height = 0;

async function figures() {
  const report = connection ? [...(await connection.getStats()).values()] : [];
  const of = (type, kind) => report.find((stats) => stats.type === type && stats.kind === kind) ?? {};
  const [video, audio, sent] = [of("inbound-rtp", "video"), of("inbound-rtp", "audio"), of("outbound-rtp", "video")];
  const codec = report.find((stats) => stats.id === video.codecId);
  return {
    state: connection?.connectionState,
    drained,
    drained_height,
    decoded: video.framesDecoded ?? 0,
    codec: codec?.mimeType ?? "",
    decoder: video.decoderImplementation ?? "",
    encoder: sent.encoderImplementation ?? "",
    freezes: video.freezeCount ?? 0,
    frozen_s: video.totalFreezesDuration ?? 0,
    key_frames: video.keyFramesDecoded ?? 0,
    concealed: audio.totalSamplesReceived ? audio.concealedSamples / audio.totalSamplesReceived : null,
  };
}
