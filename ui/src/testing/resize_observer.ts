import { vi } from 'vitest';

/** jsdom lays nothing out and has no observer of sizes: one that never sees a change. */
export function stubResizeObserver(): void {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe = () => undefined;
      unobserve = () => undefined;
      disconnect = () => undefined;
    },
  );
}
