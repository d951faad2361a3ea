// All endpoints: how many are in which state, and a table that can be searched and sorted.

import { Rows } from "./rows.js";
import { badge, clean, count, el, endpointLink, time, until } from "./text.js";

/** Trouble first. */
const STATES = ["auth_failed", "unsupported", "backoff", "connecting", "polling", "streaming"];

/** What is behind a state: the reason, and the error where it is what matters. */
export function why(endpoint) {
  const troubled = ["backoff", "auth_failed", "unsupported"].includes(endpoint.state);
  return [endpoint.reason, troubled ? endpoint.last_error : null].filter(Boolean).join(": ");
}

const rank = new Map(STATES.map((state, index) => [state, index]));
const byTime = (name) => (endpoint) => (endpoint[name] ? -Date.parse(endpoint[name]) : Infinity);

/** Name, title, what to sort by, what to show. */
const COLUMNS = [
  ["id", "Endpoint", (e) => e.id, (e) => endpointLink(e.id)],
  ["state", "State", (e) => rank.get(e.state), (e) => badge(e.state)],
  ["mode", "Mode", (e) => e.mode, (e) => e.mode],
  ["why", "Reason", (e) => why(e) || "\uffff", (e) => why(e)],
  ["since", "Since", byTime("since"), (e) => time(e.since)],
  ["event", "Last event", byTime("last_event_at"), (e) => time(e.last_event_at)],
  ["next", "Next try", (e) => (e.next_try_at ? Date.parse(e.next_try_at) : Infinity), (e) => until(e.next_try_at)],
];

/** Made once: `localeCompare` with options makes one at each call, and a sort makes a hundred thousand. */
const collator = new Intl.Collator(undefined, { numeric: true });

function compare(a, b) {
  return typeof a === "string" ? collator.compare(a, b) : a - b;
}

/** Everything of an endpoint that can be searched. */
function searchable(endpoint) {
  const labels = Object.entries(endpoint.labels).map(([name, value]) => `${name}=${value}`);
  const words = [endpoint.id, endpoint.address, endpoint.state, endpoint.mode, endpoint.vendor, endpoint.product];
  return [...words, why(endpoint), ...labels].filter(Boolean).join("\n").toLowerCase();
}

export class Fleet {
  constructor() {
    this.endpoints = [];
    this.state = null;
    this.sorted = { column: "state", direction: 1 };
    this.tiles = document.getElementById("tiles");
    this.filter = document.getElementById("filter");
    this.shown = document.getElementById("shown");
    this.rows = new Rows(document.getElementById("scroller"), document.getElementById("fleet"), (e) => this.row(e));
    this.filter.addEventListener("input", () => this.draw());
    this.makeTiles();
    this.makeHead();
  }

  /** New endpoints from the daemon. */
  set(endpoints) {
    this.endpoints = endpoints;
    this.texts = null;
    this.draw();
  }

  makeTiles() {
    this.numbers = new Map();
    for (const state of ["all", ...STATES]) {
      const number = el("b", "", "0");
      this.numbers.set(state, number);
      const tile = el("button", `tile ${state}`, number, state === "all" ? "all" : badge(state));
      tile.type = "button";
      tile.dataset.state = state;
      tile.addEventListener("click", () => this.choose(state));
      this.tiles.append(tile);
    }
  }

  choose(state) {
    this.state = state === "all" || state === this.state ? null : state;
    this.rows.scroller.scrollTop = 0;
    this.draw();
  }

  makeHead() {
    this.heads = COLUMNS.map(([name, title]) => {
      const arrow = el("span", "arrow");
      arrow.setAttribute("aria-hidden", "true");
      const button = el("button", "", title, arrow);
      button.type = "button";
      button.addEventListener("click", () => this.sort(name));
      const head = el("th", `c-${name}`, button);
      head.scope = "col";
      return head;
    });
    this.rows.table.tHead.rows[0].append(...this.heads);
  }

  sort(column) {
    const again = this.sorted.column === column;
    this.sorted = { column, direction: again ? -this.sorted.direction : 1 };
    this.draw();
  }

  draw() {
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    for (const endpoint of this.endpoints) counts[endpoint.state] += 1;
    for (const [state, number] of this.numbers) {
      const value = state === "all" ? this.endpoints.length : counts[state];
      number.textContent = count(value);
      const tile = number.parentElement;
      tile.setAttribute("aria-pressed", String((this.state ?? "all") === state));
      tile.classList.toggle("zero", value === 0);
    }
    COLUMNS.forEach(([name], index) => {
      const { column, direction } = this.sorted;
      const head = this.heads[index];
      if (name === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
      head.querySelector(".arrow").textContent = name === column ? (direction > 0 ? "\u25b4" : "\u25be") : "";
    });
    const chosen = this.chosen();
    this.shown.textContent =
      chosen.length === this.endpoints.length ? `${count(chosen.length)} endpoints` : `${count(chosen.length)} of ${count(this.endpoints.length)}`;
    this.rows.set(chosen);
  }

  /** The endpoints that fit what is asked for, in order. */
  chosen() {
    const terms = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    // Made when somebody searches, and not while the page opens.
    if (terms.length > 0) this.texts ??= this.endpoints.map(searchable);
    const fits = (endpoint, index) =>
      (this.state === null || endpoint.state === this.state) && terms.every((term) => this.texts[index].includes(term));
    const by = COLUMNS.find(([name]) => name === this.sorted.column)[2];
    const keyed = this.endpoints.filter(fits).map((endpoint) => [by(endpoint), endpoint]);
    keyed.sort(([a, x], [b, y]) => this.sorted.direction * compare(a, b) || compare(x.id, y.id));
    return keyed.map(([, endpoint]) => endpoint);
  }

  row(endpoint) {
    const cells = COLUMNS.map(([name, , , show]) => el("td", `c-${name}`, show(endpoint)));
    // What does not fit can be pointed at.
    cells[0].title = clean(endpoint.id);
    cells[3].title = clean(why(endpoint));
    return el("tr", "", ...cells);
  }
}
