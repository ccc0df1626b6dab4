// Guided experiments: a link each, and a text beside the live view.

import { send } from "./link.js";
import { byId, make, t } from "./shared.js";
import { guideTexts, onLanguage } from "./text.js";

let guides = [];

export async function startGuides() {
  guides = await (await fetch("guides.json")).json();
  byId("guide").onchange = () => {
    const guide = guides[Number(byId("guide").value) - 1];
    show();
    if (guide) send("open", { address: guide.address });
    else send("free");
  };
  onLanguage(list);
  list();
}

function list() {
  const chosen = byId("guide").value || 0;
  const options = guideTexts().map((text, k) => make("option", { value: k + 1 }, `${k + 1}. ${text.title}`));
  byId("guide").replaceChildren(make("option", { value: 0 }, t("noGuide")), ...options);
  byId("guide").value = chosen;
  show();
}

let told = null; // the guide that the last frame's address had

/** Show the guide of a session's address, if it is another one than before. */
export function showGuide(address) {
  const number = new URLSearchParams(address).get("guide") ?? "0";
  if (number === told) return;
  told = byId("guide").value = number;
  show();
}

function show() {
  const chosen = Number(byId("guide").value);
  const story = byId("story");
  story.hidden = !chosen;
  document.querySelector("main").classList.toggle("guided", chosen > 0);
  if (!chosen) return;
  const text = guideTexts()[chosen - 1];
  const source = make("a", { href: guides[chosen - 1].source, target: "_blank", rel: "noreferrer" }, text.source);
  const parts = [make("h2", {}, text.title), ...text.look.map((part) => make("p", {}, part))];
  if (text.seen) parts.push(make("p", { class: "note" }, `${t("seen")} ${text.seen}`));
  story.replaceChildren(...parts, make("p", { class: "note" }, source));
}
