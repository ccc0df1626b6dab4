// A number of every layer, on a logarithmic scale: both nets over the same depth, and the trace of
// the last seconds, so that vanishing and exploding is a movement.

import { choosable, make, powerOfTen, short, t } from "./shared.js";

const TRACE = 4000; // ms
const APART = 250; // ms between two lines of the trace, at least: each costs as much as the newest
const [LEFT, RIGHT, TOP, BOTTOM] = [40, 8, 8, 18];

export class LayerChart {
  /** `key` names its title in the texts. */
  constructor(key) {
    this.key = key;
    this.past = [[], []];
    this.canvas = make("canvas", {});
    this.output = make("output", { class: "said note", "data-text": "hintCurve" });
    this.title = make("h2", { "data-text": key });
    this.box = make("section", { class: "card layer-chart" }, this.title, this.canvas, this.output);
    this.place = null; // the layer that pointer or arrow keys have chosen, counted in the deeper net
    const moves = { ArrowLeft: [-1], ArrowRight: [1], Home: [-Infinity], End: [Infinity] };
    const { choose, again } = choosable(this.canvas, this.output, () => [this.deepest()], moves, (place) => this.numbersAt(place));
    this.again = again;
    this.canvas.onpointermove = this.canvas.onpointerdown = ({ offsetX }) =>
      choose(Math.round(((this.deepest() - 1) * (offsetX - LEFT)) / (this.width - LEFT - RIGHT)));
  }

  deepest() {
    return Math.max(...(this.layers ?? [[]]).map((net) => net.length), 1);
  }

  forget() {
    this.past = [[], []];
  }

  /** Add the numbers of both nets; the layers of each are named. */
  add(values, layers, names) {
    const now = performance.now();
    this.layers = layers;
    this.names = names;
    values.forEach((net, number) => {
      const past = this.past[number].filter((trace) => now - trace.time < TRACE);
      if (past.length > 1 && past.at(-1).time - past.at(-2).time < APART) past.pop();
      this.past[number] = [...past, { time: now, values: net }];
    });
    this.redraw();
  }

  /** Draw it again, in the size and the colours of now. */
  redraw() {
    if (!this.past[0].length) return;
    if (this.place === null) this.draw();
    else this.again();
  }

  range() {
    const logs = this.past.flat().flatMap(({ values }) => values.filter((v) => v > 0).map(Math.log10));
    if (!logs.length) return [-2, 0];
    const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
    return high - low < 2 ? [low - 1, high + (high === low)] : [Math.max(low, high - 16), high];
  }

  x(i, n) {
    return LEFT + ((this.width - LEFT - RIGHT) * i) / Math.max(n - 1, 1);
  }

  draw() {
    const now = this.past[0].at(-1).time; // the trace stays as it is while training pauses
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (!this.width) return;
    if (this.canvas.width !== Math.round(this.width * ratio)) {
      this.canvas.width = Math.round(this.width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, height);
    const [low, high] = this.range();
    const y = (value) => TOP + ((height - TOP - BOTTOM) * (high - Math.log10(value))) / (high - low);
    context.font = `11px ${colours.faint.fontFamily}`;
    context.textAlign = "right";
    const every = Math.ceil((high - low) / 5);
    for (let log = low; log <= high; log += every) {
      context.strokeStyle = colours.rule.color;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(LEFT, y(10 ** log));
      context.lineTo(this.width - RIGHT, y(10 ** log));
      context.stroke();
      context.fillStyle = colours.faint.color;
      context.fillText(powerOfTen(log), LEFT - 5, y(10 ** log) + 4);
    }
    context.textAlign = "left";
    context.fillText(t("firstLayer"), LEFT, height - 4);
    context.textAlign = "right";
    context.fillText(t("lastLayer"), this.width - RIGHT, height - 4);
    if (this.place !== null) {
      const x = this.x(this.place, this.deepest());
      context.fillStyle = colours.now.color;
      context.fillRect(x - 0.5, TOP, 1, height - TOP - BOTTOM);
    }
    this.past.forEach((traces, number) => {
      context.strokeStyle = context.fillStyle = colours[`net${number}`].color;
      traces.forEach((trace, k) => {
        const newest = k === traces.length - 1;
        context.globalAlpha = newest ? 1 : 0.22 * (1 - (now - trace.time) / TRACE);
        context.lineWidth = newest ? 2.2 : 1;
        this.line(context, trace.values, y);
        if (newest && trace.values.length < 60) this.dots(context, trace.values, y, number);
      });
      context.globalAlpha = 1;
    });
    const said = this.names.map((name, number) => {
      const values = this.past[number].at(-1).values;
      return t("layersSaid", { net: name, first: short(values[0]), last: short(values.at(-1)) });
    });
    this.canvas.setAttribute("aria-label", `${this.title.textContent}: ${[...said, t("hintCurve")].join("; ")}`);
  }

  line(context, values, y) {
    context.beginPath();
    let pen = false;
    values.forEach((value, i) => {
      if (value > 0) {
        const place = [this.x(i, values.length), y(value)];
        if (pen) context.lineTo(...place);
        else context.moveTo(...place);
      }
      pen = value > 0;
    });
    context.stroke();
  }

  /** Round for the first net and square for the second: not by colour alone. */
  dots(context, values, y, number) {
    values.forEach((value, i) => {
      if (!(value > 0)) return;
      const [px, py] = [this.x(i, values.length), y(value)];
      context.beginPath();
      if (number) context.rect(px - 2.3, py - 2.3, 4.6, 4.6);
      else context.arc(px, py, 2.6, 0, 7);
      context.fill();
    });
  }

  /** Mark a layer, and say its numbers. */
  numbersAt(place) {
    if (!this.past[0].length) return "";
    this.place = place;
    this.draw();
    const said = this.names.map((name, number) => {
      const { values } = this.past[number].at(-1);
      const i = Math.round((place * (values.length - 1)) / Math.max(this.deepest() - 1, 1));
      return `${name} ${this.layers[number][i]}: ${short(values[i])}`;
    });
    return said.join(" · ");
  }
}

/** Styles that have a colour of the palette, as it is now: light-dark() is not resolved in a custom property. */
const colours = Object.fromEntries(
  ["rule", "faint", "now", "net0", "net1"].map((name) => {
    const probe = make("span", { hidden: "" });
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    return [name, getComputedStyle(probe)];
  }),
);
