// Recomputes every result in a transcript from its inputs, as docs/protocol.md describes them. Prints what differs.
import { Buffer } from "node:buffer";
import fs from "node:fs";

import { Handshake, ed25519Public, ed25519Sign, hkdf, hmac, seal, sha256, x25519Public } from "./noise.mjs";

const { inputs, results } = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const text = (string) => Buffer.from(string, "utf8");
const hex = (string) => Buffer.from(string, "hex");
const u32 = (number) => Buffer.from(Uint32Array.of(number).buffer).swap32();
const u64 = (number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
};
const prefixed = (...parts) => Buffer.concat(parts.flatMap((part) => [u32(part.length), part]));
const pad = (content) => {
  const size = [256, 1024, 4096, 16384, 48128].find((size) => content.length + 4 <= size);
  return Buffer.concat([u32(content.length), content, Buffer.alloc(size - 4 - content.length)]);
};
const body = (kind, payload) => Buffer.concat([Buffer.from([kind]), payload]).toString("base64url");

// People: 32 bytes of device key, 32 of Noise key; the signature binds one to the other.
const person = (seed) => {
  const random = hex(seed.identity_random);
  const [device, noise] = [random.subarray(0, 32), random.subarray(32)];
  const label = text("eyeline/1 noise key");
  const signature = ed25519Sign(device, Buffer.concat([label, x25519Public(noise), u64(inputs.now_unix_s)]));
  const card = (bind) =>
    text(
      JSON.stringify({
        v: 1,
        device: ed25519Public(device).toString("base64url"),
        noise_key_signature: signature.toString("base64url"),
        valid_from_unix_s: inputs.now_unix_s,
        name: seed.name,
        client: "desktop",
        capabilities: inputs.capabilities,
        ...(bind && { bind: bind.toString("base64url") }),
      }),
    );
  return { device, noise, card, signature };
};
const ann = person(inputs.initiator);
const bob = person(inputs.responder);

// Room keys.
const secret = hex(inputs.secret);
const roomId = hkdf(secret, "room-id", 16);
const psk = hkdf(secret, "noise-psk", 32);

// The pair's handshake.
const pairRandom = (seed) => {
  const random = hex(seed.pair_random);
  return { ephemeral: random.subarray(0, 32), bind: random.subarray(32) };
};
const [annPair, bobPair] = [pairRandom(inputs.initiator), pairRandom(inputs.responder)];
const prologue = prefixed(text("eyeline/1 room"), roomId, text(inputs.initiator.member), text(inputs.responder.member));
const pair = new Handshake("Noise_XXpsk0_25519_ChaChaPoly_SHA256", prologue, {
  initiator: { static: ann.noise, ephemeral: annPair.ephemeral },
  responder: { static: bob.noise, ephemeral: bobPair.ephemeral },
  psk,
});
const first = pair.write("i", ["psk", "e"], pad(text("")));
const second = pair.write("r", ["e", "ee", "s", "es"], pad(bob.card(bobPair.bind)));
const third = pair.write("i", ["s", "se"], pad(ann.card(annPair.bind)));
const [toBob, toAnn] = pair.split();
const message = pad(text(inputs.plaintext));
const none = Buffer.alloc(0);

// The proof on the data channel; here the initiator offered.
const [offererFp, answererFp] = [hex(inputs.offerer_fingerprint), hex(inputs.answerer_fingerprint)];
const bindKey = hkdf(Buffer.concat([annPair.bind, bobPair.bind, pair.h]), "bind", 32);
const bind = (role) => hmac(bindKey, text("eyeline/1 bind"), Buffer.from([role]), offererFp, answererFp).toString("hex");

// The emoji.
const [offererNonce, answererNonce] = [hex(inputs.offerer_nonce), hex(inputs.answerer_nonce)];
const sasInfo = [text("sas"), pair.h, ed25519Public(ann.device), ed25519Public(bob.device), offererFp, answererFp];
const bits = hkdf(Buffer.concat([offererNonce, answererNonce]), Buffer.concat(sasInfo), 4).readUInt32BE();
const emoji = [26, 20, 14, 8, 2].map((shift) => (bits >>> shift) & 63);

// The responder's inbox, and a ring of the initiator's to it.
const owner = hkdf(bob.device, Buffer.concat([text("inbox"), text(inputs.authority)]), 32);
const inboxId = sha256(text("eyeline/1 inbox"), owner).subarray(0, 16);
const ring = new Handshake("Noise_IK_25519_ChaChaPoly_SHA256", prefixed(text("eyeline/1 ring"), inboxId), {
  initiator: { static: ann.noise, ephemeral: hex(inputs.initiator.ring_random) },
  responder: { static: bob.noise, ephemeral: hex(inputs.responder.ring_random) },
});
ring.mixHash(x25519Public(bob.noise));
const offer = {
  call_id: hex(inputs.call_id).toString("base64url"),
  secret: secret.toString("base64url"),
  server: `https://${inputs.authority}`,
  sent_unix_s: inputs.now_unix_s,
  card: JSON.parse(ann.card()),
};
const ringBody = body(8, ring.write("i", ["e", "es", "s", "ss"], pad(text(JSON.stringify(offer)))));
const reply = { answer: "accepted", card: JSON.parse(bob.card()) };
const replyBody = body(9, ring.write("r", ["e", "ee", "se"], pad(text(JSON.stringify(reply)))));

const computed = {
  room_id: roomId.toString("hex"),
  psk: psk.toString("hex"),
  initiator_device: ed25519Public(ann.device).toString("base64url"),
  initiator_noise_key: x25519Public(ann.noise).toString("base64url"),
  initiator_noise_key_signature: ann.signature.toString("base64url"),
  first: body(1, first),
  second: body(2, second),
  third: body(3, third),
  handshake_hash: pair.h.toString("hex"),
  sealed_by_initiator: body(4, seal(toBob, inputs.seq, none, message)),
  sealed_by_responder: body(4, seal(toAnn, inputs.seq, none, message)),
  bind_offerer: bind(1),
  bind_answerer: bind(2),
  sas_commitment: sha256(text("eyeline/1 sas"), offererNonce).toString("hex"),
  sas_emoji: emoji,
  inbox_owner_secret: owner.toString("hex"),
  inbox_id: inboxId.toString("hex"),
  ring: ringBody,
  ring_reply: replyBody,
};

const names = new Set([...Object.keys(computed), ...Object.keys(results)]);
const differing = [...names].filter((name) => JSON.stringify(computed[name]) !== JSON.stringify(results[name]));
for (const name of differing) console.error(`${name} differs`);
console.log(`${names.size - differing.length} of ${names.size} results are the same`);
process.exit(differing.length === 0 ? 0 : 1);
