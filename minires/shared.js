// What the scripts of all pages share: elements, and texts in the language that is chosen.

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
