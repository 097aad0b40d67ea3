// Live: every few seconds an open page asks what changed in what it shows. A hidden tab asks for nothing, and nothing
// that somebody is working on is replaced: its row, or the whole order, is drawn once they have left it.
const EVERY_MS = 4000;
const postponed = new Set();

const shownRows = () => [...document.querySelectorAll("tr[data-row][id^='order-ORD']")];
const isBusy = (part) => part.contains(document.activeElement) || part.querySelector("details[open], :checked") !== null;

function ask() {
  const live = document.getElementById("live");
  if (!live || document.hidden || document.querySelector("dialog[open]")) return;
  const order = document.querySelector("[data-live-order]");
  const shown = order ? [order.dataset.liveOrder] : shownRows().map((row) => row.id.slice("order-".length));
  if (!shown.length) return;
  const query = new URLSearchParams({ after: live.dataset.after, shown: shown.join(","), page: order ? "order" : "list" });
  window.htmx.ajax("GET", `${live.dataset.live}?${query}`, { source: live, target: "#live", swap: "outerHTML" });
}

function catchUp() {
  for (const id of postponed) {
    const row = document.getElementById(id);
    if (row && isBusy(row)) continue;
    postponed.delete(id);
    if (!row) continue;
    const url = `/orders/${id.slice("order-".length)}/row/`;
    window.htmx.ajax("GET", url, { source: row, target: row, swap: "outerHTML" });
  }
  const order = document.querySelector("[data-live-order][data-stale]");
  if (order && !isBusy(order)) {
    delete order.dataset.stale;
    window.htmx.trigger(order, "live:draw");
  }
}

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const row = event.detail.target;
  if (!row.matches?.("tr[data-row]") || !event.detail.elt?.matches?.("#live") || !isBusy(row)) return;
  event.detail.shouldSwap = false;
  postponed.add(row.id);
});

document.addEventListener("orders:changed", () => {
  const order = document.querySelector("[data-live-order]");
  if (order) order.dataset.stale = "";
  catchUp();
});

setInterval(() => { catchUp(); ask(); }, EVERY_MS);
