// Single keys, off inside fields and dialogs, and off for good when the switch in the list says so.
const CHORD_MS = 1200;
const NAMES = { Enter: "enter" };
const ORDER = /^\/orders\/[^/]+\/$/;
let chordUntil = 0;

// The switch itself is sent by htmx; the server keeps it for the user and says so on the body.
const areOff = () => document.body.dataset.keys === "off";
const toggle = document.getElementById("id_single_keys");
if (toggle) {
  toggle.checked = !areOff();
  toggle.addEventListener("change", () => { document.body.dataset.keys = toggle.checked ? "on" : "off"; });
}

const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
const linkOf = (row) => row?.querySelector("[data-row-link], a[href]");
const current = () => document.activeElement?.closest("[data-row]") ?? document.querySelector('[data-row][aria-current="true"]');

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
  if (!next) return;
  all[at]?.removeAttribute("aria-current");
  document.querySelectorAll('[data-row][aria-current="true"]').forEach((row) => row.removeAttribute("aria-current"));
  next.setAttribute("aria-current", "true");
  linkOf(next)?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const target = current()?.querySelector(`[data-key="${key}"]`) ?? document.querySelector(`main [data-key="${key}"]:not([data-row] *)`);
  if (target) target.click();
  else explain(key);
  return true;
}

// The server knows why nothing can be done at an order; elsewhere the key has nothing to be about.
function explain(key) {
  const { pathname } = linkOf(current()) ?? location;
  if (!ORDER.test(pathname)) return document.dispatchEvent(new CustomEvent("key:unused"));
  document.querySelectorAll('#toasts [data-about="why"]').forEach((toast) => toast.remove());
  window.htmx.ajax("GET", `${pathname}why-not/?key=${key}`, { swap: "none" });
}

function enter() {
  // On a link or a button Enter already does its own work.
  if (document.activeElement?.matches("a, button, summary")) return false;
  linkOf(current())?.click();
  return true;
}

function search() {
  const field = document.querySelector("[data-search], #q, input[type=search]");
  field?.focus();
  field?.select();
  return Boolean(field);
}

const actions = {
  "/": search,
  "?": () => document.getElementById("shortcuts")?.showModal(),
  j: () => move(1),
  k: () => move(-1),
  x: () => current()?.querySelector("input[type=checkbox]")?.click(),
  r: () => press("r"),
  c: () => press("c"),
  g: () => { chordUntil = Date.now() + CHORD_MS; },
  enter,
};

function chord(key) {
  const waiting = Date.now() < chordUntil;
  chordUntil = 0;
  const link = waiting && document.querySelector(`[data-goto="${CSS.escape(key)}"]`);
  link?.click?.();
  return Boolean(link);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches("[type=search]")) {
    // What was searched for stays; the rows below can be walked at once.
    event.preventDefault();
    return event.target.blur();
  }
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog")) return;
  if (document.querySelector("dialog[open]") || areOff()) return;
  const key = NAMES[event.key] ?? event.key.toLowerCase();
  if (chord(key)) return event.preventDefault();
  if (actions[key] && actions[key]() !== false) event.preventDefault();
});
