// Menus are <details>. This closes them: a click elsewhere, Esc, or a choice inside; Esc returns the focus.
const openMenus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) {
    const chose = event.target.closest(".menu-panel :is(a, button:not([data-stays]))");
    if (!menu.contains(event.target) || (chose && menu.contains(chose))) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
    event.preventDefault();
  }
});

// Tab out of a menu closes it, so that it does not cover what comes next.
document.addEventListener("focusin", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});

// What was typed into a menu closes it once it is understood; until then it stays, with what is wrong at its field.
document.addEventListener("htmx:afterSettle", (event) => {
  const menu = event.detail.requestConfig?.triggeringEvent?.submitter?.closest("details.menu");
  if (menu && !menu.querySelector("[data-said]:not(:empty)")) menu.open = false;
});

// A row's menu comes when it is first wanted: most are never opened. Toggling does not bubble, so it is caught on its way.
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  const panel = menu.matches?.("[data-menu][open]") && menu.querySelector(".menu-panel:empty");
  const order = menu.closest("[data-row]")?.querySelector("[data-row-link]");
  if (panel && order) window.htmx.ajax("GET", `${order.pathname}menu/`, { source: menu, target: panel });
}, true);
