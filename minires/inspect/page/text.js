// The texts of the page: one file a language, en.json and zh.json.

let texts = data.texts.en;

/** A text, with the values of its {fields}. */
function t(key, fields = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");
}

function setLanguage(language) {
  texts = data.texts[language];
  document.documentElement.lang = language;
  document.title = t("title");
  byId("language").value = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll("[data-title]")) node.title = t(node.dataset.title);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
}

/** The language that was chosen last on a page of this place, or the browser's. */
function firstLanguage() {
  let chosen = null;
  try {
    chosen = localStorage.getItem("language");
  } catch {
    // A page inside a notebook may keep nothing.
  }
  return chosen in data.texts ? chosen : navigator.language.startsWith("zh") ? "zh" : "en";
}

function keepLanguage(language) {
  try {
    localStorage.setItem("language", language);
  } catch {
    // As above; the switch works all the same.
  }
}
