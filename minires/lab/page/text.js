// The texts of the page: one file a language, en.json and zh.json.

import { useTexts } from "./shared.js";

let guides = [];
const listeners = [];

export const guideTexts = () => guides;

/** Call a function now and whenever the language is changed. */
export function onLanguage(listener) {
  listeners.push(listener);
}

export async function setLanguage(language) {
  const texts = await (await fetch(`${language}.json`)).json();
  guides = texts.guides;
  useTexts(language, texts);
  listeners.forEach((listener) => listener());
}
