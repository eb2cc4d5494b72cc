// Light, dark, or as the system has it.

const ORDER = ["system", "light", "dark"];
const KEY = "ragstream.theme";

/** The theme that was chosen. */
export function themeName() {
  return document.documentElement.dataset.theme ?? "system";
}

/** Goes on to the next one, remembers it, and says so by `themechange` on the window. */
export function nextTheme() {
  const next = ORDER[(ORDER.indexOf(themeName()) + 1) % ORDER.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, next);
  } catch {
    // Without storage it lasts as long as the page.
  }
  dispatchEvent(new Event("themechange"));
}
