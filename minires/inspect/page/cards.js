// --- the card of the current operation ---------------------------------------------------------

/** At a residual addition: the gradient that comes in, and the same one going down both branches. */
function fork(op) {
  const branches = make("svg", { class: "branches", viewBox: "0 0 200 26", preserveAspectRatio: "none" });
  branches.append(make("path", { d: "M100 0 C 100 16, 50 8, 50 26" }), make("path", { d: "M100 0 C 100 16, 150 8, 150 26" }));
  const one = () => images(op.gradient.maps, true, 1);
  const stem = make("div", { class: "stem" }, ...one(), `‖gy‖ = ${short(op.gradient.norm)}`);
  const figures = op.input_gradients.map((g) =>
    make("figure", {}, ...one(), make("figcaption", {}, t(g.added ? "forkAdded" : "forkTo", { to: g.label, norm: short(g.norm) }))));
  return make("div", { class: "fork" }, stem, branches, ...figures);
}

// Each side of the walk has words (code) and numbers (shapes, norms, images).

function forwardCard(net, op, kind) {
  const inputs = op.input_shapes.map((shape, i) => [kind.inputs[i], shape ? sizes(shape) : t("leftOut")]);
  const sum = addition(net, op);
  const words = [heading("forward"), make("pre", {}, kind.forward)];
  const over = windowOf(net, op);
  const numbers = [
    ...(op.name === "CrossEntropy" ? [heading("softmax"), bars(net, net.probabilities)] : []),
    heading("shapes"),
    rowsOf([...inputs, [t("output"), sizes(op.shape)]]),
    ...(sum.length ? sum : featureMaps(op.output, false, t(op.shape.length === 4 ? "mapsOf" : "output"), over)),
    ...(over ? [over.node] : []),
    ...kernelsOf(op, ["w"]),
    ...channelsOf(op, ["mean", "std", "w", "b", "mean after", "std after"]),
    ...values(op.output),
  ];
  return [words, numbers];
}

function backwardCard(net, op, kind) {
  if (!op.gradient) return [[make("p", { class: "note" }, t("noGradient"))], []];
  const handed = op.input_gradients.map((g) =>
    [`g${g.name}`, t("norm", { norm: short(g.norm) }), t(g.added ? "toAdded" : "to", { to: g.label })]);
  const adds = op.input_gradients.length === 2 && op.addition;
  const words = [
    heading("backwardIn", { ms: (1000 * op.seconds).toPrecision(2) }),
    make("pre", {}, kind.backward),
    ...(adds ? [heading("copies"), fork(op)] : []),
  ];
  const alone = Object.entries(op.alone).map(([left, norm]) => ["", t(`${left}Alone`), t("norm", { norm: short(norm) })]);
  const numbers = [
    ...(op.name === "CrossEntropy" ? [heading("softmaxLess"), bars(net, net.probabilities.map((p, k) => p - (k === net.label)))] : []),
    heading("gradients"),
    rowsOf([["gy", sizes(op.shape), t("norm", { norm: short(op.gradient.norm) })], ...(net.adds ? alone : []), ...handed]),
    ...factorOf(net, op),
    ...featureMaps(op.gradient, true, t("gradientIn")),
    ...kernelsOf(op, ["w", "gw"]),
    ...channelsOf(op, ["w", "b", "gw", "gb"]),
    ...values(op.gradient),
  ];
  return [words, numbers];
}

/** Choices of what the gradients that an operation hands on are multiplied by, where a page offers them. */
function factorOf(net, op) {
  const number = nets.indexOf(net);
  const given = factors[number]?.[net.ops.indexOf(op)];
  if (!given) return [];
  const [name, factor] = given;
  const buttons = [...new Set([0, 0.5, 1, 2, -1, factor])].map((value) => {
    const button = make("button", { type: "button", "aria-pressed": String(value === factor) }, `× ${value}`.replace("-", "−"));
    button.onclick = () => document.dispatchEvent(new CustomEvent("factor", { detail: { net: number, path: name, value } }));
    return button;
  });
  return [make("div", { class: "factor", role: "group", "aria-label": t("factor") }, make("span", { class: "note" }, t("factor")), ...buttons)];
}

/** The maps of an output or a gradient; over the chosen pixel of an output, its window. */
function featureMaps({ maps }, gradient, title, over = null) {
  if (!maps) return [];
  const { row, said, choose } = probed(images(maps, gradient), title, (k, i, j) => {
    over?.show(k, i, j);
    return valueSaid(maps, k, i, j);
  });
  if (over) choose(0, maps.shape[1] >> 1, maps.shape[2] >> 1);
  return [make("h3", {}, title), row, scale(maps.ends, colourOf(gradient)), said];
}

const values = (summary) => [heading("values", { mean: short(summary.mean), std: short(summary.std) }), histogram(summary)];

function drawCard(card, net, i, phase, waits) {
  const op = net.ops[i];
  const kind = kinds[op.name];
  card.classList.toggle("waits", waits);
  const [words, numbers] = (phase === "forward" ? forwardCard : backwardCard)(net, op, kind);
  card.replaceChildren(
    make("div", { class: "title" }, make("b", {}, op.name), make("span", {}, op.path), make("span", {}, op.line)),
    ...(waits ? [make("p", { class: "note" }, t("waits"))] : []),
    make("div", { class: "sides" },
      make("div", {}, heading("formula"), make("pre", { class: "formula" }, kind.formula), ...words),
      make("div", {}, ...numbers)),
  );
  for (const code of card.querySelectorAll("pre")) {
    if (code.scrollWidth <= code.clientWidth) continue;
    for (const [name, value] of [["tabindex", 0], ["role", "group"], ["aria-label", t("wideCode")]]) code.setAttribute(name, value);
  }
}
