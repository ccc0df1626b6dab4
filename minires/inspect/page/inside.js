// --- inside an operation: kernels, windows, channels and the terms of a sum ----------------------

const heading = (key, fields) => make("h3", {}, t(key, fields));
const place = (k, i, j) => ({ k, i, j });

/** The maps that went into an operation; none where they were not recorded. */
function inputMaps(net, op, number = 0) {
  if (op === net.ops[0]) return net.image?.maps;
  return net.ops[op.inputs[number]]?.output.maps;
}

/** What a residual addition adds and the sum, channel by channel, on one scale. */
function addition(net, op) {
  const terms = [inputMaps(net, op, 0), inputMaps(net, op, 1), op.output.maps];
  if (!op.addition || terms.some((maps) => !maps || String(maps.shape) !== String(op.output.maps.shape))) return [];
  const ends = [Math.min(...terms.map((maps) => maps.ends[0])), Math.max(...terms.map((maps) => maps.ends[1]))];
  const says = (k, i, j) => {
    const [a, b, y] = terms.map((maps) => near(valueAt(maps, k, i, j), stepOf(maps)));
    return t("sumAt", { ...place(k, i, j), a, b, y });
  };
  const said = make("output", { class: "said note" });
  const rows = terms.flatMap((maps, n) => {
    const name = t(["termBranch", "termShortcut", "termSum"][n]);
    return [make("p", { class: "note" }, name), probed(images(maps, false, Infinity, ends), name, says, said).row];
  });
  return [heading("addition"), ...rows, scale(ends), said];
}

/** Kernels or their gradient as one image: a row for each output channel, a column for each input channel. */
function kernelImage(op, name) {
  const maps = op.inside[name];
  const [[kh, kw], [, height, width]] = [op.inside.kernel, maps.shape];
  const label = t(name === "w" ? "kernels" : "kernelGradients");
  const { row, said } = probed(images(maps, true), label, (_, i, j) => t("kernelAt", {
    o: Math.floor(i / kh), c: Math.floor(j / kw), u: i % kh, v: j % kw, value: near(valueAt(maps, 0, i, j), stepOf(maps)),
  }));
  row.className = "kernels";
  row.style.maxWidth = `${9 * width}px`;
  const lines = make("svg", { class: "lines", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (let y = kh; y < height; y += kh) lines.append(make("line", { x1: 0, x2: width, y1: y, y2: y }));
  for (let x = kw; x < width; x += kw) lines.append(make("line", { x1: x, x2: x, y1: 0, y2: height }));
  row.firstChild.insertBefore(lines, row.firstChild.lastChild);
  return make("figure", {}, make("figcaption", { class: "note" }, label), row, said, scale(maps.ends, gradientColour));
}

/** The kernels of a convolution, and on the way back their gradient beside them. */
function kernelsOf(op, names) {
  if (!(op.inside.kernel && op.inside.w)) return []; // the w of a batch norm is none
  const figures = names.filter((name) => op.inside[name]).map((name) => kernelImage(op, name));
  const [O, C] = op.input_shapes[1];
  const [kh, kw] = op.inside.kernel;
  const [, height, width] = op.inside.w.shape;
  return [heading("kernelsOf", { o: height / kh, c: width / kw, O, C }), make("div", { class: "pair" }, ...figures)];
}

/** Each channel of a batch norm in a row: of the input, of the output, and the parameters or their gradients. */
function channelsOf(op, names) {
  if (!op.inside.mean) return [];
  const columns = names.filter((name) => op.inside[name]);
  const head = ["channelHead", ...columns].map((name) => make("th", { scope: "col" }, t(name)));
  const rows = op.inside.mean.map((_, k) =>
    make("tr", {}, make("th", { scope: "row" }, String(k)), ...columns.map((name) => make("td", {}, short(op.inside[name][k])))));
  const all = { n: rows.length, all: op.shape[1] };
  return [heading("channelsOf", all), make("div", { class: "wide" }, make("table", { class: "channels" }, make("tr", {}, ...head), ...rows))];
}

/** Over a pixel of the output of a convolution or a max pooling: its window on the input, and what becomes of it. */
function windowOf(net, op) {
  const maps = op.inside.stride && inputMaps(net, op);
  if (!maps || String(maps.shape.slice(1)) !== String(op.input_shapes[0].slice(2))) return null;
  const boxes = images(maps, false, op.inside.winner ? Infinity : op.inside.w.shape[2] / op.inside.kernel[1]).map(under);
  const body = make("div", {});
  const show = (op.inside.winner ? pooled : convolved)(op, maps, boxes, body);
  const node = make("div", {}, heading(op.inside.winner ? "poolWindow" : "convWindow"), make("div", { class: "maps" }, ...boxes), body);
  return { node, show };
}

/** The row and the column where the window of an output pixel begins. */
const cornerOf = ({ inside: { stride, padding } }, i, j) => [i * stride[0] - padding[0], j * stride[1] - padding[1]];

function convolved(op, maps, boxes, body) {
  const [[kh, kw], { w }] = [op.inside.kernel, op.inside];
  const [, height, width] = maps.shape;
  const inMap = (i, j) => i >= 0 && j >= 0 && i < height && j < width;
  const rest = op.input_shapes[1][1] - boxes.length;
  const key = `windowSum${rest ? "Rest" : ""}${op.input_shapes[2] ? "Bias" : ""}`;
  return (o, i, j) => {
    const [top, left] = cornerOf(op, i, j);
    const x = boxes.map((_, c) => (u, v) => (inMap(top + u, left + v) ? valueAt(maps, c, top + u, left + v) : 0));
    const kernel = boxes.map((_, c) => (u, v) => valueAt(w, 0, o * kh + u, c * kw + v));
    const products = boxes.map((_, c) => (u, v) => x[c](u, v) * kernel[c](u, v));
    const taps = Array.from({ length: kh * kw }, (_, n) => [Math.floor(n / kw), n % kw]);
    const sums = products.map((product) => taps.reduce((sum, tap) => sum + product(...tap), 0));
    const most = Math.max(...products.flatMap((product) => taps.map((tap) => Math.abs(product(...tap))))) || 1;
    const row = (name, values, ends, colour) => [
      make("p", { class: "note" }, t(name)),
      make("div", { class: "maps" }, ...values.map((value, c) => drawn(kw, kh, value, ends, colour, t("channel", { k: c })))),
    ];
    boxes.forEach((box) => mark(box, ["window", top, left, kh, kw]));
    const total = sums.reduce((a, b) => a + b);
    body.replaceChildren(
      ...row("windowInput", x, maps.ends, activationColour),
      ...row("windowKernel", kernel, w.ends, gradientColour),
      ...row("windowProducts", products, [-most, most], gradientColour),
      make("div", { class: "maps sums" }, ...sums.map((sum) => make("span", {}, near(sum, most / 100)))),
      make("p", { class: "note" }, t(key, { sum: near(total, most / 100), rest, y: near(valueAt(op.output.maps, o, i, j), stepOf(op.output.maps)) })),
    );
  };
}

function pooled(op, maps, boxes, body) {
  const [kh, kw] = op.inside.kernel;
  return (k, i, j) => {
    const [top, left] = cornerOf(op, i, j);
    const tap = op.inside.winner[k][i][j];
    const [row, column] = [top + Math.floor(tap / kw), left + (tap % kw)];
    boxes.forEach((box, c) => mark(box, ...(c === k ? [["window", top, left, kh, kw], ["pixel", row, column, 1, 1]] : [])));
    body.replaceChildren(make("p", { class: "note" }, t("winnerAt", { i: row, j: column, value: near(valueAt(maps, k, row, column), stepOf(maps)) })));
  };
}
