/**
 * Accessible names for what ipywidgets leaves without: the handle of a slider is named by the label
 * beside it and described by the value that is shown there, and the buttons of Play say what they
 * do.
 */

const UNNAMED =
  ".widget-slider .noUi-handle:not([aria-labelledby]), .widget-play button:not([aria-label])";
const BUTTONS = [
  [".fa-stop", "Stop"],
  [".fa-retweet", "Repeat"],
];
let count = 0;

/** Name what is there, and whatever comes later. */
export function nameControls(body: HTMLElement): void {
  name(body);
  const observer = new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        if (node instanceof Element && node.parentElement) {
          name(node.parentElement); // its parent: a handle may come by itself
        }
      }
    }
  });
  observer.observe(body, { childList: true, subtree: true });
}

function name(root: Element): void {
  for (const control of root.querySelectorAll(UNNAMED)) {
    const slider = control.closest(".widget-slider");
    if (slider) {
      control.setAttribute("aria-labelledby", idOf(slider.querySelector(".widget-label")));
      control.setAttribute("aria-describedby", idOf(slider.querySelector(".widget-readout")));
    } else {
      const known = BUTTONS.find(([icon]) => control.querySelector(icon));
      control.setAttribute("aria-label", known?.[1] ?? "Play or pause");
    }
  }
}

function idOf(element: Element | null): string {
  if (!element) {
    return "";
  }
  element.id ||= `dgkit-name-${++count}`;
  return element.id;
}
