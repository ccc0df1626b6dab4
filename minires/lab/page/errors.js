// The curves: training and test error of both nets, with a mark for each surgery.

import { percent } from "./values.js";
import { byId, make, t } from "./shared.js";

const HEIGHT = 230;
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 12, 20];
const WINDOW = 25; // training steps that the strong line is smoothed over

function smoothed(values, stride) {
  const weight = 1 - Math.exp(-stride / WINDOW);
  let sum = 0;
  let total = 0; // so that the first points are means of what there is, not pulled to 0
  return values.map((value) => {
    sum += weight * (value - sum);
    total += weight * (1 - total);
    return sum / total;
  });
}

function niceStep(range) {
  const power = 10 ** Math.floor(Math.log10(range / 5));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => range / step <= 6);
}

export function drawErrors(names, frame) {
  const svg = byId("errors");
  const width = Math.max(svg.clientWidth, 280);
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const last = Math.max(frame.step, 10);
  const x = (step) => LEFT + ((width - LEFT - RIGHT) * step) / last;
  const y = (error) => TOP + ((HEIGHT - TOP - BOTTOM) * (100 - error)) / 100;
  const drawn = [];
  for (const error of [0, 25, 50, 75, 100]) {
    drawn.push(make("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(error), y2: y(error) }));
    drawn.push(make("text", { x: LEFT - 5, y: y(error) + 4, "text-anchor": "end" }, `${error}`));
  }
  const every = Math.max(1, niceStep(last));
  for (let step = 0; step <= last; step += every) drawn.push(make("text", { x: x(step), y: HEIGHT - 4, "text-anchor": "middle" }, `${step}`));
  const line = (kind, number, points) => {
    const text = points.map(([step, error]) => `${x(step).toFixed(1)},${y(error).toFixed(1)}`).join(" ");
    drawn.push(make("polyline", { class: `${kind} net${number}`, points: text }));
  };
  const said = frame.nets.map((net, number) => {
    const at = (k) => (k + 1) * net.stride;
    const mean = smoothed(net.errors, net.stride);
    line("raw", number, net.errors.map((error, k) => [at(k), error]));
    line("mean", number, mean.map((error, k) => [at(k), error]));
    line("test", number, net.tests);
    return t("errorsSaid", { net: names[number], train: percent(mean.at(-1)), test: percent(net.tests.at(-1)?.[1]) });
  });
  frame.surgeries.forEach((surgery, k) => {
    drawn.push(make("line", { class: "mark", x1: x(surgery.step), x2: x(surgery.step), y1: TOP, y2: HEIGHT - BOTTOM }));
    drawn.push(make("text", { class: "flag", x: x(surgery.step) + 3, y: TOP + 9 + 11 * (k % 4) }, `${k + 1}`));
  });
  svg.replaceChildren(...drawn);
  svg.setAttribute("aria-label", said.join("; "));
  return said;
}

/** The legend: it has what a screen reader is told, too. */
export function drawLegend(names, said) {
  const entries = names.map((_, number) => make("span", {}, make("i", { class: `net${number}` }), said[number]));
  byId("legend").replaceChildren(...entries, make("span", { class: "note" }, make("i", { class: "test" }), t("testLine")));
}
