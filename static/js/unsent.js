// A form whose session ended under it, or that is reloaded: what was typed waits in this tab until it is there again.
const KEY = "unsent";
const RELOADED = "reloaded";
const KINDS = ":is(input, select, textarea):not([type=hidden], [type=password], [type=file], [type=submit])";

const forms = (action) => [...document.querySelectorAll("form[method=post]")].filter((form) => form.getAttribute("action") === action);
const fields = (form) => [...form.elements].filter((field) => field.name && field.matches(KINDS));
const isTick = (field) => field.matches("[type=checkbox], [type=radio]");

function isTouched(field) {
  if (isTick(field)) return field.checked !== field.defaultChecked;
  if (field.matches("select")) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.value !== field.defaultValue;
}

function keep(form, met = false) {
  if (!fields(form).length) return;
  const action = form.getAttribute("action") ?? location.pathname;
  const typed = fields(form).map((field) => [field.name, field.value, !isTick(field) || field.checked]);
  sessionStorage.setItem(KEY, JSON.stringify({ action, at: forms(action).indexOf(form), typed, met }));
}

// htmx is sent to sign in, by a form or while somebody types; or a page is too old because they signed in elsewhere.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, requestConfig: { elt, verb } } = event.detail;
  const isOld = xhr.status === 403 && xhr.getResponseHeader("HX-Refresh");
  if (!isOld && !xhr.getResponseHeader("HX-Redirect")?.startsWith("/login/")) return;
  const sent = verb === "get" ? null : elt.closest("form[method=post]");
  const form = sent ?? [...document.querySelectorAll("form[method=post]")].find((each) => fields(each).some(isTouched));
  if (form) keep(form, Boolean(isOld));
});

// A plain form leaves the page either way; whether it met the sign-in page is known on the page after.
document.addEventListener("submit", (event) => {
  if (event.target.matches("form[method=post]:not([hx-post])") && document.querySelector(".shell")) keep(event.target);
});

// A form that is a page of its own is there again after a reload; one in the drawer was closed by it.
window.addEventListener("pagehide", () => {
  const form = document.querySelector(".drawer-page form[method=post]");
  if (form && !sessionStorage.getItem(KEY) && fields(form).some(isTouched)) keep(form, RELOADED);
});

function fill(form, typed) {
  form.closest("details")?.setAttribute("open", "");
  for (const [name, value, on] of typed) {
    for (const field of fields(form).filter((each) => each.name === name)) {
      if (!isTick(field)) field.value = value;
      else if (field.value === value) field.checked = on;
    }
  }
  const last = fields(form).at(-1);
  for (const kind of ["input", "change"]) last?.dispatchEvent(new Event(kind, { bubbles: true }));
}

async function restore({ action, at, typed }) {
  if (!forms(action).length) await window.htmx.ajax("GET", action, { target: "#drawer", swap: "innerHTML" });
  const form = forms(action)[at] ?? forms(action)[0];
  if (form) fill(form, typed);
  document.dispatchEvent(new CustomEvent("unsent:restored", { detail: form ? "" : typed.map(([, value]) => value).join(" · ") }));
}

window.addEventListener("load", () => {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  if (!kept) return;
  if (document.querySelector("[data-not-sent]")) return sessionStorage.setItem(KEY, JSON.stringify({ ...kept, met: true }));
  sessionStorage.removeItem(KEY);
  if (kept.met === true) return restore(kept);
  const form = performance.getEntriesByType("navigation")[0]?.type === "reload" && forms(kept.action)[kept.at];
  if (kept.met === RELOADED && form) fill(form, kept.typed);
});
