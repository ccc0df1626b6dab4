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
      drawn.push(make("text", { x: this.left - 6, y: y(log) + 4, "text-anchor": "end" }, powerOfTen(log)));
    }
    nets.forEach((net, number) => {
      const points = net.ops
        .map((op, i) => [this.x(forwardMoment[number][i]), y(Math.log10(this.value(op, phase))), i])
        .filter(([, py, i]) => Number.isFinite(py) && reached(number, i));
      drawn.push(make("polyline", { class: `net${number}`, points: points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ") }));
    });
    const x = this.x(phase === "forward" ? moment : walk.length - 1 - moment);
    drawn.push(make("line", { class: "cursor", x1: x, x2: x, y1: this.top, y2: this.height - this.bottom }));
    drawn.push(make("text", { x: this.left, y: this.height - 4 }, t("image")));
    drawn.push(make("text", { x: this.width - 4, y: this.height - 4, "text-anchor": "end" }, t("loss")));
    svg.replaceChildren(...drawn);
    const through = t({ both: "chartBoth", branch: "chartBranch", shortcut: "chartShortcut" }[byId("through").value]);
    byId("chart-title").textContent = phase === "forward" ? t("chartForward") : through;
  },
};
