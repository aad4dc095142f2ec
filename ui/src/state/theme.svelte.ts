import type { Theme } from '../backend/generated/Theme';

/** Colours the window as the settings say, for as long as the calling component lives. */
export function followTheme(theme: () => Theme | undefined): void {
  $effect(() => {
    const chosen = theme() ?? 'system';
    if (chosen === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = chosen;
  });
}
