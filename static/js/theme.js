// The server keeps the theme in a cookie and renders it, so no page flashes. Here it changes without a reload.
const root = document.documentElement;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-set]");
  if (!button) return;
  event.preventDefault();
  const theme = button.dataset.themeSet;
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  fetch(button.form.action, { method: "POST", body: new FormData(button.form, button), redirect: "manual" });
  mark();
});

function mark() {
  for (const button of document.querySelectorAll("[data-theme-set]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeSet === (root.dataset.theme ?? "auto")));
  }
}

mark();
