// --- colours ---------------------------------------------------------------------------------

const rgb = (stops) => (share) => {
  // Between stops whose lightness only rises, so that the order shows in grey as well.
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  return stops[i].map((v, k) => Math.round(v + (at - i) * (stops[i + 1][k] - v)));
};
const activationColour = rgb([[18, 18, 24], [250, 250, 248]]);
const gradientColour = rgb([[12, 26, 92], [62, 84, 150], [136, 136, 138], [226, 186, 84], [255, 244, 190]]);
const normColour = rgb([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]);

// --- feature maps ------------------------------------------------------------------------------

/** A value of a map, which is a byte between the ends of its scale. */
function valueAt(maps, k, i, j) {
  const [, height, width] = maps.shape;
  maps.bytes ??= Uint8Array.from(atob(maps.data), (c) => c.charCodeAt(0));
  return maps.ends[0] + ((maps.ends[1] - maps.ends[0]) * maps.bytes[(k * height + i) * width + j]) / 255;
}

/** How exactly a value of a map is known. */
const stepOf = ({ ends }) => (ends[1] - ends[0]) / 255;

/** A canvas of so many pixels, each the colour of value(i, j) between the ends of a scale. */
function drawn(width, height, value, [low, high], colour, label) {
  const canvas = make("canvas", { width, height, role: "img", "aria-label": label });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      image.data.set([...colour((value(i, j) - low) / (high - low || 1)), 255], 4 * (i * width + j));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The maps of a summary as canvases, on the scale of all of them or another one. */
function images(maps, gradient, most = Infinity, ends = maps?.ends) {
  if (!maps) return [];
  const [n, height, width] = maps.shape;
  const colour = gradient ? gradientColour : activationColour;
  return Array.from({ length: Math.min(n, most) }, (_, k) =>
    drawn(width, height, (i, j) => valueAt(maps, k, i, j), ends, colour, t("channel", { k })));
}

/** What the darkest and the lightest colour of the maps stand for. */
function scale(ends, gradient) {
  const bar = drawn(64, 1, (_, j) => j, [0, 63], gradient ? gradientColour : activationColour, "");
  bar.setAttribute("aria-hidden", "true");
  return make("div", { class: "scale note" }, short(ends[0]), bar, short(ends[1]));
}

/** A canvas with a drawing over it, in units of its pixels. */
function under(canvas) {
  const over = make("svg", { viewBox: `0 0 ${canvas.width} ${canvas.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  return make("div", { class: "map" }, canvas, over);
}

/** Mark parts of a map: each a class and the row, column, height and width. */
function mark(box, ...parts) {
  box.lastChild.replaceChildren(...parts.map(([kind, y, x, height, width]) => make("rect", { class: kind, x, y, width, height })));
}

/** A row of maps of one size, where pointer and arrow keys choose a pixel; `said` shows says(k, i, j). */
function probed(canvases, label, says, said = make("output", { class: "said note" })) {
  const [{ width, height }] = canvases;
  const boxes = canvases.map(under);
  const kind = height === 1 ? "maps row" : "maps";
  const row = make("div", { class: kind, tabindex: 0, role: "application", "aria-label": `${label}; ${t("probe")}` }, ...boxes);
  const within = (x, most) => Math.min(Math.max(x, 0), most - 1);
  let at = null;
  said.textContent = t("hint");
  const choose = (...asked) => {
    at = asked.map((x, n) => within(x, [boxes.length, height, width][n]));
    boxes.forEach((box, k) => mark(box, ...(k === at[0] ? [["pixel", at[1], at[2], 1, 1]] : [])));
    said.textContent = says(...at);
  };
  canvases.forEach((canvas, k) => {
    canvas.onpointermove = canvas.onpointerdown = ({ offsetX, offsetY }) =>
      choose(k, Math.floor((offsetY * height) / canvas.clientHeight), Math.floor((offsetX * width) / canvas.clientWidth));
  });
  row.onkeydown = (event) => {
    const moves = {
      ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], PageUp: [-1, 0, 0], PageDown: [1, 0, 0],
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // the arrow keys walk elsewhere
    choose(...(at ? at.map((x, n) => x + moves[event.key][n]) : [0, 0, 0]));
  };
  return { row, said, choose };
}

/** The image and its label as the net gets them, in colour where there are three channels. */
function photograph(net) {
  const planes = images(net.image?.maps, false);
  if (!planes.length) return [];
  const [canvas] = planes;
  if (planes.length === 3) {
    const [{ width, height }, pixels] = [canvas, planes.map((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height))];
    for (let i = 0; i < width * height; i++) for (let k = 1; k < 3; k++) pixels[0].data[4 * i + k] = pixels[k].data[4 * i + k];
    canvas.getContext("2d").putImageData(pixels[0], 0, 0);
  }
  canvas.setAttribute("aria-label", t("imageOf", { label: labelOf(net) }));
  const label = t("label", { label: labelOf(net) });
  return [make("figure", { class: "image" }, canvas, make("figcaption", {}, make("b", {}, t("image")), make("br"), label))];
}

const labelOf = (net) => net.classes[net.label];

// --- bars -----------------------------------------------------------------------------------

/** A bar for each class of a value from -1 to 1, the true class marked; of many, the likeliest ten. */
function bars(net, values) {
  const order = (k) => (k === net.label ? 2 : net.probabilities[k]);
  const classes = values.map((_, k) => k);
  if (classes.length > 10) classes.sort((a, b) => order(b) - order(a)).splice(10);
  const signed = values.some((value) => value < 0);
  const rows = classes.map((k) => {
    const width = (signed ? 50 : 100) * Math.abs(values[k]);
    const svg = make("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(make("rect", { x: signed ? 50 - (values[k] < 0 ? width : 0) : 0, y: 0, width, height: 10 }));
    if (signed) svg.append(make("line", { x1: 50, x2: 50, y1: 0, y2: 10 }));
    const name = make("th", { scope: "row" }, net.classes[k], ...(k === net.label ? [` ◀ ${t("isLabel")}`] : []));
    return make("tr", k === net.label ? { class: "true" } : {}, name, make("td", {}, svg), make("td", {}, short(values[k])));
  });
  return make("table", { class: "bars" }, ...rows);
}

function histogram(summary) {
  const svg = make("svg", { class: "histogram", viewBox: "0 0 320 50", preserveAspectRatio: "none", role: "img" });
  svg.append(make("title", {}, t("fromTo", { low: short(summary.low), high: short(summary.high) })));
  const most = Math.max(...summary.histogram, 1);
  summary.histogram.forEach((count, i) => {
    const height = (46 * count) / most;
    svg.append(make("rect", { x: i * 10 + 1, y: 48 - height, width: 8, height }));
  });
  svg.append(make("line", { x1: 0, x2: 320, y1: 48.5, y2: 48.5 }));
  const ends = [summary.low, summary.high].map((x) => make("span", {}, short(x)));
  return make("div", { class: "spread" }, svg, make("div", { class: "line note" }, ...ends));
}
