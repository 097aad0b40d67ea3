// Live: every few seconds an open page asks what changed in what it shows. A hidden tab asks for nothing, and nothing
// that somebody is working on is replaced: its row or its part of the page is drawn once they have left it. Only a head,
// with the state and what can be done about it, is never kept when it is no longer true.
const EVERY_MS = 4000;
const LONGEST_MS = 30000;
const UNDER_HAND_MS = 1000;
const postponed = new Set();
let stale = false;
let askedAt = 0;
let answering = false;
let held = null;
let asked = [];

const live = () => document.getElementById("live");
const edited = (field) => field.checked !== field.defaultChecked || (!field.matches("[type=checkbox], [type=radio]") && field.value !== field.defaultValue);
const isUnderPointer = (part) => part.querySelector(":is(a, button, label, summary):hover") !== null;
// What took the focus only to be read, such as a heading, may be drawn anew: htmx gives it back to what has its id.
const isHeld = (part, least = -1) => (part.contains(document.activeElement) && document.activeElement.tabIndex >= least) || isUnderPointer(part);
const isBusy = (part) => (isHeld(part, 0) && !part.matches("[data-head]"))
  || part.querySelector("details[open]") !== null
  || [...part.querySelectorAll("input:not([type=hidden]), textarea")].some(edited);
const isDrawn = (id) => live().getAttribute("hx-select-oob")?.split(",").includes(`#${id}`) ?? false;
const isAsking = () => Date.now() - askedAt < LONGEST_MS;

function get(url) {
  askedAt = Date.now();
  window.htmx.ajax("GET", url, { source: live(), target: live(), swap: "none" });
}

function ask(again = []) {
  const page = live();
  const shown = [...document.querySelectorAll("main [data-row]")].map((row) => row.id);
  const query = new URLSearchParams(location.search);
  asked = [...shown, ...again];
  const { at, about, mark } = page.dataset;
  const told = { at, about, mark, page: page.dataset.page, shown: shown.join(","), again: again.join(",") };
  for (const [name, value] of Object.entries(told)) query.set(name, value);
  get(`${page.dataset.live}?${query}`);
}

function tick() {
  if (!live() || document.hidden || isAsking()) return;
  const free = [...postponed].filter((id) => !document.getElementById(id) || !isBusy(document.getElementById(id)));
  free.forEach((id) => postponed.delete(id));
  if (!stale && !free.some(isDrawn)) return ask(free);
  stale = false;
  get(location.href);
}

// Rows and drawn parts come past here, whichever request brought them; only what we asked for may be put off.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const part = event.detail.target;
  if (!answering || !(part.matches("[data-row]") || isDrawn(part.id))) return;
  if (!isBusy(part)) return hold(part);
  event.detail.shouldSwap = false;
  postponed.add(part.id);
});

function hold(part) {
  if (!part.matches("[data-head]") || !isHeld(part)) return;
  const focused = part.contains(document.activeElement) ? document.activeElement.id || "-" : null;
  held = { id: part.id, focused, height: part.offsetHeight, isUnder: isUnderPointer(part) };
}

// A head that was under somebody's hands keeps its height. The focus stays on the same control, else goes to the
// heading; and what now lies under the pointer takes no press that was meant for what lay there before.
document.addEventListener("htmx:oobAfterSwap", ({ target: head }) => {
  if (!held || head.id !== held.id) return;
  const { focused, height, isUnder } = held;
  held = null;
  head.style.minHeight = `${height}px`;
  if (focused) (head.querySelector(`#${CSS.escape(focused)}`) ?? document.querySelector("h1")).focus({ preventScroll: true });
  if (isUnder) {
    head.classList.add("is-settling");
    setTimeout(() => head.classList.remove("is-settling"), UNDER_HAND_MS);
  }
  document.dispatchEvent(new CustomEvent("head:changed"));
});

// A poll that meets a closed session takes nobody away from what they type: the page says so and waits.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.target !== live() || !event.detail.xhr.getResponseHeader("HX-Redirect")) return;
  event.preventDefault();
  document.dispatchEvent(new CustomEvent("session:ended"));
});
// A row that went while the answer was on its way is drawn where nobody sees it.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target !== live()) return;
  answering = true;
  for (const id of asked) if (!document.getElementById(id)) live().append(Object.assign(document.createElement("i"), { id }));
});
document.addEventListener("htmx:afterRequest", (event) => { if (event.target === live()) { live().replaceChildren(); askedAt = 0; answering = false; if (stale) tick(); } });
document.addEventListener("live:mark", (event) => { live().dataset.mark = event.detail.mark; });
document.addEventListener("live:newest", (event) => {
  if (live()) live().dataset.mark = live().dataset.mark.replace(/\d*$/, event.detail.newest);
});
document.addEventListener("live:changed", () => { stale = true; setTimeout(tick); });
document.addEventListener("visibilitychange", tick);
setInterval(tick, EVERY_MS);
