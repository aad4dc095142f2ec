/** Which of our devices need a word. */

import type { DeviceState } from '../backend/generated/DeviceState';
import type { Local } from '../backend/generated/Local';
import { deviceWords, type DeviceKind, type Words } from '../words';

/** What is wrong with a device, or `undefined` while nothing is. */
export function problemOf(state: DeviceState, device: DeviceKind): Words | undefined {
  return state.kind === 'failed' ? deviceWords(state.problem, device) : undefined;
}

/** Problems with devices the user wants to use. */
export function problemsOf(local: Local): { device: DeviceKind; words: Words }[] {
  const wanted: [DeviceKind, DeviceState, boolean][] = [
    ['camera', local.camera, local.camera_on],
    ['microphone', local.microphone, local.microphone_on],
    ['speaker', local.speaker, true],
  ];
  return wanted.flatMap(([device, state, on]) => {
    const words = on ? problemOf(state, device) : undefined;
    return words === undefined ? [] : [{ device, words }];
  });
}
