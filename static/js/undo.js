// Refunds that can still be undone: counts their seconds down, and asks for the sending when they are over.
const TICK_MS = 250;
const LEAVES_MS = 10_000;
const ends = new WeakMap();
let leftAt = -LEAVES_MS;

function endOf(part) {
  if (!ends.has(part)) ends.set(part, Date.now() + Number(part.dataset.seconds) * 1000);
  return ends.get(part);
}

// The form of the toast sends it, once; a row only counts, and is drawn afresh when somebody sent it. What could be
// pressed until now keeps its room, so that nothing moves under anybody's hands.
function over(part) {
  part.removeAttribute("data-seconds");
  const hold = part.closest("[data-hold]");
  (hold ?? part.closest("a, button"))?.classList.add("is-over");
  hold?.querySelector("[data-hold-over]")?.requestSubmit();
}

// A form would call back whoever is on the way to another page; a worker sends it then. A download leaves nothing.
addEventListener("beforeunload", () => { leftAt = performance.now(); });
const isLeaving = () => performance.now() - leftAt < LEAVES_MS;

function tick() {
  for (const part of document.querySelectorAll("[data-seconds]")) {
    const left = Math.ceil((endOf(part) - Date.now()) / 1000);
    if (left <= 0 && !isLeaving()) over(part);
    else if (left > 0 && part.textContent !== String(left)) part.textContent = left;
  }
}

// What was undone or sent takes its toast along; the focus that was in it goes to the order's row, or the refund's card.
document.addEventListener("refund:settled", (event) => {
  if (document.activeElement && document.activeElement !== document.body) return;
  const row = document.getElementById(event.detail.row);
  (row?.querySelector("[data-row-link], a") ?? document.getElementById(event.detail.card) ?? document.getElementById("main"))?.focus({ preventScroll: true });
});

// Not before htmx holds the forms: one that it does not hold yet would lead to another page.
document.addEventListener("htmx:load", () => { setInterval(tick, TICK_MS); tick(); }, { once: true });
