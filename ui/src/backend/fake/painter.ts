/** Paints made-up people: moving pictures for a page without an engine. */

import type { TileName } from '../generated/TileName';

export interface Picture {
  width: number;
  height: number;
  image: ImageData;
}

interface Person {
  wall: [string, string];
  lamp: string;
  skin: string;
  hair: string;
  shirt: string;
}

const PEOPLE: Record<TileName, Person> = {
  remote: { wall: ['#3c5a63', '#18262c'], lamp: '#ffd49a', skin: '#8d5a3c', hair: '#1b1310', shirt: '#d9a441' },
  self_view: { wall: ['#8a7f70', '#3b3630'], lamp: '#fff0d6', skin: '#e8b998', hair: '#6b3f22', shirt: '#2f5d73' },
};

/** Draws one person at a moment, filling the canvas. */
export function paint(context: CanvasRenderingContext2D, who: TileName, width: number, height: number, ms: number) {
  const person = PEOPLE[who];
  const sway = Math.sin(ms / 1300) * width * 0.012;
  const nod = Math.sin(ms / 900) * height * 0.008;
  const centre = width / 2 + sway;
  const unit = height / 100;

  const wall = context.createLinearGradient(0, 0, width, height);
  wall.addColorStop(0, person.wall[0]);
  wall.addColorStop(1, person.wall[1]);
  context.fillStyle = wall;
  context.fillRect(0, 0, width, height);

  const lamp = context.createRadialGradient(width * 0.18, height * 0.25, 0, width * 0.18, height * 0.25, height * 0.6);
  lamp.addColorStop(0, `${person.lamp}b0`);
  lamp.addColorStop(1, `${person.lamp}00`);
  context.fillStyle = lamp;
  context.fillRect(0, 0, width, height);

  const ellipse = (colour: string, x: number, y: number, rx: number, ry: number) => {
    context.fillStyle = colour;
    context.beginPath();
    context.ellipse(x, y, rx, ry, 0, 0, Math.PI * 2);
    context.fill();
  };
  const headY = 44 * unit + nod;
  ellipse(person.hair, centre, headY - 3 * unit, 17 * unit, 20 * unit);
  ellipse(person.shirt, centre - sway * 0.5, 108 * unit, 40 * unit, 36 * unit);
  context.fillStyle = person.skin;
  context.fillRect(centre - 5.5 * unit, headY + 10 * unit, 11 * unit, 18 * unit);
  ellipse(person.skin, centre, headY, 13.5 * unit, 17 * unit);
  ellipse(person.hair, centre - 3 * unit, headY - 14 * unit, 14 * unit, 7.5 * unit);

  // A blinking look at the camera, and a mark on one side: a mirrored picture is told by it.
  const open = ms % 3700 < 140 ? 0.25 : 1.4;
  ellipse('#20160f', centre - 5 * unit, headY - unit, 1.3 * unit, open * unit);
  ellipse('#20160f', centre + 5 * unit, headY - unit, 1.3 * unit, open * unit);
  const talk = 0.8 + Math.abs(Math.sin(ms / 170)) * 1.6;
  ellipse('#5b2b24', centre, headY + 8 * unit, 4 * unit, talk * unit);
  context.fillStyle = person.lamp;
  context.fillRect(width * 0.06, height * 0.62, width * 0.05, height * 0.3);
}

/** Converts a painted picture to the message the shell would send (I420, BT.601 limited range). */
export function toPlanes(image: ImageData): Uint8Array<ArrayBuffer> {
  const { width, height, data } = image;
  const halfWidth = width >> 1;
  const luma = width * height;
  const out = new Uint8Array(luma + 2 * halfWidth * (height >> 1));
  let u = luma;
  let v = luma + halfWidth * (height >> 1);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = (y * width + x) * 4;
      const [r, g, b] = [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0];
      out[y * width + x] = 16 + ((66 * r + 129 * g + 25 * b + 128) >> 8);
      if ((x & 1) === 0 && (y & 1) === 0) {
        out[u++] = 128 + ((-38 * r - 74 * g + 112 * b + 128) >> 8);
        out[v++] = 128 + ((112 * r - 94 * g - 18 * b + 128) >> 8);
      }
    }
  }
  return out;
}
