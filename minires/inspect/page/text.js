// The texts of the page: one file a language, en.json and zh.json.

function setLanguage(language) {
  useTexts(language, data.texts[language]);
  document.title = t("title");
}
