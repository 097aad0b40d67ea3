// Submitting: once only, with the button saying so, and by Ctrl or Command + Enter.
// What was typed since the last preview may have mended it: only the server knows, and looks again at whatever is sent.
const unread = new WeakSet();
const isBusy = (button) => "was" in button.dataset;
const isStopped = (button) => button?.getAttribute("aria-disabled") === "true" && (isBusy(button) || !unread.has(button.form));

document.addEventListener("input", (event) => { if (event.target.form) unread.add(event.target.form); });
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  if (target.id === "preview") unread.delete(target.closest("form"));
});

// Before htmx hears of it: a button that may not be pressed sends nothing.
document.addEventListener("submit", (event) => {
  const button = event.submitter ?? event.target.querySelector("[type=submit]");
  if (isStopped(button)) {
    event.preventDefault();
    event.stopImmediatePropagation();
    document.getElementById(button.dataset.mend)?.focus();
    return;
  }
  if (button?.dataset.busy) requestAnimationFrame(() => busy(button));
}, true);

function busy(button) {
  const label = button.querySelector("[data-label]") ?? button;
  button.style.minWidth = `${button.offsetWidth}px`;
  button.dataset.was = label.textContent;
  label.textContent = button.dataset.busy;
  button.classList.add("is-busy");
  button.setAttribute("aria-disabled", "true");
}

function rest(button) {
  const label = button.querySelector("[data-label]") ?? button;
  label.textContent = button.dataset.was;
  delete button.dataset.was;
  button.removeAttribute("style");
  button.classList.remove("is-busy");
  button.removeAttribute("aria-disabled");
}

// Only the answer to the form itself counts; that of a preview inside it does not. Before the swap, because htmx
// hands the attributes of an element on to the one with its id, and the policy refuses a style attribute.
function answered(event) {
  const { elt } = event.detail.requestConfig ?? {};
  if (elt?.matches("form")) elt.querySelectorAll("[data-was]").forEach(rest);
}

for (const name of ["htmx:beforeSwap", "htmx:afterRequest"]) document.addEventListener(name, answered);
// What a preview says below a field, its control says too; the control itself is not drawn anew under somebody's hands.
document.addEventListener("htmx:afterSettle", () => {
  for (const place of document.querySelectorAll("[data-said]")) {
    for (const control of document.querySelectorAll(`[aria-describedby~="${place.id}"]`)) {
      control.classList.toggle("is-invalid", place.childElementCount > 0);
      if (place.childElementCount) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    }
  }
});

// The page comes back from the browser's cache with its buttons as they were left.
window.addEventListener("pageshow", () => document.querySelectorAll("[data-was]").forEach(rest));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.closest("form") ?? document.querySelector("dialog[open] form");
  const button = form?.querySelector("[type=submit].btn-primary, [type=submit]");
  if (!button) return;
  event.preventDefault();
  form.requestSubmit(button);
});
