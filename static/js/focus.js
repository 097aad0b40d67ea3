// When what had the focus is swapped away, the focus goes to its neighbour and not to the top of the page.
const rows = () => [...document.querySelectorAll("[data-row]")];
let place = null;

document.addEventListener("htmx:beforeSwap", () => {
  const row = document.activeElement?.closest("[data-row]");
  place = row && { id: row.id, at: rows().indexOf(row) };
});

document.addEventListener("htmx:afterSettle", () => {
  const lost = place && (!document.activeElement || document.activeElement === document.body);
  if (lost) {
    const row = document.getElementById(place.id) ?? rows()[place.at] ?? rows().at(-1);
    const target = row?.querySelector("[data-row-link], a") ?? document.querySelector("thead a") ?? document.getElementById("main");
    target?.focus({ preventScroll: true });
  }
  place = null;
});
