// Dialogs: the drawer that forms arrive in, and any dialog opened by [data-dialog].
const drawer = document.getElementById("drawer");
const FRESH_MS = 6000;
let opener = null;
let landing = null;

document.addEventListener("click", (event) => {
  const opens = event.target.closest("[data-dialog]");
  if (opens) document.getElementById(opens.dataset.dialog)?.showModal();
  // A link to a field of the form leads there, and is no step of the browser's: the panel is one already.
  const jump = drawer?.contains(event.target) && event.target.closest('a[href^="#"]');
  if (jump) {
    event.preventDefault();
    document.querySelector(jump.hash)?.focus();
  }
  const closes = event.target.closest("[data-close]");
  const dialog = closes?.closest("dialog");
  // Outside a dialog the same control is an ordinary link back.
  if (dialog) {
    event.preventDefault();
    dialog.close();
  }
});

function focusFirst() {
  const first = drawer.querySelector("[data-first]") ?? drawer.querySelector("input:not([type=hidden]), select, textarea");
  first?.focus({ focusVisible: false });
}

function open() {
  if (!drawer.innerHTML.trim()) return;
  drawer.returnValue = "";
  if (!drawer.open) drawer.showModal();
  focusFirst();
}

function focusOpener() {
  const again = opener?.isConnected ? opener : document.getElementById(opener?.id || "-");
  const row = document.getElementById(opener?.dataset.rowId || "-");
  (again ?? row?.querySelector("a") ?? document.getElementById("main"))?.focus();
}

// Both are easily done by mistake: while a note was typed, only the second time in a row counts.
function keepsNote(event) {
  const isTyped = [...drawer.querySelectorAll("textarea")].some((note) => note.value.trim());
  if (!isTyped || drawer.querySelector("[data-name=note]")) return false;
  event.preventDefault();
  document.dispatchEvent(new CustomEvent("note:kept"));
  return true;
}

function tint(row) {
  row.classList.add("is-fresh");
  setTimeout(() => row.classList.remove("is-fresh"), FRESH_MS + 1500);
}

function closed() {
  // The browser tells of closing a frame late: a step forward may have opened the next panel by then.
  if (drawer.open) return;
  // A form on its way to Stripe stays until the answer is in; it may come back with an error.
  if (landing || !drawer.querySelector("form.htmx-request")) drawer.replaceChildren();
  if (drawer.returnValue !== "back") document.dispatchEvent(new CustomEvent("panel:closed"));
  if (landing) focusRow(landing);
  else focusOpener();
  landing = null;
}

function focusRow(id) {
  const row = document.getElementById(id);
  if (!row) return focusOpener();
  tint(row);
  (row.querySelector("[data-row-link], a") ?? row).focus();
}

if (drawer) {
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target !== drawer || drawer.contains(event.detail.elt)) return;
    opener = event.detail.elt;
    const row = opener.closest("[data-row]");
    if (row) opener.dataset.rowId = row.id;
  });

  // htmx tells the target; parts of the form, like the preview, must not steal the focus.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== drawer) return;
    const wasOpen = drawer.open;
    open();
    if (wasOpen || !drawer.open) return;
    const detail = { panel: event.detail.pathInfo.finalRequestPath, opener: opener?.id };
    document.dispatchEvent(new CustomEvent("panel:opened", { detail }));
  });

  document.addEventListener("panel:close", () => { if (drawer.open) drawer.close("back"); });
  document.addEventListener("panel:opener", (event) => { opener = document.getElementById(event.detail || "-"); });

  drawer.addEventListener("close", closed);

  // A press on the backdrop closes, as Escape does; a drag that ends there does not.
  drawer.addEventListener("mousedown", (event) => {
    if (event.target === drawer && event.clientX < drawer.getBoundingClientRect().left && !keepsNote(event)) drawer.close();
  });
  drawer.addEventListener("cancel", keepsNote);

  document.addEventListener("refund:done", (event) => {
    landing = event.detail.row;
    if (drawer.open) drawer.close();
    else closed();
  });

  if (drawer.hasAttribute("data-open")) open();
}

// A page that was loaded for a place on it has the focus there; the browser does so for links alone.
if (!drawer?.open) (document.getElementById(location.hash.slice(1)) ?? document.querySelector("[data-first], [autofocus]"))?.focus({ focusVisible: false });
