// The images that are looked at: which of them each net has wrong, and its probabilities for one.

import { percent } from "./errors.js";
import { send } from "./link.js";
import { byId, make, paint, t, valueAt } from "./shared.js";

let buttons = [];
let bars = [];

export function showImages(scene) {
  const [, height, width] = scene.images.shape;
  buttons = scene.labels.map((label, number) => {
    const canvas = make("canvas", { "aria-hidden": "true" });
    paint(canvas, width, height, (i, j) => valueAt(scene.images, number, i, j), scene.images.ends);
    const dots = make("span", { class: "dots" }, make("i", {}), make("i", {}));
    const button = make("button", { type: "button", "aria-pressed": "false" }, canvas, dots);
    button.onclick = () => send("image", { number });
    button.say = (wrong) => {
      const names = scene.config.nets.map((net) => net.net).filter((_, k) => wrong[k]);
      const title = t("image", { label: scene.classes[label] }) + (names.length ? t("wrongOf", { nets: names.join(", ") }) : "");
      if (button.title !== title) {
        button.title = title;
        button.setAttribute("aria-label", title);
      }
    };
    return button;
  });
  byId("images").replaceChildren(...buttons);
  bars = scene.config.nets.map(() => scene.classes.map((name) => ({ name: make("span", {}, name), fill: make("i", {}), value: make("span", {}) })));
  byId("probabilities").replaceChildren(
    ...bars.map((rows, number) => {
      const cells = rows.flatMap((row) => [row.name, make("span", { class: "bar" }, row.fill), row.value]);
      const title = make("h3", {}, t("probabilities", { net: scene.config.nets[number].net }));
      return make("div", { "data-net": number }, title, make("div", { class: "bars" }, ...cells));
    }),
  );
}

export function showLook(scene, look) {
  buttons.forEach((button, number) => {
    const wrong = look.nets.map((net) => net.wrong[number]);
    button.setAttribute("aria-pressed", String(number === look.image));
    button.querySelectorAll(".dots i").forEach((dot, k) => dot.classList.toggle("wrong", wrong[k]));
    button.say(wrong);
  });
  look.nets.forEach((net, number) =>
    bars[number].forEach((row, k) => {
      row.name.classList.toggle("true", k === scene.labels[look.image]);
      row.fill.style.width = `${100 * (net.probabilities[k] ?? 0)}%`;
      row.value.textContent = percent(net.probabilities[k] === null ? null : 100 * net.probabilities[k]);
    }),
  );
}
