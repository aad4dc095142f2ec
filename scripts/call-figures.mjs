// Reads what `eyeline --stats` wrote, one JSON object a second.
//
//   node call-figures.mjs ADA.jsonl BEN.jsonl      a table of both sides; exit code 1 unless both saw and heard the other
//   node call-figures.mjs --real KIND LIST.jsonl   ids of the devices of that kind that are not built in, one a line
import { readFileSync } from "node:fs";

const BUILT_IN = new Set(["test-pattern", "tone", "null", "none", "default"]);
// On the scale of the levels, 0 is -60 dBFS: this is about -54 dBFS, well above silence.
const HEARD_LEVEL = 0.1;
// Fewer pictures a second than this are no call, even on a slow machine that runs both sides.
const FPS_MIN = 10;

const lines = (file) => readFileSync(file, "utf8").split("\n").filter(Boolean);
const records = (file) =>
  lines(file).flatMap((line, i, all) => {
    try {
      return [JSON.parse(line)];
    } catch (error) {
      if (i === all.length - 1) return []; // the writer was in the middle of it
      throw error;
    }
  });

function realDevices(kind, file) {
  for (const device of records(file)) if (device.kind === kind && !BUILT_IN.has(device.id)) console.log(device.id);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const shown = (value, digits = 0) => (value === undefined || value === null ? "-" : value.toFixed(digits));

function side(name, file) {
  // The first two seconds are the call finding its pace.
  const inCall = records(file).filter((r) => r.phase === "in_call");
  const steady = inCall.slice(2);
  const of = (field) => median(steady.map((r) => r.stats[field]).filter((v) => v !== null && v !== undefined));
  const heardSeconds = steady.filter((r) => r.levels.remote > HEARD_LEVEL).length;
  const last = inCall.at(-1);
  return {
    row: {
      side: name,
      "first picture ms": shown(last?.stats.first_picture_ms),
      fps: shown(of("received_fps"), 1),
      "latency ms p50": shown(of("latency_ms_p50"), 1),
      "latency ms p95": shown(of("latency_ms_p95"), 1),
      "sent kbit/s": shown(of("sent_kbps")),
      "received kbit/s": shown(of("received_kbps")),
      "loss %": shown((of("received_loss") ?? 0) * 100, 2),
      picture: `${last?.stats.received_width ?? 0}x${last?.stats.received_height ?? 0}`,
      codec: last?.stats.codec ?? "-",
    },
    faults: [
      steady.length === 0 && `${name} was in the call for less than three seconds`,
      !(of("received_fps") >= FPS_MIN) && `${name} was shown too few pictures of the other side`,
      heardSeconds * 2 < steady.length && `${name} heard the other side in ${heardSeconds} of ${steady.length} seconds`,
    ].filter(Boolean),
  };
}

const [first, second, third] = process.argv.slice(2);
if (first === "--real") {
  realDevices(second, third);
} else {
  const sides = [side("Ada", first), side("Ben", second)];
  for (const label of Object.keys(sides[0].row))
    console.log(label.padEnd(18) + sides.map((s) => String(s.row[label]).padStart(14)).join(""));
  for (const fault of sides.flatMap((s) => s.faults)) {
    console.log(fault);
    process.exitCode = 1;
  }
}
