// The laboratory's page: draws what the training process sends, and sends it commands.

import { drawErrors, drawLegend } from "./errors.js";
import { showGuide, startGuides } from "./guides.js";
import { showImages, showLook } from "./images.js";
import { LayerChart } from "./layers.js";
import { connect, send } from "./link.js";
import { makeNets } from "./nets.js";
import { restoreSettings, sharedSettings } from "./settings.js";
import { byId, keep, keptLanguage, make, short, showTheme, t } from "./shared.js";
import { onLanguage, setLanguage } from "./text.js";
import { busy, showWalk, startWalk, toggleWalk } from "./walk.js";

const newest = {}; // by kind: the message that is to be drawn next
let scene = null;
let frame = null;
let look = null;
let nets = [];
let asked = sessionOf(location); // the session of a link that was opened and is not asked of the server yet
const charts = { gradient: new LayerChart("gradient"), std: new LayerChart("std"), update: new LayerChart("update") };
byId("layers").append(...Object.values(charts).map((chart) => chart.box));

// --- messages ---------------------------------------------------------------------------------

function receive(kind, value) {
  if (!Object.keys(newest).length) requestAnimationFrame(draw);
  newest[kind] = value;
}

function sessionOf(link) {
  const session = link.hash.slice(1);
  try {
    return decodeURIComponent(session);
  } catch {
    return session; // the training process says what is wrong with it
  }
}

const names = () => scene.config.nets.map((net) => net.net);

function draw() {
  const { S, F, L, N } = { ...newest };
  for (const kind of Object.keys(newest)) delete newest[kind];
  if (S) drawScene(S);
  if (F && F.number === scene?.number) drawFrame(F);
  if (L && L.number === scene?.number) drawLook(L);
  if (N) drawNotice(N);
}

function drawScene(value) {
  if (value.number !== scene?.number) frame = null;
  scene = value;
  const { name, form } = document.activeElement;
  nets = makeNets(scene);
  sharedSettings(scene);
  // Settings are made anew; the keyboard stays where it was.
  if (form) [...document.forms].find(({ id, dataset }) => id === form.id && dataset.net === form.dataset.net).elements[name]?.focus();
  showImages(scene);
  Object.values(charts).forEach((chart) => chart.forget());
}

function drawFrame(value) {
  frame = value;
  if (asked !== null) {
    const link = asked;
    asked = null;
    if (link && link !== frame.address) {
      send("open", { address: link });
      return;
    }
  }
  showGuide(frame.address);
  showWalk(frame.walk);
  // Charts ask for their size, so they are drawn before anything makes the browser lay out again.
  for (const key of ["gradient", "update"]) charts[key].add(frame.nets.map((net) => net[key]), scene.layers, names());
  const said = drawErrors(names(), frame);
  drawLegend(names(), said);
  frame.nets.forEach((net, number) => nets[number].frame(net));
  drawState();
  const hash = frame.address ? `#${frame.address}` : location.pathname;
  if (location.hash.slice(1) !== frame.address) history.replaceState(null, "", hash);
}

function drawState() {
  byId("where").textContent = t("where", { step: frame.step, epoch: Math.max(...frame.nets.map((net) => net.epoch)).toFixed(1), rate: short(frame.rate) });
  byId("run").textContent = t(frame.running ? "pause" : "run");
  byId("run").setAttribute("aria-keyshortcuts", "Space");
  byId("undo").disabled = !frame.undo;
  const lines = frame.surgeries.map((s) => t("surgery", { step: s.step, net: names()[s.net], what: t(`${s.kind}Done${["shortcut", "freeze"].includes(s.kind) ? s.value : ""}`, { path: s.path, value: short(s.value) }) }));
  const list = byId("surgeries");
  if (list.children.length !== lines.length || list.lastChild?.textContent !== lines.at(-1)) {
    list.replaceChildren(...lines.map((line) => make("li", {}, line)));
  }
}

function drawLook(value) {
  look = value;
  showLook(scene, look);
  look.nets.forEach((net, number) => nets[number].look(net));
  charts.std.add(look.nets.map((net) => net.std), scene.layers, names());
}

function drawNotice(notice) {
  busy(false);
  if (notice.kind === "script") {
    byId("code").querySelector("pre").textContent = notice.text;
    byId("code").showModal();
    return;
  }
  if (notice.kind === "error") restoreSettings();
  const text = { error: notice.text, saved: t("saved", { path: notice.text }), gone: t("gone") }[notice.kind];
  say(text, notice.kind !== "saved", notice.kind === "gone");
}

/** Say something for a while, or until something else is said. */
function say(text, error = false, stays = false) {
  byId("notice").textContent = text;
  byId("notice").classList.toggle("error", error);
  clearTimeout(say.timer);
  if (text && !stays) say.timer = setTimeout(() => say(""), 12000);
}

// --- controls ---------------------------------------------------------------------------------

const run = () => frame && send("run", { running: !frame.running });
byId("run").onclick = run;
byId("step").onclick = () => send("step");
byId("undo").onclick = () => send("undo");
byId("again").onclick = () => frame && send("open", { address: frame.address.split("&").filter((part) => !part.startsWith("at=")).join("&") });
byId("script").onclick = () => send("script");
byId("save").onclick = () => send("save");
byId("close").onclick = () => byId("code").close();
byId("walk").onclick = toggleWalk;
byId("language").onchange = () => {
  keep("language", byId("language").value);
  setLanguage(keptLanguage());
};
function onKey(event) {
  const { tagName } = event.target;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || byId("code").open || ["SELECT", "INPUT", "PRE"].includes(tagName)) return;
  const keys = { w: toggleWalk, s: () => send("step"), r: () => byId("again").click(), u: () => send("undo") };
  if (tagName !== "BUTTON") keys[" "] = run;
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
}
document.addEventListener("keydown", onKey);
startWalk(onKey);
const redraw = () => {
  Object.values(charts).forEach((chart) => chart.redraw());
  if (frame) drawErrors(names(), frame);
};
window.addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
window.addEventListener("hashchange", (event) => {
  asked = sessionOf(new URL(event.newURL)); // a frame drawn meanwhile has put its own into `location`
  if (frame) drawFrame(frame);
});

onLanguage(() => {
  showTheme();
  if (!scene) return;
  drawScene(scene);
  if (frame?.number === scene.number) drawFrame(frame);
  if (look?.number === scene.number) drawLook(look);
});

await setLanguage(keptLanguage());
await startGuides();
connect(receive, (state) => (state === "connected" ? say("") : say(t(state), true, true)));
