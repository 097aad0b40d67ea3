// Check boxes of a table: select all, the mixed state, ranges with Shift, and the form that follows the choice.
let lastBox = null;

const boxesOf = (table) => [...table.querySelectorAll("tbody input[type=checkbox]:not(:disabled)")];

function refresh(table) {
  const all = table.querySelector("[data-select-all]");
  if (!all) return;
  const boxes = boxesOf(table);
  const on = boxes.filter((box) => box.checked).length;
  all.checked = on > 0 && on === boxes.length;
  all.indeterminate = on > 0 && on < boxes.length;
}

const refreshAll = () => {
  document.querySelectorAll("table:has([data-select-all])").forEach(refresh);
  document.querySelectorAll("[data-indeterminate]").forEach((box) => { box.indeterminate = true; });
};

function choose(boxes, value) {
  for (const box of boxes) box.checked = value;
}

document.addEventListener("change", (event) => {
  const table = event.target.closest("table");
  if (!table || event.target.type !== "checkbox") return;
  if (event.target.matches("[data-select-all]")) choose(boxesOf(table), event.target.checked);
  refresh(table);
  // The server counts and sums; it listens for this on the form or the bar.
  table.dispatchEvent(new CustomEvent("selection:changed", { bubbles: true }));
});

document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.type !== "checkbox" || !box.closest("tbody")) return;
  const boxes = boxesOf(box.closest("table"));
  const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
  if (event.shiftKey && from >= 0) choose(boxes.slice(from, to + 1), box.checked);
  lastBox = box;
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-select-none]")) return;
  for (const table of document.querySelectorAll("table:has([data-select-all])")) {
    choose(boxesOf(table), false);
    refresh(table);
    table.dispatchEvent(new CustomEvent("selection:changed", { bubbles: true }));
  }
});

document.addEventListener("htmx:afterSettle", refreshAll);
refreshAll();
