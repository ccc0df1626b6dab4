// The curves: training and test error of both nets, with a mark for each surgery.

import { byId, choosable, make, t } from "./shared.js";

const HEIGHT = 230;
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 12, 20];
const WINDOW = 25; // training steps that the strong line is smoothed over
const PLACES = 200; // along the curves, that pointer and arrow keys choose among

export const percent = (x) => (x === null || x === undefined ? t("notANumber") : `${x.toFixed(1)} %`);

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

const svg = byId("errors");
let shown = null; // what is drawn: the frame, the means of each net, and where a training step is

const { choose, again } = choosable(
  svg, byId("errors-at"), () => [PLACES + 1], { ArrowLeft: [-1], ArrowRight: [1], Home: [-Infinity], End: [Infinity] }, errorsAt,
);
svg.onpointermove = svg.onpointerdown = ({ clientX }) => {
  const { left, width } = svg.getBoundingClientRect();
  choose(Math.round((PLACES * (clientX - left - LEFT)) / (width - LEFT - RIGHT)));
};

/** Mark a place of the curves, and say the errors there. */
function errorsAt(place) {
  if (!shown) return "";
  const { names, frame, means, x } = shown;
  const step = Math.round((frame.step * place) / PLACES);
  svg.querySelector(".cursor")?.remove();
  svg.append(make("line", { class: "cursor", x1: x(step), x2: x(step), y1: TOP, y2: HEIGHT - BOTTOM }));
  const said = frame.nets.map(({ stride, tests }, number) => {
    const point = Math.min(Math.ceil(step / stride), means[number].length) - 1;
    return errorsSaid(names[number], means[number][point], tests.findLast(([at]) => at <= step));
  });
  return [t("atStep", { step }), ...said].join(" · ");
}

const errorsSaid = (net, train, test) => t("errorsSaid", { net, train: percent(train), test: percent(test?.[1]) });

export function drawErrors(names, frame) {
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
  const means = frame.nets.map((net) => smoothed(net.errors, net.stride));
  const said = frame.nets.map((net, number) => {
    const at = (k) => (k + 1) * net.stride;
    const mean = means[number];
    line("raw", number, net.errors.map((error, k) => [at(k), error]));
    line("mean", number, mean.map((error, k) => [at(k), error]));
    line("test", number, net.tests);
    return errorsSaid(names[number], mean.at(-1), net.tests.at(-1));
  });
  frame.surgeries.forEach((surgery, k) => {
    drawn.push(make("line", { class: "mark", x1: x(surgery.step), x2: x(surgery.step), y1: TOP, y2: HEIGHT - BOTTOM }));
    drawn.push(make("text", { class: "flag", x: x(surgery.step) + 3, y: TOP + 9 + 11 * (k % 4) }, `${k + 1}`));
  });
  svg.replaceChildren(...drawn);
  svg.setAttribute("aria-label", [...said, t("hintCurve")].join("; "));
  shown = { names, frame, means, x };
  again();
  return said;
}

/** The legend: it has what a screen reader is told, too. */
export function drawLegend(names, said) {
  const entries = names.map((_, number) => make("span", {}, make("i", { class: `net${number}` }), said[number]));
  byId("legend").replaceChildren(...entries, make("span", { class: "note" }, make("i", { class: "test" }), t("testLine")));
}
