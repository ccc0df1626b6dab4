// --- feature maps ------------------------------------------------------------------------------

/** A canvas of so many pixels, each the colour of value(i, j) between the ends of a scale. */
const drawn = (width, height, value, ends, colour, label) =>
  paint(make("canvas", { role: "img", "aria-label": label }), width, height, value, ends, colour);

const colourOf = (gradient) => (gradient ? gradientColour : activationColour);

/** The maps of a summary as canvases, on the scale of all of them or another one. */
function images(maps, gradient, most = Infinity, ends = maps?.ends) {
  if (!maps) return [];
  const [n, height, width] = maps.shape;
  const colour = colourOf(gradient);
  return Array.from({ length: Math.min(n, most) }, (_, k) =>
    drawn(width, height, (i, j) => valueAt(maps, k, i, j), ends, colour, t("channel", { k })));
}

/** The image and its label as the net gets them, in colour where there are three channels. */
function originalImage(net) {
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
  return make("div", { class: "with-ends" }, svg, make("div", { class: "line note" }, ...ends));
}
