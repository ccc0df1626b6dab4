// The settings: of each net and of both. A change begins a new session, or, of learning rate and
// momentum, is a surgery on the net that runs.

import { send } from "./link.js";
import { byId, make, t } from "./shared.js";

const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];
const MOMENTA = [0, 0.5, 0.9, 0.95, 0.99];
const FACTORS = [0.1, 0.3, 0.5, 1, 1.5, 2, 3];
const BATCHES = [8, 16, 32, 64, 128, 256];
const IMAGES = [0, 50, 100, 200, 500, 1000];

/** A choice of values with their texts; one that is not among them is added. */
function choice(key, values, value, textOf = String) {
  const all = values.some((v) => String(v) === String(value)) ? values : [...values, value];
  const select = make("select", { name: key }, ...all.map((v) => make("option", { value: v }, textOf(v))));
  select.value = value;
  return { value, select, label: make("label", {}, t(key), select) };
}

/** Controls by the name of what they set; `rates` shows those that surgery may have changed. */
export function netSettings(number, scene) {
  const settings = scene.config.nets[number];
  const [, kind, depth] = /^([a-z]+)(\d+)$/.exec(settings.net);
  const controls = {
    kind: choice("kind", ["plain", "resnet"], kind, (v) => t(v)),
    depth: choice("depth", scene.limits.depths, depth),
    shortcut: choice("shortcut", ["A", "B", "C"], settings.shortcut),
    norm: choice("norm", [1, 0], Number(settings.norm), (v) => t(v ? "yes" : "no")),
    init: choice("init", scene.limits.inits, settings.init, (v) => t(v)),
    factor: choice("factor", FACTORS, settings.factor, (v) => `× ${v}`),
    standardised: choice("inputs", [1, 0], Number(settings.standardised), (v) => t(v ? "standardised" : "raw")),
    lr: choice("lr", RATES, settings.lr),
    momentum: choice("momentum", MOMENTA, settings.momentum),
  };
  for (const [name, { select }] of Object.entries(controls)) {
    if (name === "lr" || name === "momentum") {
      select.onchange = () => send("operate", { net: number, kind: name, path: "", value: Number(select.value) });
    } else select.onchange = openSession;
  }
  controls.shortcut.select.disabled = kind === "plain";
  const box = make("form", { class: "settings", "data-net": number }, ...Object.values(controls).map((c) => c.label));
  const show = (control, value) => {
    const { select } = control;
    control.value = value;
    if (document.activeElement === select || Number(select.value) === value) return;
    if (![...select.options].some((option) => Number(option.value) === value)) select.append(make("option", { value }, String(value)));
    select.value = value;
  };
  nets[number] = controls;
  return {
    box,
    rates(lr, momentum) {
      show(controls.lr, lr);
      show(controls.momentum, momentum);
    },
  };
}

const nets = [];
let shared = {};

export function sharedSettings(scene) {
  const { dataset, batch, seed, images } = scene.config;
  const input = make("input", { name: "seed", type: "number", min: 0, max: 2147483647, step: 1, value: seed, required: "" });
  shared = {
    dataset: choice("dataset", ["digits", "cifar10", "folder"], dataset, (v) => t(v)),
    images: choice("trainImages", IMAGES, images, (v) => (v ? String(v) : t("all"))),
    batch: choice("batch", BATCHES, batch),
    seed: { value: seed, select: input, label: make("label", {}, t("seed"), input) },
  };
  for (const { select } of Object.values(shared)) select.onchange = openSession;
  byId("shared").onsubmit = (event) => event.preventDefault();
  byId("shared").replaceChildren(...Object.values(shared).map((c) => c.label));
}

/** Show the settings that are in force, after others were asked for in vain. */
export function restoreSettings() {
  for (const { select, value } of [shared, ...nets].flatMap(Object.values)) select.value = value;
}

/** Open the session of the settings that are shown. */
function openSession() {
  if (!shared.seed.select.reportValidity()) {
    restoreSettings();
    return;
  }
  const value = (control) => control.select.value;
  const parts = new URLSearchParams();
  parts.set("net", nets.map((c) => value(c.kind) + value(c.depth)).join(","));
  for (const name of ["shortcut", "norm", "init", "factor", "standardised", "lr", "momentum"]) {
    parts.set(name, nets.map((c) => value(c[name])).join(","));
  }
  for (const [name, control] of Object.entries(shared)) parts.set(name, value(control));
  parts.set("guide", byId("guide").value);
  send("open", { address: parts.toString() });
}
