import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The same policy the desktop shell sets, so that a browser run finds what it would block.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self' ws://127.0.0.1:*",
].join('; ');

export default defineConfig({
  plugins: [svelte()],
  base: './',
  clearScreen: false,
  server: { port: 5173, strictPort: true },
  preview: { port: 4173, headers: { 'Content-Security-Policy': contentSecurityPolicy } },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: ['es2022', 'chrome123', 'safari17.5'],
    // light-dark() must reach the webview as it is: the call view switches colour scheme for its own subtree.
    cssTarget: ['chrome123', 'safari17.5'],
    assetsInlineLimit: 0,
    sourcemap: false,
  },
  resolve: process.env['VITEST'] === undefined ? {} : { conditions: ['browser'] },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    restoreMocks: true,
  },
});
