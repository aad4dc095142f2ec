/** Draws I420 with a shader. WebGL 2 where there is one; the code keeps to what WebGL 1 has too. */

import { halved, type Frame } from './message';
import { resize, type Painter } from './painter';

const VERTEX = `
attribute vec2 corner;
varying vec2 at;
void main() {
  at = vec2(corner.x, 1.0 - corner.y);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

// ITU-R BT.601, limited range: 16..235 for Y, 16..240 around 128 for U and V.
const FRAGMENT = `
precision mediump float;
varying vec2 at;
uniform sampler2D luma;
uniform sampler2D blue;
uniform sampler2D red;
void main() {
  float y = 1.16438 * (texture2D(luma, at).r - 0.0627451);
  float u = texture2D(blue, at).r - 0.501961;
  float v = texture2D(red, at).r - 0.501961;
  gl_FragColor = vec4(y + 1.59603 * v, y - 0.391762 * u - 0.812968 * v, y + 2.01723 * u, 1.0);
}`;

const SAMPLERS = ['luma', 'blue', 'red'] as const;
const OPTIONS: WebGLContextAttributes = {
  alpha: false,
  antialias: false,
  depth: false,
  stencil: false,
  powerPreference: 'low-power',
};

type Context = WebGLRenderingContext | WebGL2RenderingContext;

/** A painter on WebGL, or `null` where there is none. */
export function webglPainter(canvas: HTMLCanvasElement): Painter | null {
  const gl = canvas.getContext('webgl2', OPTIONS) ?? canvas.getContext('webgl', OPTIONS);
  if (gl === null) return null;
  if (!prepare(gl)) return null;

  // A lost context comes back empty: everything is made again before the next frame.
  const onLost = (event: Event) => event.preventDefault();
  const onRestored = () => prepare(gl);
  canvas.addEventListener('webglcontextlost', onLost);
  canvas.addEventListener('webglcontextrestored', onRestored);
  return {
    draw: (frame) => {
      if (!gl.isContextLost()) drawFrame(gl, canvas, frame);
      return true;
    },
    close: () => {
      canvas.removeEventListener('webglcontextlost', onLost);
      canvas.removeEventListener('webglcontextrestored', onRestored);
      // A canvas that left the page gives its context back at once: webviews allow only a few.
      setTimeout(() => {
        if (!canvas.isConnected) gl.getExtension('WEBGL_lose_context')?.loseContext();
      });
    },
  };
}

function prepare(gl: Context): boolean {
  const program = link(gl);
  if (program === null) return false;
  gl.useProgram(program);

  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
  const corner = gl.getAttribLocation(program, 'corner');
  gl.enableVertexAttribArray(corner);
  gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);

  SAMPLERS.forEach((name, unit) => {
    gl.uniform1i(gl.getUniformLocation(program, name), unit);
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  });
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  return true;
}

function link(gl: Context): WebGLProgram | null {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) === true ? program : null;
}

function drawFrame(gl: Context, canvas: HTMLCanvasElement, frame: Frame): void {
  resize(canvas, frame);
  gl.viewport(0, 0, frame.width, frame.height);
  const chroma: [number, number] = [halved(frame.width), halved(frame.height)];
  upload(gl, 0, [frame.width, frame.height], frame.y);
  upload(gl, 1, chroma, frame.u);
  upload(gl, 2, chroma, frame.v);
  gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
}

function upload(gl: Context, unit: number, [width, height]: [number, number], plane: Uint8Array): void {
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.LUMINANCE, width, height, 0, gl.LUMINANCE, gl.UNSIGNED_BYTE, plane);
}
