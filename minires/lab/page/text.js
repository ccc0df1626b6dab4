// The texts of the page: one file a language, en.json and zh.json.

import { byId } from "./dom.js";

let texts = {};
const listeners = [];

/** A text, with the values of its {fields}. */
export function t(key, fields = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
}

export const guideTexts = () => texts.guides ?? [];

/** Call a function now and whenever the language is changed. */
export function onLanguage(listener) {
  listeners.push(listener);
}

export async function setLanguage(language) {
  texts = await (await fetch(`${language}.json`)).json();
  document.documentElement.lang = language;
  byId("language").value = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll("[data-title]")) node.title = t(node.dataset.title);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  listeners.forEach((listener) => listener());
}
