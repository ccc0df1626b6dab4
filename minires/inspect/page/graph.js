// --- the graph: one button an operation, blocks that open and close ---------------------------

class Graph {
  constructor(net, number, goTo) {
    this.net = net;
    this.box = make("div", { class: "graph", role: "group" });
    this.arcs = make("svg", { "aria-hidden": "true" });
    this.box.append(this.arcs);
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

  /** Say what it is, in the language of now. */
  label() {
    this.box.setAttribute("aria-label", t("operationsOf", { net: this.net.name }));
    this.box.querySelector(".image")?.remove();
    this.arcs.after(...originalImage(this.net));
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
