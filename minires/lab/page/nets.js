// The two nets: their blocks with feature maps and shortcuts, and surgery on the block chosen.

import { send } from "./link.js";
import { netSettings } from "./settings.js";
import { byId, make, paint, probed, scale, short, t, valueAt, valueSaid } from "./shared.js";

const FACTORS = [-1, 0, 0.1, 0.5, 1, 2];

export class Net {
  /** The panel of a net of a scene. */
  constructor(number, scene) {
    this.number = number;
    this.name = scene.config.nets[number].net;
    this.layers = scene.layers[number];
    this.paths = ["conv1", ...scene.blocks[number], "fc"];
    this.edits = [];
    this.maps = [];
    this.settings = netSettings(number, scene);
    this.ended = make("p", { class: "ended" });
    this.cells = this.paths.map((path) => this.cell(path));
    this.chosen = make("div", { class: "chosen" });
    const blocks = make("div", { class: "blocks", role: "group", "aria-label": t("blocks", { net: this.name }) }, ...this.cells.map((c) => c.box));
    const title = make("h2", {}, make("i", { class: `net${number}` }), this.name);
    this.box = make("section", { class: "card", "data-net": number }, title, this.settings.box, this.ended, blocks, this.chosen);
    this.choose(this.paths[1]);
  }

  operate(kind, path, value = 1) {
    send("operate", { net: this.number, kind, path, value });
  }

  cell(path) {
    const canvas = make("canvas", { width: 8, height: 8, "aria-hidden": "true" });
    const badge = make("span", { class: "badge" });
    const body = make("button", { class: "body", type: "button", title: path, "aria-label": path, "aria-pressed": "false" }, path === "fc" ? make("small", {}, "fc") : canvas, badge);
    body.onclick = () => this.choose(path);
    const box = make("div", { class: "block" }, body);
    const cell = { path, box, body, canvas, badge };
    if (path.includes(".")) {
      const svg = make("svg", { viewBox: "0 0 43 17", "aria-hidden": "true", width: 43, height: 17 }, make("path", { d: "M1 16 C 6 -2, 37 -2, 42 16" }));
      cell.arc = make("button", { class: "arc", type: "button" }, svg);
      cell.arc.onclick = () => this.operate("shortcut", path, this.edit(path).shortcut ? 0 : 1);
      box.prepend(cell.arc);
    }
    return cell;
  }

  /** What surgery has left in a block. */
  edit(path) {
    return this.edits[this.paths.indexOf(path) - 1] ?? { shortcut: false, branch: 1, frozen: false };
  }

  /** Show a block and what can be done to it. */
  choose(path) {
    this.path = path;
    for (const cell of this.cells) cell.body.setAttribute("aria-pressed", String(cell.path === path));
    this.probe = null;
    this.features = make("div", {});
    const parts = [make("h3", {}, t("chosen", { path })), this.features];
    if (path.includes(".")) parts.push(this.blockActions(path));
    const layers = this.layers.filter((layer) => layer === path || layer.startsWith(`${path}.`));
    parts.push(make("div", { class: "actions" }, ...layers.flatMap((layer) => this.layerActions(layer))));
    this.chosen.replaceChildren(...parts);
    this.showMaps();
    this.showEdits();
  }

  blockActions(path) {
    const button = (key) => make("button", { type: "button", "aria-pressed": "false" }, t(key));
    this.cut = button("cut");
    this.cut.onclick = () => this.operate("shortcut", path, this.edit(path).shortcut ? 0 : 1);
    this.freeze = button("freeze");
    this.freeze.onclick = () => this.operate("freeze", path, this.edit(path).frozen ? 0 : 1);
    this.branch = make("select", {}, ...FACTORS.map((f) => make("option", { value: f }, `× ${f}`)));
    this.branch.onchange = () => this.operate("branch", path, Number(this.branch.value));
    return make("div", { class: "actions" }, this.cut, make("label", {}, `${t("branch")} `, this.branch), this.freeze);
  }

  layerActions(layer) {
    const button = (key, kind) => {
      const made = make("button", { type: "button", title: t(`${key}Title`) }, t(key));
      made.setAttribute("aria-label", `${layer}: ${t(key)}`);
      made.onclick = () => this.operate(kind, layer);
      return made;
    };
    return [make("span", { class: "note" }, layer.split(".").at(-1)), button("newWeights", "init"), button("noGradient", "zero")];
  }

  /** Show where the net stands. */
  frame(frame) {
    this.edits = frame.edits;
    this.ended.textContent = frame.ended ? t("ended", { reason: frame.ended }) : "";
    this.settings.rates(frame.lr, frame.momentum);
    this.showEdits();
  }

  showEdits() {
    for (const cell of this.cells) {
      if (!cell.arc) continue;
      const edit = this.edit(cell.path);
      const [pressed, title] = [String(edit.shortcut), t(edit.shortcut ? "cutOf" : "putOf", { path: cell.path })];
      if (cell.arc.title !== title || cell.arc.getAttribute("aria-pressed") !== pressed) {
        cell.arc.setAttribute("aria-pressed", pressed);
        cell.arc.setAttribute("aria-label", t("shortcutOf", { path: cell.path }));
        cell.arc.title = title;
      }
      cell.badge.textContent = `${edit.frozen ? "❄" : ""}${edit.branch === 1 ? "" : `×${short(edit.branch)}`}`;
    }
    if (!this.path.includes(".")) return;
    const edit = this.edit(this.path);
    this.cut.textContent = t(edit.shortcut ? "cut" : "put");
    this.cut.setAttribute("aria-pressed", String(!edit.shortcut));
    this.freeze.textContent = t(edit.frozen ? "thaw" : "freeze");
    this.freeze.setAttribute("aria-pressed", String(edit.frozen));
    if (document.activeElement !== this.branch) this.branch.value = edit.branch;
  }

  look({ maps }) {
    this.maps = maps;
    this.cells.slice(0, maps.length).forEach(({ canvas }, k) => paintFour(canvas, maps[k]));
    this.showMaps();
  }

  showMaps() {
    const maps = this.maps[this.paths.indexOf(this.path)];
    if (!maps) return;
    const [n, height, width] = maps.shape;
    const label = (number) => t("map", { number, path: this.path });
    this.canvases = this.probe ? this.canvases : Array.from({ length: n }, (_, k) => make("canvas", { role: "img", "aria-label": label(k) }));
    this.canvases.forEach((canvas, k) => paint(canvas, width, height, (i, j) => valueAt(maps, k, i, j), maps.ends));
    this.probe ??= probed(this.canvases, this.path, (...at) => valueSaid(this.maps[this.paths.indexOf(this.path)], ...at));
    this.features.replaceChildren(this.probe.row, scale(maps.ends), this.probe.said);
    this.probe.again();
  }
}

/** The first four of some maps in one canvas. */
function paintFour(canvas, maps) {
  const [, height, width] = maps.shape;
  const value = (i, j) => valueAt(maps, 2 * (i >= height) + (j >= width), i % height, j % width);
  paint(canvas, 2 * width, 2 * height, value, maps.ends);
}

/** Panels of both nets. */
export function makeNets(scene) {
  const nets = [0, 1].map((number) => new Net(number, scene));
  byId("nets").replaceChildren(...nets.map((net) => net.box));
  return nets;
}
