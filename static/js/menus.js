// Menus are <details>. This closes them: a click elsewhere, Esc, or a choice inside; Esc returns the focus.
const openMenus = () => document.querySelectorAll("details.menu[open]");

document.addEventListener("click", (event) => {
  for (const menu of openMenus()) {
    const chose = event.target.closest(".menu-panel :is(a, button)");
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
