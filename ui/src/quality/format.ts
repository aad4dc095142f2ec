/** Figures as people read them. What is not known is a dash. */

export const UNKNOWN = '–';

export function ms(value: number | null): string {
  return value === null ? UNKNOWN : `${digits(value)} ms`;
}

/** `430 kbit/s`, `1.2 Mbit/s`. */
export function rate(kbps: number): string {
  return kbps < 999.5 ? `${Math.round(kbps)} kbit/s` : `${(kbps / 1_000).toFixed(1)} Mbit/s`;
}

/** A share from 0 to 1. */
export function percent(share: number | null): string {
  return share === null ? UNKNOWN : `${digits(share * 100)} %`;
}

/** `1280×720`. */
export function size(width: number, height: number): string {
  return width === 0 || height === 0 ? UNKNOWN : `${width}×${height}`;
}

export function perSecond(value: number): string {
  return `${digits(value)}/s`;
}

export function mebibytes(value: number | null): string {
  return value === null ? UNKNOWN : `${Math.round(value)} MiB`;
}

/** `0`, `0.3`, `7.5`, `42`: two digits that count are enough to see what is going on. */
export function digits(value: number): string {
  const text = Math.abs(value) < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value));
  return text === '-0' ? '0' : text;
}
