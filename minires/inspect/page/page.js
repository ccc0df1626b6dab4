"use strict";
// The walk through one training step. Everything drawn here was computed by minires and lies in
// the element #data: for each net its operations, in the order they ran, and for each moment of
// the walk which operation of each net is at work.

const data = JSON.parse(document.getElementById("data").textContent);
const { nets, walk, kinds } = data;
const byId = (id) => document.getElementById(id);

/** An element with attributes and children; in the namespace of SVG for its tags. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "rect", "text", "line", "polyline", "title"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A number with three digits. */
function short(x) {
  if (x === null) return "not a number";
  if (x === 0) return "0";
  const size = Math.abs(x);
  return size >= 0.01 && size < 10000 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
}

const sizes = (shape) => shape.join(" × ") || "one number";

// --- colours ---------------------------------------------------------------------------------

const rgb = (stops) => (t) => {
  // Between stops whose lightness only rises, so that the order shows in grey as well.
  const at = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  return stops[i].map((v, k) => Math.round(v + (at - i) * (stops[i + 1][k] - v)));
};
const activationColour = rgb([[18, 18, 24], [250, 250, 248]]);
const gradientColour = rgb([[12, 26, 92], [62, 84, 150], [136, 136, 138], [226, 186, 84], [255, 244, 190]]);
const normColour = rgb([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]);

// --- images --------------------------------------------------------------------------------

/** The maps of a summary as canvases. */
function images(summary, gradient, most = Infinity) {
  if (!summary || !summary.maps) return [];
  const [n, height, width] = summary.maps.shape;
  const bytes = Uint8Array.from(atob(summary.maps.data), (c) => c.charCodeAt(0));
  const colour = gradient ? gradientColour : activationColour;
  return Array.from({ length: Math.min(n, most) }, (_, k) => {
    const canvas = make("canvas", { width, height, role: "img" });
    canvas.setAttribute("aria-label", `channel ${k}`);
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      image.data.set([...colour(bytes[k * width * height + i] / 255), 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  });
}

/** The image and its label as the net gets them, in colour where there are three channels. */
function photograph(net) {
  const planes = images(net.image, false);
  if (!planes.length) return [];
  const [canvas] = planes;
  if (planes.length === 3) {
    const [{ width, height }, pixels] = [canvas, planes.map((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height))];
    for (let i = 0; i < width * height; i++) for (let k = 1; k < 3; k++) pixels[0].data[4 * i + k] = pixels[k].data[4 * i + k];
    canvas.getContext("2d").putImageData(pixels[0], 0, 0);
  }
  canvas.setAttribute("aria-label", `image labelled ${labelOf(net)}`);
  return [make("figure", { class: "image" }, canvas, make("figcaption", {}, make("b", {}, "image"), make("br"), `label: ${labelOf(net)}`))];
}

const labelOf = (net) => net.classes[net.label];

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
    const name = make("th", { scope: "row" }, net.classes[k], ...(k === net.label ? [" ◀ label"] : []));
    return make("tr", k === net.label ? { class: "true" } : {}, name, make("td", {}, svg), make("td", {}, short(values[k])));
  });
  return make("table", { class: "bars" }, ...rows);
}

/** What the darkest and the lightest colour of the maps stand for. */
function scale({ maps: { ends } }, gradient) {
  const bar = make("canvas", { width: 64, height: 1, "aria-hidden": "true" });
  const context = bar.getContext("2d");
  for (let i = 0; i < 64; i++) {
    context.fillStyle = `rgb(${(gradient ? gradientColour : activationColour)(i / 63)})`;
    context.fillRect(i, 0, 1, 1);
  }
  return make("div", { class: "scale note" }, short(ends[0]), bar, short(ends[1]));
}

function histogram(summary) {
  const svg = make("svg", { class: "histogram", viewBox: "0 0 320 50", preserveAspectRatio: "none", role: "img" });
  svg.append(make("title", {}, `from ${short(summary.low)} to ${short(summary.high)}`));
  const most = Math.max(...summary.histogram, 1);
  summary.histogram.forEach((count, i) => {
    const height = (46 * count) / most;
    svg.append(make("rect", { x: i * 10 + 1, y: 48 - height, width: 8, height }));
  });
  svg.append(make("line", { x1: 0, x2: 320, y1: 48.5, y2: 48.5 }));
  const ends = [summary.low, summary.high].map((x) => make("span", {}, short(x)));
  return make("div", { class: "spread" }, svg, make("div", { class: "line note" }, ...ends));
}

// --- the graph: one button an operation, blocks that open and close ---------------------------

class Graph {
  constructor(net, number, goTo) {
    this.net = net;
    this.box = make("div", { class: "graph", "aria-label": `operations of ${net.name}` });
    this.arcs = make("svg", { "aria-hidden": "true" });
    this.box.append(this.arcs, ...photograph(net));
    this.rows = net.ops.map((op, i) => {
      const name = make("span", {}, op.name);
      const where = make("small", {}, op.path);
      const row = make("button", { class: "op", title: `${op.name} ${op.path}` }, make("span", { class: "dot" }), name, where);
      row.onclick = () => goTo(number, i);
      return row;
    });
    this.blocks = [];
    let block = null;
    net.ops.forEach((op, i) => {
      if (!op.block) {
        block = null;
        this.box.append(this.rows[i]);
      } else {
        if (!block || block.name !== op.block) this.blocks.push((block = this.newBlock(op.block, i)));
        block.inside.append(this.rows[i]);
        block.last = i;
        this.rows[i].querySelector("small").textContent = op.path.slice(op.block.length + 1);
      }
    });
    new ResizeObserver(() => this.drawArcs()).observe(this.box);
  }

  newBlock(name, first) {
    const dot = make("span", { class: "dot" });
    const shape = make("small", {}, sizes(this.net.ops[first].shape.slice(1)));
    const fold = make("button", { class: "fold", "aria-expanded": "false" }, dot, name, shape);
    const inside = make("div", { class: "inside", hidden: "" });
    const box = make("div", { class: "block" }, fold, inside);
    const block = { name, first, last: first, fold, inside, box, dot };
    fold.onclick = () => this.open(block, inside.hidden);
    this.box.append(box);
    return block;
  }

  open(block, opened) {
    block.inside.hidden = !opened;
    block.fold.setAttribute("aria-expanded", String(opened));
    this.drawArcs();
  }

  /** The row of an operation, or its block's where that is closed. */
  shown(i) {
    const block = this.blocks.find((b) => b.first <= i && i <= b.last);
    return block && block.inside.hidden ? block.fold : this.rows[i];
  }

  /** A shortcut is an arc past the operations that it skips, or past the closed block that they are in. */
  drawArcs() {
    const height = (row, share) => {
      const { top, height } = row.getBoundingClientRect();
      return top + share * height - this.box.getBoundingClientRect().top + this.box.scrollTop;
    };
    this.arcs.style.height = `${this.box.scrollHeight}px`;
    const drawn = [];
    this.net.ops.forEach((op, i) => {
      for (const from of op.inputs) {
        if (from === null || from === i - 1) continue;
        const [first, last] = [this.shown(from), this.shown(i)];
        if (first === last) continue; // both in one closed block
        const closed = last !== this.rows[i];
        const [a, b] = closed ? [height(last, 0), height(last, 1)] : [height(first, 0.5), height(last, 0.5)];
        const path = make("path", { d: `M24 ${a} C 4 ${a + 6}, 4 ${b - 6}, 24 ${b}` });
        if (i === this.current) path.classList.add("now");
        drawn.push(path);
      }
    });
    this.arcs.replaceChildren(...drawn);
  }

  /** Show where the walk is, and colour what it has visited on the way back. */
  show(i, visited, colourOf) {
    this.rows[this.current]?.removeAttribute("aria-current");
    this.current = i;
    const paint = (dot, k) => {
      const colour = visited(k) && colourOf(k);
      dot.style.backgroundColor = colour ? `rgb(${colour})` : "";
    };
    this.rows.forEach((row, k) => paint(row.firstChild, k));
    for (const block of this.blocks) {
      const here = block.first <= i && i <= block.last;
      block.box.classList.toggle("now", here);
      paint(block.dot, block.last);
      if (here && block.inside.hidden) {
        if (this.opened && this.opened !== block) this.open(this.opened, false);
        this.opened = block; // the one that the walk opened, and closes again
        this.open(block, true);
      }
    }
    this.rows[i].setAttribute("aria-current", "step");
    const row = this.rows[i].getBoundingClientRect();
    const box = this.box.getBoundingClientRect();
    if (row.top < box.top + 30 || row.bottom > box.bottom - 30) {
      this.box.scrollTop += row.top - box.top - box.height / 2;
    }
    this.drawArcs();
  }
}

// --- the card of the current operation ---------------------------------------------------------

function rowsOf(cells) {
  return make("table", {}, ...cells.map((row) => make("tr", {}, ...row.map((cell, i) => make(i ? "td" : "th", {}, cell)))));
}

/** At a residual addition: the gradient that comes in, and the same one going down both branches. */
function fork(op) {
  const branches = make("svg", { class: "branches", viewBox: "0 0 200 26", preserveAspectRatio: "none" });
  branches.append(make("path", { d: "M100 0 C 100 16, 50 8, 50 26" }), make("path", { d: "M100 0 C 100 16, 150 8, 150 26" }));
  const stem = make("div", { class: "stem" }, ...images(op.gradient, true, 1), `‖gy‖ = ${short(op.gradient.norm)}`);
  const figures = op.input_gradients.map((g) =>
    make("figure", {}, ...images(op.gradient, true, 1),
      make("figcaption", {}, `to ${g.label}${g.added ? ", where it is added" : ""}, norm ${short(g.norm)}`)));
  return make("div", { class: "fork" }, stem, branches, ...figures);
}

// Each side of the walk has words (code) and numbers (shapes, norms, images).

function forwardCard(net, op, kind) {
  const inputs = op.input_shapes.map((shape, i) => [kind.inputs[i], shape ? sizes(shape) : "left out"]);
  const words = [make("h3", {}, "forward"), make("pre", {}, kind.forward)];
  const numbers = [
    ...(op.name === "CrossEntropy" ? [make("h3", {}, "softmax: the probability of each class"), bars(net, net.probabilities)] : []),
    make("h3", {}, "shapes"),
    rowsOf([...inputs, ["output", sizes(op.shape)]]),
    ...body(op.output, false, op.shape.length === 4 ? "feature maps of the output" : "output"),
  ];
  return [words, numbers];
}

function backwardCard(net, op, kind) {
  if (!op.gradient) return [[make("p", { class: "note" }, "No gradient came this way.")], []];
  const handed = op.input_gradients.map((g) => [
    `g${g.name}`, `norm ${short(g.norm)}`, `to ${g.label}${g.added ? ", added to what is there" : ""}`,
  ]);
  const adds = op.input_gradients.length === 2 && op.addition;
  const words = [
    make("h3", {}, `backward, in ${(1000 * op.seconds).toPrecision(2)} ms`),
    make("pre", {}, kind.backward),
    ...(adds ? [make("h3", {}, "an addition copies its gradient down both branches"), fork(op)] : []),
  ];
  const numbers = [
    ...(op.name === "CrossEntropy" ? [
      make("h3", {}, "softmax − target: N times the gradient of the logits"),
      bars(net, net.probabilities.map((p, k) => p - (k === net.label))),
    ] : []),
    make("h3", {}, "gradients"),
    rowsOf([
      ["gy", sizes(op.shape), `norm ${short(op.gradient.norm)}`],
      ...(net.adds ? Object.entries(op.alone).map(([left, norm]) => ["", `through the ${left} only`, `norm ${short(norm)}`]) : []),
      ...handed,
    ]),
    ...body(op.gradient, true, "gradient that came in"),
  ];
  return [words, numbers];
}

function body(summary, gradient, title) {
  const maps = images(summary, gradient);
  const flat = summary.maps && summary.maps.shape[1] === 1;
  return [
    ...(maps.length ? [make("h3", {}, title), make("div", { class: flat ? "maps row" : "maps" }, ...maps), scale(summary, gradient)] : []),
    make("h3", {}, `values: mean ${short(summary.mean)}, standard deviation ${short(summary.std)}`),
    histogram(summary),
  ];
}

function drawCard(card, net, i, phase, waits) {
  const op = net.ops[i];
  const kind = kinds[op.name];
  card.classList.toggle("waits", waits);
  const [words, numbers] = (phase === "forward" ? forwardCard : backwardCard)(net, op, kind);
  card.replaceChildren(
    make("div", { class: "title" }, make("b", {}, op.name), make("span", {}, op.path), make("span", {}, op.line)),
    ...(waits ? [make("p", { class: "note" }, "waits: the other net has an operation here that this one has not")] : []),
    make("div", { class: "sides" },
      make("div", {}, make("h3", {}, "formula"), make("pre", { class: "formula" }, kind.formula), ...words),
      make("div", {}, ...numbers)),
  );
  for (const code of card.querySelectorAll("pre")) {
    if (code.scrollWidth <= code.clientWidth) continue;
    for (const [name, value] of [["tabindex", 0], ["role", "region"], ["aria-label", "code, wider than its box"]]) code.setAttribute(name, value);
  }
}

// --- the chart: a curve a net, growing as the walk goes on --------------------------------------

const chart = {
  width: 1000, height: 130, left: 46, bottom: 18, top: 8,

  value(op, phase, through = byId("through").value) {
    if (phase === "forward") return op.output.std;
    return op.gradient && (through === "both" ? op.gradient.norm : op.alone[through]);
  },

  /** The powers of ten that hold all values, those through the branch or the shortcut only as well. */
  range(phase) {
    const all = (op) => ["both", "branch", "shortcut"].map((through) => Math.log10(this.value(op, phase, through)));
    const logs = nets.flatMap((net) => net.ops.flatMap(all)).filter(Number.isFinite);
    const [low, high] = logs.length ? [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))] : [-1, 0];
    return [low, Math.max(high, low + 1)];
  },

  /** The place of a moment of the way forward; operations that nets share are at the same place. */
  x(moment) {
    return this.left + ((this.width - this.left - 8) * moment) / Math.max(firstBackward - 1, 1);
  },

  draw(moment, reached) {
    const { phase } = walk[moment];
    const svg = byId("chart");
    this.width = Math.max(svg.clientWidth, 300);
    svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    const [low, high] = this.range(phase);
    const room = this.height - this.top - this.bottom;
    const y = (log) => this.top + (room * (high - log)) / (high - low);
    const drawn = [];
    const every = Math.ceil((high - low) / 4);
    for (let log = low; log <= high; log += every) {
      drawn.push(make("line", { class: "grid", x1: this.left, x2: this.width, y1: y(log), y2: y(log) }));
      drawn.push(make("text", { x: this.left - 6, y: y(log) + 4, "text-anchor": "end" }, log >= -2 && log <= 3 ? String(10 ** log) : `1e${log}`));
    }
    nets.forEach((net, number) => {
      const points = net.ops
        .map((op, i) => [this.x(forwardMoment[number][i]), y(Math.log10(this.value(op, phase))), i])
        .filter(([, py, i]) => Number.isFinite(py) && reached(number, i));
      drawn.push(make("polyline", { class: `net${number}`, points: points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ") }));
    });
    const x = this.x(phase === "forward" ? moment : walk.length - 1 - moment);
    drawn.push(make("line", { class: "cursor", x1: x, x2: x, y1: this.top, y2: this.height - this.bottom }));
    drawn.push(make("text", { x: this.left, y: this.height - 4 }, "image"));
    drawn.push(make("text", { x: this.width - 4, y: this.height - 4, "text-anchor": "end" }, "loss"));
    svg.replaceChildren(...drawn);
    const through = { both: "", branch: " through the branch only", shortcut: " through the shortcut only" }[byId("through").value];
    byId("chart-title").textContent = phase === "forward" ? "Standard deviation of the outputs, operation by operation" : `Norm of the gradient${through}, operation by operation`;
  },
};

// --- the walk -----------------------------------------------------------------------------------

let now = 0;
let timer = null;
const cards = [];
const graphs = [];
const firstBackward = walk.findIndex((moment) => moment.phase === "backward");
const forwardMoment = nets.map((_, number) => {
  const moments = [];
  for (let k = 0; k < firstBackward; k++) if (walk[k].at[number] !== null) moments[walk[k].at[number]] = k;
  return moments;
});

/** Where each net is at a moment: its own operation, or the one it has last come to. */
function placeOf(number, moment) {
  for (let k = moment; k >= 0; k--) {
    const i = walk[k].at[number];
    if (i !== null) return { i, waits: k !== moment };
  }
  return { i: 0, waits: true };
}

/** Whether a net has come to an operation in the current phase. */
function reachedAt(moment) {
  const { phase } = walk[moment];
  const places = nets.map((_, number) => placeOf(number, moment).i);
  return (number, i) => (phase === "forward" ? i <= places[number] : i >= places[number]);
}

function show(moment, address = true) {
  now = Math.min(Math.max(moment, 0), walk.length - 1);
  const { phase } = walk[now];
  const places = nets.map((_, number) => placeOf(number, now));
  const reached = reachedAt(now);
  const [low, high] = chart.range("backward");
  nets.forEach((net, number) => {
    const { i, waits } = places[number];
    drawCard(cards[number], net, i, phase, waits);
    const colourOf = (k) => {
      const norm = chart.value(net.ops[k], "backward"); // where no gradient comes, the dot is empty
      return phase === "forward" ? "140,140,145" : norm && normColour((Math.log10(norm) - low) / (high - low));
    };
    graphs[number].show(i, (k) => reached(number, k), colourOf);
  });
  chart.draw(now, reached);
  const slider = byId("slider");
  const said = nets.map((net, number) => `${nets.length > 1 ? net.name + ": " : ""}${net.ops[places[number].i].name} ${net.ops[places[number].i].path}`);
  slider.value = now;
  const text = `${phase}, step ${now + 1} of ${walk.length} · ${said.join(" · ")}`;
  slider.setAttribute("aria-valuetext", text);
  byId("where").textContent = text;
  if (address) {
    try {
      const through = byId("through").value;
      history.replaceState(null, "", `#step-${now + 1}${through === "both" ? "" : `-${through}`}`);
    } catch {
      // A page inside a notebook has no address of its own.
    }
  }
}

function fromAddress() {
  const found = /^#step-(\d+)(?:-(branch|shortcut))?$/.exec(location.hash);
  byId("through").value = (adding && found && found[2]) || "both";
  return found ? Number(found[1]) - 1 : 0;
}

function pause() {
  clearInterval(timer);
  timer = null;
  byId("play").textContent = "▶ play";
  byId("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (now === walk.length - 1) show(0);
  byId("play").textContent = "❚❚ pause";
  byId("play").setAttribute("aria-pressed", "true");
  timer = setInterval(() => (now < walk.length - 1 ? show(now + 1) : pause()), 1000 / Number(byId("speed").value));
}

function step(by) {
  pause();
  show(now + by);
}

function goTo(number, i) {
  pause();
  const { phase } = walk[now];
  show(walk.findIndex((moment) => moment.phase === phase && moment.at[number] === i));
}

/** The next moment at which a net is at a residual addition. */
function nextAddition() {
  pause();
  const adds = (moment) => moment.at.some((i, number) => i !== null && nets[number].ops[i].addition);
  const found = walk.findIndex((moment, k) => k > now && adds(moment));
  if (found >= 0) show(found);
}

// --- everything put together ----------------------------------------------------------------------

nets.forEach((net) => (net.adds = net.ops.some((op) => op.addition)));
const adding = nets.some((net) => net.adds);
nets.forEach((net, number) => {
  const graph = new Graph(net, number, goTo);
  const card = make("article", { class: "op-card", "aria-label": `operation of ${net.name}` });
  graphs.push(graph);
  cards.push(card);
  byId("nets").append(make("section", { class: "net", "data-number": number }, make("h2", {}, `${net.name}: loss ${short(net.loss)}`), graph.box, card));
  byId("legend").append(make("span", {}, make("i", { class: `net${number}` }), net.name));
});
byId("nets").classList.toggle("two", nets.length > 1);
byId("slider").max = walk.length - 1;

byId("first").onclick = () => step(-walk.length);
byId("previous").onclick = () => step(-1);
byId("next").onclick = () => step(1);
byId("last").onclick = () => step(walk.length);
byId("addition").onclick = nextAddition;
byId("addition").hidden = byId("through").parentNode.hidden = !adding;
byId("through").onchange = () => show(now);
byId("play").onclick = () => (timer ? pause() : play());
byId("speed").onchange = () => timer && (pause(), play());
byId("slider").oninput = (event) => step(Number(event.target.value) - now);
byId("chart").onclick = (event) => {
  const box = byId("chart").getBoundingClientRect();
  const share = (event.clientX - box.left - chart.left) / (box.width - chart.left - 8);
  const moment = Math.min(Math.max(Math.round(share * (firstBackward - 1)), 0), firstBackward - 1);
  pause();
  show(walk[now].phase === "forward" ? moment : walk.length - 1 - moment);
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "PRE"].includes(event.target.tagName)) return;
  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => step(-walk.length), End: () => step(walk.length), j: nextAddition,
  };
  if (event.target.tagName !== "BUTTON") keys[" "] = () => byId("play").click();
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});
window.addEventListener("hashchange", () => show(fromAddress(), false));
window.addEventListener("resize", () => show(now, false));

const themes = ["system", "light", "dark"];
byId("theme").onclick = () => {
  const label = byId("theme").querySelector("span");
  const theme = themes[(themes.indexOf(label.textContent) + 1) % themes.length];
  label.textContent = theme;
  document.documentElement.dataset.theme = theme;
};

show(fromAddress(), false);
