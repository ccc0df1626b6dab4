// What the scripts of all pages share: elements, texts in the language that is chosen, numbers, feature
// maps whose pixels pointer and arrow keys choose, and the theme.

export const byId = (id) => document.getElementById(id);

const SVG = ["svg", "path", "rect", "text", "line", "polyline", "circle", "title"];

/** An element with attributes and children; in the namespace of SVG for its tags. */
export function make(tag, attributes = {}, ...children) {
  const node = SVG.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

let texts = {};

/** A text, with the values of its {fields}. */
export function t(key, fields = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
}

/** Take the texts of a language, and write those that the page's own elements ask for. */
export function useTexts(language, ofLanguage) {
  texts = ofLanguage;
  document.documentElement.lang = language;
  byId("language").value = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll("[data-title]")) node.title = t(node.dataset.title);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
}

// --- numbers ------------------------------------------------------------------------------------

/** A number with three digits. */
export function short(x) {
  if (!Number.isFinite(x)) return t("notANumber");
  if (x === 0) return "0";
  const size = Math.abs(x);
  return size >= 0.001 && size < 10000 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
}

/** A number that is known to a step of so much, with the digits that this allows, three at most. */
export function near(x, step) {
  if (!step || Number.isNaN(x)) return short(x); // no step: all of the map has one value
  const digits = Math.floor(Math.log10(Math.abs(x) / step)) + 2;
  return digits < 1 ? "0" : short(Number(x.toPrecision(Math.min(digits, 3))));
}

/** A power of ten, on an axis. */
export const powerOfTen = (log) => (log >= -2 && log <= 3 ? String(10 ** log) : `1e${log}`);

// --- colours ------------------------------------------------------------------------------------

const NOT_A_NUMBER = [196, 44, 40];

/** 256 colours between stops whose lightness only rises, so that the order shows in grey as well. */
function colours(stops) {
  const table = Array.from({ length: 256 }, (_, n) => {
    const at = (n / 255) * (stops.length - 1);
    const i = Math.min(Math.floor(at), stops.length - 2);
    return stops[i].map((v, k) => Math.round(v + (at - i) * (stops[i + 1][k] - v)));
  });
  return (share) => table[Math.round(255 * Math.min(Math.max(share, 0), 1))] ?? NOT_A_NUMBER;
}
export const activationColour = colours([[18, 18, 24], [250, 250, 248]]);
export const gradientColour = colours([[12, 26, 92], [62, 84, 150], [136, 136, 138], [226, 186, 84], [255, 244, 190]]);
export const normColour = colours([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]);

// --- feature maps ---------------------------------------------------------------------------------

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** A value of a map, which is a byte between the ends of its scale; NaN for one that is not finite. */
export function valueAt(maps, k, i, j) {
  const [, height, width] = maps.shape;
  const at = (k * height + i) * width + j;
  maps.bytes ??= bytesOf(maps.data);
  maps.gapBits ??= bytesOf(maps.gaps ?? "");
  if (maps.gapBits[at >> 3] & (128 >> (at & 7))) return NaN;
  return maps.ends[0] + ((maps.ends[1] - maps.ends[0]) * maps.bytes[at]) / 255;
}

/** The same with the digits that are known, and where it is. */
export const valueSaid = (maps, k, i, j) => t("valueAt", { k, i, j, value: near(valueAt(maps, k, i, j), stepOf(maps)) });

/** How exactly a value of a map is known. */
export const stepOf = ({ ends }) => (ends[1] - ends[0]) / 255;

/** Draw so many pixels into a canvas, each the colour of value(i, j) between the ends of a scale. */
export function paint(canvas, width, height, value, [low, high], colour = activationColour) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const at = 4 * (i * width + j);
      image.data.set(colour((value(i, j) - low) / (high - low || 1)), at);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** What the darkest and the lightest colour of the maps stand for. */
export function scale(ends, colour = activationColour) {
  const bar = paint(make("canvas", { "aria-hidden": "true" }), 64, 1, (_, j) => j, [0, 63], colour);
  return make("div", { class: "scale note" }, short(ends[0]), bar, short(ends[1]));
}

/** A canvas with a drawing over it, in units of its pixels. */
export function under(canvas) {
  const over = make("svg", { viewBox: `0 0 ${canvas.width} ${canvas.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  return make("div", { class: "map" }, canvas, over);
}

/** Mark parts of a map: each a class and the row, column, height and width. */
export function mark(box, ...parts) {
  box.lastChild.replaceChildren(...parts.map(([kind, y, x, height, width]) => make("rect", { class: kind, x, y, width, height })));
}

// --- what pointer and arrow keys choose ---------------------------------------------------------

/**
 * Let arrow keys choose a place on an element: `moves` has what each key adds to it, `sizes` what it stays below,
 * and show(...place) returns what `said` says of it. Returns `choose`, and `again`, to show it with newer numbers.
 */
export function choosable(node, said, sizes, moves, show) {
  let at = null;
  const tell = (live) => {
    said.setAttribute("aria-live", live);
    said.textContent = show(...at);
  };
  const choose = (...asked) => {
    at = asked.map((x, n) => Math.min(Math.max(x, 0), sizes()[n] - 1));
    tell("polite");
  };
  node.tabIndex = 0;
  node.setAttribute("role", "application");
  node.onkeydown = (event) => {
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // the arrow keys walk elsewhere
    const by = moves[event.key];
    choose(...(at ? at.map((x, n) => x + by[n]) : by.map((x) => x - Math.sign(x)))); // the first press is the corner
  };
  return { choose, again: () => at && tell("off") };
}

/** A row of maps of one size, where pointer and arrow keys choose a pixel; `said` shows says(k, i, j). */
export function probed(canvases, label, says, said = make("output", { class: "said note" })) {
  const { width, height } = canvases[0];
  const boxes = canvases.map(under);
  const row = make("div", { class: height === 1 ? "maps row" : "maps", "aria-label": `${label}; ${t("probe")}` }, ...boxes);
  const moves = {
    ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], PageUp: [-1, 0, 0], PageDown: [1, 0, 0],
  };
  said.textContent = t("hint");
  const { choose, again } = choosable(row, said, () => [boxes.length, height, width], moves, (...at) => {
    boxes.forEach((box, k) => mark(box, ...(k === at[0] ? [["pixel", at[1], at[2], 1, 1]] : [])));
    return says(...at);
  });
  canvases.forEach((canvas, k) => {
    canvas.onpointermove = canvas.onpointerdown = ({ offsetX, offsetY }) =>
      choose(k, Math.floor((offsetY * height) / canvas.clientHeight), Math.floor((offsetX * width) / canvas.clientWidth));
  });
  return { row, said, choose, again };
}

// --- what is chosen and kept: language and theme -----------------------------------------------

const chosen = {};

/** What was chosen last on a page of this place; a page that may keep nothing has its own choices. */
export function kept(name) {
  try {
    return localStorage.getItem(name) ?? chosen[name];
  } catch {
    return chosen[name]; // as inside a notebook
  }
}

export function keep(name, value) {
  chosen[name] = value;
  try {
    localStorage.setItem(name, value);
  } catch {
    // As above; the choice works all the same.
  }
}

/** The language that was chosen last, or the browser's. */
export function keptLanguage() {
  const language = kept("language") ?? navigator.language;
  return language.startsWith("zh") ? "zh" : "en";
}

const THEMES = ["system", "light", "dark"];

/** Show the theme that was chosen last, and say it on its button, which chooses the next one. */
export function showTheme() {
  const at = Math.max(THEMES.indexOf(kept("theme")), 0);
  document.documentElement.dataset.theme = THEMES[at];
  byId("theme").textContent = `◐ ${t(THEMES[at])}`;
  byId("theme").onclick = () => {
    keep("theme", THEMES[(at + 1) % THEMES.length]);
    showTheme();
  };
}
