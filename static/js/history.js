// A panel over a page is a step of its own: Back closes it, Forward opens it again, a reload keeps it. Closing it in any
// other way goes back as well, so that no step is left behind in which nothing happens.
const drawer = document.getElementById("drawer");
const plain = (href) => href.split("#")[0];
const panelHere = () => history.state?.panel;
let standing = plain(history.state?.below ?? withoutPanel());
let isLeaving = false;
let afterwards = null;

function withoutPanel() {
  const url = new URL(location.href);
  url.searchParams.delete("refund");
  return url.href;
}

function step({ panel, opener }) {
  const below = plain(location.href);
  // Going back to a place on the page would take the focus there, away from what opened the panel.
  if (location.hash) history.replaceState(history.state, "", below);
  const url = new URL(below);
  const order = drawer.querySelector("[data-order]")?.dataset.order;
  if (order) url.searchParams.set("refund", order);
  history.pushState({ panel, opener, below }, "", url);
}

function leave(then = null) {
  isLeaving = true;
  afterwards = then;
  history.back();
}

// Asked for anew from its address, for what it says may have changed; what was sent from it is never sent again.
function reopen({ panel, opener }) {
  const come = () => document.dispatchEvent(new CustomEvent("panel:opener", { detail: opener }));
  window.htmx.ajax("GET", panel, { source: drawer, target: drawer, swap: "innerHTML" }).then(come, () => {});
}

document.addEventListener("panel:opened", (event) => {
  // The step back of the panel before this one may still be under way.
  if (isLeaving) afterwards = () => step(event.detail);
  else if (!panelHere()) step(event.detail);
});

document.addEventListener("panel:closed", () => {
  if (panelHere()) leave();
  else if (location.href !== withoutPanel()) history.replaceState(history.state, "", withoutPanel());
});

// An answer that leads away has done what the panel was for; nobody comes back to it by Back.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, requestConfig } = event.detail;
  const to = xhr.getResponseHeader("HX-Redirect");
  if (!panelHere() || !drawer.contains(requestConfig.elt) || to?.startsWith("/login/")) return;
  if (!to && !xhr.getResponseHeader("HX-Refresh")) return;
  event.preventDefault();
  leave(() => {
    // A place on the same page would be gone to without loading what changed on it.
    if (to && plain(new URL(to, location).href) !== plain(location.href)) return location.assign(to);
    if (to) history.replaceState(null, "", to);
    location.reload();
  });
});

// Heard before htmx, which would load the page anew where it need not be.
window.addEventListener("popstate", (event) => {
  const isSame = plain(event.state?.below ?? withoutPanel()) === standing;
  const next = afterwards;
  const hasLeft = isLeaving;
  [isLeaving, afterwards] = [false, null];
  if (!isSame) return event.state?.htmx || location.reload();
  event.stopImmediatePropagation();
  // Who has gone on before a panel came must not have it open where they are now.
  window.htmx.trigger(drawer, "htmx:abort");
  if (hasLeft) return next?.();
  if (panelHere()) return reopen(history.state);
  document.dispatchEvent(new CustomEvent("panel:close"));
}, true);

for (const name of ["htmx:pushedIntoHistory", "htmx:replacedInHistory"]) {
  document.addEventListener(name, () => { standing = plain(location.href); });
}

window.addEventListener("load", () => {
  if (!panelHere()) return;
  if (drawer.open) document.dispatchEvent(new CustomEvent("panel:opener", { detail: history.state.opener }));
  else reopen(history.state);
});
