// The Noise Protocol Framework (revision 34), written from its text with node's own primitives and nothing of the Rust
// side: what both compute alike is what the documents say.
import { Buffer } from "node:buffer";
import crypto from "node:crypto";

const der = {
  x25519Private: "302e020100300506032b656e04220420",
  x25519Public: "302a300506032b656e032100",
  ed25519Private: "302e020100300506032b657004220420",
  ed25519Public: "302a300506032b6570032100",
};

const privateKey = (prefix, raw) =>
  crypto.createPrivateKey({ key: Buffer.concat([Buffer.from(prefix, "hex"), raw]), format: "der", type: "pkcs8" });
const publicKey = (prefix, raw) =>
  crypto.createPublicKey({ key: Buffer.concat([Buffer.from(prefix, "hex"), raw]), format: "der", type: "spki" });
const rawPublic = (key) => crypto.createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);

export const sha256 = (...parts) => crypto.createHash("sha256").update(Buffer.concat(parts)).digest();
export const hmac = (key, ...parts) => crypto.createHmac("sha256", key).update(Buffer.concat(parts)).digest();
export const hkdf = (ikm, info, length) =>
  Buffer.from(crypto.hkdfSync("sha256", ikm, Buffer.from("eyeline/1"), info, length));

export const x25519Public = (raw) => rawPublic(privateKey(der.x25519Private, raw));
const dh = (raw, other) =>
  crypto.diffieHellman({
    privateKey: privateKey(der.x25519Private, raw),
    publicKey: publicKey(der.x25519Public, other),
  });
export const ed25519Public = (raw) => rawPublic(privateKey(der.ed25519Private, raw));
export const ed25519Sign = (raw, message) => crypto.sign(null, message, privateKey(der.ed25519Private, raw));

export function seal(key, nonce, ad, plaintext) {
  const iv = Buffer.alloc(12);
  iv.writeBigUInt64LE(BigInt(nonce), 4);
  const cipher = crypto.createCipheriv("chacha20-poly1305", key, iv, { authTagLength: 16 });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

// Section 4.3: HKDF as Noise has it, without an info.
function noiseHkdf(chainingKey, material, outputs) {
  const temp = hmac(chainingKey, material);
  const out = [];
  for (let at = 1; at <= outputs; at++) out.push(hmac(temp, out.at(-1) ?? Buffer.alloc(0), Buffer.from([at])));
  return out;
}

// Sections 5.2 and 5.3, for the end that knows both sides' private keys: it writes what each would write.
export class Handshake {
  constructor(name, prologue, { initiator, responder, psk }) {
    const protocol = Buffer.from(name);
    this.h = protocol.length <= 32 ? Buffer.concat([protocol, Buffer.alloc(32 - protocol.length)]) : sha256(protocol);
    this.ck = this.h;
    this.key = null;
    this.nonce = 0;
    this.sides = { i: initiator, r: responder };
    this.psk = psk;
    this.mixHash(prologue);
  }
  mixHash(data) {
    this.h = sha256(this.h, data);
  }
  mixKey(material) {
    [this.ck, this.key] = noiseHkdf(this.ck, material, 2);
    this.nonce = 0;
  }
  mixKeyAndHash(material) {
    let hash;
    [this.ck, hash, this.key] = noiseHkdf(this.ck, material, 3);
    this.mixHash(hash);
    this.nonce = 0;
  }
  encryptAndHash(plaintext) {
    const out = this.key ? seal(this.key, this.nonce++, this.h, plaintext) : plaintext;
    this.mixHash(out);
    return out;
  }
  // One message of `from` ("i" or "r") with these tokens.
  write(from, tokens, payload) {
    const parts = [];
    const { i, r } = this.sides;
    for (const token of tokens) {
      if (token === "e") {
        const e = x25519Public(this.sides[from].ephemeral);
        parts.push(e);
        this.mixHash(e);
        if (this.psk) this.mixKey(e); // section 9.2
      } else if (token === "s") parts.push(this.encryptAndHash(x25519Public(this.sides[from].static)));
      else if (token === "psk") this.mixKeyAndHash(this.psk);
      else if (token === "ee") this.mixKey(dh(i.ephemeral, x25519Public(r.ephemeral)));
      else if (token === "es") this.mixKey(dh(i.ephemeral, x25519Public(r.static)));
      else if (token === "se") this.mixKey(dh(i.static, x25519Public(r.ephemeral)));
      else if (token === "ss") this.mixKey(dh(i.static, x25519Public(r.static)));
    }
    parts.push(this.encryptAndHash(payload));
    return Buffer.concat(parts);
  }
  split() {
    return noiseHkdf(this.ck, Buffer.alloc(0), 2);
  }
}
