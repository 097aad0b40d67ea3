// Toasts: success fades unless somebody is reading it, failure stays. Also what is said when no answer came.
const toasts = document.getElementById("toasts");
const SHOWN_MS = 8000;
let lastAnswer = new Date();

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".toast").remove();
  if (event.target.closest("[data-reload]")) {
    event.preventDefault();
    location.reload();
  }
});

function fade(toast) {
  let timer;
  const start = () => { timer = setTimeout(() => toast.remove(), SHOWN_MS); };
  const stop = () => clearTimeout(timer);
  toast.removeAttribute("data-fades");
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, stop);
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, start);
  if (!toast.matches(":focus")) start();
}

// A modal dialog makes the rest of the page inert, so the toasts move into the one on top, and home again.
function comeForward() {
  const dialog = [...document.querySelectorAll("dialog[open]")].pop();
  if (dialog && !dialog.contains(toasts)) dialog.append(toasts);
}

function goHome() {
  if (toasts && toasts.parentNode !== document.body) document.body.append(toasts);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.contains(toasts)) goHome();
});
document.addEventListener("close", goHome, true);

// Nobody should type, or press, beneath a toast: they go to the other end of the page while they would cover the focus.
// Where they have a place of their own, what has the focus comes out from under them; who scrolls it away means to.
function stepAside({ type }) {
  toasts.removeAttribute("data-aside");
  const focus = document.activeElement;
  if (!toasts.childElementCount || focus.tabIndex < 0 || toasts.contains(focus)) return;
  const [over, under] = [toasts.getBoundingClientRect(), focus.getBoundingClientRect()];
  const apart = over.bottom <= under.top || under.bottom <= over.top || over.right <= under.left || under.right <= over.left;
  if (getComputedStyle(toasts).position === "fixed") toasts.toggleAttribute("data-aside", !apart);
  else if (!apart && type !== "scrollend") focus.scrollIntoView({ block: "center" });
}

if (toasts) {
  new MutationObserver(stepAside).observe(toasts, { childList: true, subtree: true });
  for (const name of ["focusin", "scrollend"]) document.addEventListener(name, stepAside);
  window.addEventListener("resize", stepAside);
}

function say(name) {
  const template = document.getElementById(`toast-${name}`);
  if (!toasts || !template || toasts.querySelector(`[data-name="${name}"]`)) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.dataset.name = name;
  comeForward();
  toasts.append(toast);
}

document.addEventListener("key:unused", () => say("key"));
document.addEventListener("note:kept", () => say("note"));

// A head changed under somebody's hands: seen as a toast; who listens has heard it already.
document.addEventListener("head:changed", () => {
  const what = document.getElementById("announce")?.textContent.trim();
  if (!what) return;
  toasts.querySelector("[data-name=changed]")?.remove();
  say("changed");
  toasts.querySelector("[data-name=changed] p").textContent = what;
});

// After signing in again: the form is filled in as it was, or what was typed is said.
document.addEventListener("unsent:restored", (event) => {
  say("unsent");
  if (event.detail) toasts.querySelector("[data-name=unsent] p").textContent = event.detail;
});

// Only a submitted refund may have moved money: the form says so with data-money.
function mayHaveMoved({ elt, requestConfig }) {
  return requestConfig?.verb !== "get" && (requestConfig?.elt ?? elt).matches("[data-money], [data-money] [type=submit]");
}

document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (event.target.id === "live") return lost();
  if (status >= 500 && mayHaveMoved(event.detail)) say("unknown");
  else say(status === 403 ? "forbidden" : "error");
});

function lost(name = "connection-lost") {
  const place = document.getElementById("connection");
  const template = document.getElementById(name);
  if (!place || !template || place.childElementCount) return;
  place.append(template.content.cloneNode(true));
  const since = place.querySelector("[data-since]");
  since.dateTime = lastAnswer.toISOString();
  since.textContent = lastAnswer.toLocaleTimeString(document.documentElement.lang, { timeStyle: "short", timeZone: place.dataset.zone || undefined });
}

function noAnswer(event) {
  if (mayHaveMoved(event.detail)) say("unknown");
  else if (event.detail.requestConfig?.verb !== "get") say("error");
  lost();
}

document.addEventListener("htmx:sendError", noAnswer);
document.addEventListener("htmx:timeout", noAnswer);
window.addEventListener("offline", () => lost());
document.addEventListener("session:ended", () => lost("session-ended"));
document.addEventListener("htmx:afterOnLoad", (event) => {
  const { xhr } = event.detail;
  if (xhr.status >= 500 || xhr.getResponseHeader("HX-Redirect")) return;
  lastAnswer = new Date();
  document.getElementById("connection")?.replaceChildren();
});

if (toasts) {
  const greet = () => toasts.querySelectorAll("[data-fades]").forEach(fade);
  new MutationObserver(greet).observe(toasts, { childList: true });
  greet();
}
