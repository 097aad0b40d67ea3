// ARIA 1.2 combobox: the server fills the listbox, the arrows move through it, Enter or a click takes an option.
const inputOf = (list) => document.querySelector(`[role="combobox"][aria-controls="${list.id}"]`);
const listOf = (input) => document.getElementById(input.getAttribute("aria-controls"));
const options = (list) => [...list.querySelectorAll('[role="option"]')];

function show(input, shown) {
  const list = listOf(input);
  input.setAttribute("aria-expanded", String(shown));
  if (list) (list.closest(".combo-list") ?? list).hidden = !shown;
  if (!shown) mark(input, null);
}

function mark(input, option) {
  for (const other of options(listOf(input))) other.setAttribute("aria-selected", String(other === option));
  if (!option) return input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function take(input, option) {
  show(input, false);
  if (option.dataset.href) return location.assign(option.dataset.href);
  input.value = option.dataset.label ?? option.textContent.trim();
  const value = document.getElementById(input.dataset.value);
  if (!value) return;
  value.value = option.dataset.value;
  value.dispatchEvent(new Event("change", { bubbles: true }));
}

function step(input, by) {
  const all = options(listOf(input));
  if (!all.length) return;
  show(input, true);
  const at = all.findIndex((option) => option.id === input.getAttribute("aria-activedescendant"));
  mark(input, all[(at + by + all.length + (at < 0 && by < 0 ? 1 : 0)) % all.length]);
}

document.addEventListener("keydown", (event) => {
  const input = event.target.closest('[role="combobox"]');
  if (!input || event.isComposing) return;
  const active = document.getElementById(input.getAttribute("aria-activedescendant") ?? "-");
  if (event.key === "ArrowDown") step(input, 1);
  else if (event.key === "ArrowUp") step(input, -1);
  else if (event.key === "Enter" && active) take(input, active);
  else if (event.key === "Escape" && input.getAttribute("aria-expanded") === "true") show(input, false);
  else return;
  event.preventDefault();
});

// mousedown, so that the field keeps the focus.
document.addEventListener("mousedown", (event) => {
  const option = event.target.closest('[role="listbox"] [role="option"]');
  if (!option || event.button !== 0) return;
  event.preventDefault();
  take(inputOf(option.closest('[role="listbox"]')), option);
});

document.addEventListener("focusout", (event) => {
  if (event.target.matches('[role="combobox"]')) show(event.target, false);
});

document.addEventListener("htmx:afterSwap", (event) => {
  const box = event.detail.target;
  const list = box.matches('[role="listbox"]') ? box : box.querySelector('[role="listbox"]');
  const input = list && inputOf(list);
  if (!input) return;
  // "Nobody found" is shown too, though there is nothing to choose from.
  show(input, document.activeElement === input && box.textContent.trim() !== "");
  if (!list.childElementCount) input.setAttribute("aria-expanded", "false");
  const said = document.getElementById("announce");
  if (said) said.textContent = box.querySelector(".combo-foot span")?.textContent ?? "";
});
