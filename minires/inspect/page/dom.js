// The walk through one training step. Everything drawn here was computed by minires and lies in
// the element #data: for each net its operations, in the order they ran, and for each moment of
// the walk which operation of each net is at work.

const data = JSON.parse(document.getElementById("data").textContent);
const { nets, walk, kinds, factors } = data;

/** A table, the first cell of each row its head. */
function rowsOf(cells) {
  return make("table", {}, ...cells.map((row) => make("tr", {}, ...row.map((cell, i) => make(i ? "td" : "th", {}, cell)))));
}

const sizes = (shape) => shape.join(" × ") || t("oneNumber");
