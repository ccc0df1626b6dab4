// The walk through the training step that comes: the step page, in a frame that takes the place of the
// live view. A gradient that is changed there is a surgery, after which the walk is recorded again.

import { send } from "./link.js";
import { byId } from "./shared.js";

const view = byId("walk-view");
let shown = 0; // the number of the recording, 0 for none
let focus = null; // moves the focus into the recording that was asked for here, once it is loaded

export function startWalk(onKey) {
  view.onload = () => {
    const { contentDocument: page, contentWindow } = view;
    page.addEventListener("factor", ({ detail }) => {
      const chosen = `[data-number="${detail.net}"] .factor [aria-pressed="true"]`;
      ask("operate", { kind: "gradient", ...detail }, () => view.contentDocument.querySelector(chosen)?.focus());
    });
    contentWindow.addEventListener("keydown", onKey);
    focus?.();
    focus = null;
  };
}

export function toggleWalk() {
  if (!shown) ask("walk", { shown: true }, () => view.contentWindow.focus());
  else {
    byId("walk").focus();
    send("walk", { shown: false });
  }
}

function ask(name, fields, thenFocus) {
  focus = thenFocus;
  busy(true);
  send(name, fields);
}

/** Say whether a recording has been asked for and is not there yet. */
export function busy(waits) {
  byId("walk").setAttribute("aria-busy", String(waits));
}

/** Show the recording of a number, at the place of the one before; 0 for none. */
export function showWalk(number) {
  if (number === shown) return;
  shown = number;
  busy(false);
  view.hidden = !shown;
  document.body.classList.toggle("walking", shown > 0);
  byId("walk").setAttribute("aria-pressed", String(shown > 0));
  const place = view.contentWindow.location.hash || "#backward";
  if (shown) view.contentWindow.location.replace(`walk?${shown}${place}`);
}
