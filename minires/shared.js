// What the scripts of all pages share: elements, texts in the language that is chosen, the theme.

export const byId = (id) => document.getElementById(id);

const SVG = ["svg", "path", "rect", "text", "line", "polyline", "circle", "title"];

/** An element with attributes and children; in the namespace of SVG for its tags. */
export function make(tag, attributes = {}, ...children) {
  const node = SVG.includes(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

let texts = {};

/** A text, with the values of its {fields}. */
export function t(key, fields = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
}

/** Take the texts of a language, and write those that the page's own elements ask for. */
export function useTexts(language, ofLanguage) {
  texts = ofLanguage;
  document.documentElement.lang = language;
  byId("language").value = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll("[data-title]")) node.title = t(node.dataset.title);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
}

// --- what is chosen and kept: language and theme -----------------------------------------------

const chosen = {};

/** What was chosen last on a page of this place; a page that may keep nothing has its own choices. */
export function kept(name) {
  try {
    return localStorage.getItem(name) ?? chosen[name];
  } catch {
    return chosen[name]; // as inside a notebook
  }
}

export function keep(name, value) {
  chosen[name] = value;
  try {
    localStorage.setItem(name, value);
  } catch {
    // As above; the choice works all the same.
  }
}

/** The language that was chosen last, or the browser's. */
export function keptLanguage() {
  const language = kept("language") ?? navigator.language;
  return language.startsWith("zh") ? "zh" : "en";
}

const THEMES = ["system", "light", "dark"];

/** Show the theme that was chosen last, and say it on its button, which chooses the next one. */
export function showTheme() {
  const at = Math.max(THEMES.indexOf(kept("theme")), 0);
  document.documentElement.dataset.theme = THEMES[at];
  byId("theme").textContent = `◐ ${t(THEMES[at])}`;
  byId("theme").onclick = () => {
    keep("theme", THEMES[(at + 1) % THEMES.length]);
    showTheme();
  };
}
