// The theme lives in a cookie, so that the server can render it and no page flashes.
const root = document.documentElement;
const year = 60 * 60 * 24 * 365;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-set]");
  if (!button) return;
  const theme = button.dataset.themeSet;
  const secure = location.protocol === "https:" ? "; secure" : "";
  const age = theme === "auto" ? 0 : year;
  document.cookie = `theme=${theme}; path=/; max-age=${age}; samesite=lax${secure}`;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  marked();
});

function marked() {
  for (const button of document.querySelectorAll("[data-theme-set]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeSet === (root.dataset.theme ?? "auto")));
  }
}

marked();
