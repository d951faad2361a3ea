// A table of any number of rows, of which only those in sight are in the document.

/** Rows above and below those in sight, so that scrolling shows no gap. */
const SPARE = 12;

/** A row that stands for the rows that are not there. */
function spacer() {
  const row = document.createElement("tr");
  row.setAttribute("aria-hidden", "true");
  row.className = "spacer";
  return row;
}

export class Rows {
  /** `make(item, index)` makes a row; all rows are as high as the stylesheet says. */
  constructor(scroller, table, make) {
    this.scroller = scroller;
    this.table = table;
    this.body = table.tBodies[0];
    this.make = make;
    this.items = [];
    this.above = spacer();
    this.below = spacer();
    this.rowHeight = parseFloat(getComputedStyle(table).getPropertyValue("--row")) || 36;
    this.shown = "";
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    addEventListener("resize", () => this.draw());
  }

  set(items) {
    // Who is about to copy a text keeps it.
    const selected = getSelection();
    if (!selected.isCollapsed && this.body.contains(selected.anchorNode)) return;
    this.items = items;
    this.table.setAttribute("aria-rowcount", items.length + 1);
    this.shown = "";
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.rowHeight) - SPARE);
    const fits = Math.ceil(this.scroller.clientHeight / this.rowHeight) + 2 * SPARE;
    const end = Math.min(this.items.length, first + fits);
    const shown = `${first}-${end}`;
    if (shown === this.shown) return;
    this.shown = shown;
    // Who has a link in focus keeps it.
    const focused = this.body.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    this.above.style.height = `${first * this.rowHeight}px`;
    this.below.style.height = `${(this.items.length - end) * this.rowHeight}px`;
    const rows = this.items.slice(first, end).map((item, index) => {
      const row = this.make(item);
      row.setAttribute("aria-rowindex", first + index + 2);
      return row;
    });
    this.body.replaceChildren(this.above, ...rows, this.below);
    if (focused) {
      [...this.body.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
    }
  }
}
