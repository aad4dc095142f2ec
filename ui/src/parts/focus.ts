/** Moves the keyboard and the screen reader to a view's heading when the view opens. */
export function focusOnMount(node: HTMLElement): void {
  node.focus({ preventScroll: true });
}
