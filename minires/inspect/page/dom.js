// The walk through one training step. Everything drawn here was computed by minires and lies in
// the element #data: for each net its operations, in the order they ran, and for each moment of
// the walk which operation of each net is at work.

const data = JSON.parse(document.getElementById("data").textContent);
const { nets, walk, kinds, factors } = data;

/** A table, the first cell of each row its head. */
function rowsOf(cells) {
  return make("table", {}, ...cells.map((row) => make("tr", {}, ...row.map((cell, i) => make(i ? "td" : "th", {}, cell)))));
}

/** A number with three digits. */
function short(x) {
  if (x === null) return t("notANumber");
  if (x === 0) return "0";
  const size = Math.abs(x);
  return size >= 0.01 && size < 10000 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
}

/** A number that is known to a step of so much, with the digits that this allows, three at most. */
function near(x, step) {
  const digits = Math.floor(Math.log10(Math.abs(x) / step)) + 2;
  return digits < 1 ? "0" : short(Number(x.toPrecision(Math.min(digits, 3))));
}

const sizes = (shape) => shape.join(" × ") || t("oneNumber");
