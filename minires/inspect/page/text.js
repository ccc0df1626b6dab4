// The texts of the page: one file a language, en.json and zh.json.

function setLanguage(language) {
  useTexts(language, data.texts[language]);
  document.title = t("title");
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
