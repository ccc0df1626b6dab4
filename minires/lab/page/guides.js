// Guided experiments: a link each, and a text beside the live view.

import { byId, make } from "./dom.js";
import { send } from "./link.js";
import { guideTexts, onLanguage, t } from "./text.js";

let guides = [];

export async function startGuides() {
  guides = await (await fetch("guides.json")).json();
  byId("guide").onchange = () => {
    const guide = guides[Number(byId("guide").value)];
    show();
    if (guide) send("open", { address: guide.address });
  };
  onLanguage(list);
  list();
}

function list() {
  const chosen = byId("guide").value;
  const options = guideTexts().map((text, k) => make("option", { value: k }, `${k + 1}. ${text.title}`));
  byId("guide").replaceChildren(make("option", { value: "" }, t("noGuide")), ...options);
  byId("guide").value = chosen;
  show();
}

function show() {
  const chosen = byId("guide").value;
  const story = byId("story");
  story.hidden = chosen === "";
  document.querySelector("main").classList.toggle("guided", chosen !== "");
  if (chosen === "") return;
  const text = guideTexts()[Number(chosen)];
  const source = make("a", { href: guides[Number(chosen)].source, target: "_blank", rel: "noreferrer" }, text.source);
  const parts = [make("h2", {}, text.title), ...text.look.map((part) => make("p", {}, part))];
  if (text.seen) parts.push(make("p", { class: "note" }, `${t("seen")} ${text.seen}`));
  story.replaceChildren(...parts, make("p", { class: "note" }, source));
}
