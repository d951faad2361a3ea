// Lists of records, newest on top: the latest beside the endpoints, and the view in which they are followed and searched.

import { ask, query } from "./api.js";
import { badge, clean, clock, count, el, endpointLink } from "./text.js";

const SEVERITIES = ["unknown", "ok", "warning", "critical"];

/** Records kept in a list: more than anybody scrolls through; the journal has the rest. */
const KEPT = 500;
/** Asked for at a time. */
const PAGE = 100;
/** Questions for one page: each looks at thousands of records and may find none. */
const TRIES = 10;

/** A record as an item of a list; what the BMC sent is behind it. */
export function item(record) {
  const head = el(
    "summary", "",
    el("span", "when", clock(record.occurred_at ?? record.observed_at)),
    badge(record.severity),
    el("span", "who", endpointLink(record.endpoint.id)),
    el("span", "message", record.message || record.message_id || "(no text)"),
    el("span", "what", [record.message_id, `${record.kind} by ${record.source}`].filter(Boolean).join(" \u00b7 ")),
  );
  const more = el("details", "", head);
  // Few are ever opened, so what is inside is made then.
  more.addEventListener("toggle", () => {
    if (more.children.length === 1) more.append(whole(record));
  });
  return el("li", `record ${SEVERITIES.includes(record.severity) ? record.severity : ""}`, more);
}

/** Everything of a record, what the BMC sent included. */
function whole(record) {
  const text = el("pre", "");
  text.textContent = JSON.stringify(record, null, 2).split("\n").map(clean).join("\n");
  return text;
}

/** Puts records (oldest first) on top of a list and takes away what is too much at its end. */
export function putOnTop(list, records, kept) {
  list.prepend(...records.slice(-kept).reverse().map(item));
  while (list.children.length > kept) list.lastElementChild.remove();
}

/** The newest records that fit, newest first, and where older ones begin; `null` where there are none. */
export async function newest(parameters, before = "end") {
  const found = [];
  for (let tries = 0; tries < TRIES && found.length < PAGE; tries += 1) {
    const page = await ask(`/api/v1/events?${query({ ...parameters, before, limit: PAGE - found.length })}`);
    found.push(...page.events);
    before = page.next;
    if (!page.more) return [found, null];
  }
  return [found, before];
}

/** A list that begins with what the journal has and goes on with what comes. */
export class Following {
  constructor(list) {
    this.list = list;
    this.loads = 0;
    this.position = null;
    this.held = [];
    this.paused = false;
  }

  /** Shows what the journal has, anew; gives what was found, unless something else has been asked for meanwhile. */
  async load(parameters) {
    this.loads += 1;
    const load = this.loads;
    this.position = null;
    this.held = [];
    const [found, before] = await newest(parameters);
    if (load !== this.loads) return null;
    this.position = found[0]?.position ?? 0;
    this.list.replaceChildren(...found.map(item));
    this.flow();
    return { found, before };
  }

  /** New records, oldest first; they wait while the list is being loaded or is paused. */
  take(records) {
    this.held.push(...records);
    if (this.held.length > KEPT) this.held.splice(0, this.held.length - KEPT);
    this.flow();
  }

  flow() {
    if (this.position === null || this.paused || this.held.length === 0) return;
    putOnTop(this.list, this.held.splice(0).filter((record) => record.position > this.position), KEPT);
  }
}

/** Whether an id fits a pattern in which * stands for any characters, as the daemon sees it. */
function fits(pattern, id) {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(id);
}

/** The view in which records are followed and searched. */
export class Records {
  constructor() {
    this.following = new Following(document.getElementById("stream"));
    this.severity = document.getElementById("severity");
    this.endpoint = document.getElementById("of-endpoint");
    this.pause = document.getElementById("pause");
    this.older = document.getElementById("older");
    this.followed = document.getElementById("followed");
    this.before = null;
    this.severity.addEventListener("change", () => this.load());
    this.endpoint.addEventListener("change", () => this.load());
    this.pause.addEventListener("click", () => this.hold(!this.following.paused));
    this.older.addEventListener("click", () => this.loadOlder());
  }

  parameters() {
    const severity = this.severity.value === "unknown" ? "" : this.severity.value;
    return { severity, endpoint: this.endpoint.value.trim() };
  }

  /** What the journal has, anew. */
  async load() {
    this.before = null;
    await this.tried(async () => {
      const loaded = await this.following.load(this.parameters());
      if (loaded === null) return;
      this.before = loaded.before;
      this.tell(loaded.found.length === 0 ? "none yet" : "");
    });
  }

  async loadOlder() {
    await this.tried(async () => {
      const [found, before] = await newest(this.parameters(), this.before);
      this.before = before;
      this.following.list.append(...found.map(item));
    });
  }

  async tried(work) {
    try {
      await work();
    } catch (error) {
      this.tell(error.message);
    }
    this.older.hidden = this.before === null;
  }

  /** New records, of which those that fit are shown, or wait while paused. */
  take(records) {
    const { severity, endpoint } = this.parameters();
    const rank = (word) => SEVERITIES.indexOf(word);
    const least = rank(severity || "unknown");
    // As the daemon has it: what is not known passes as a warning.
    const isAsked = (record) =>
      rank(record.severity === "unknown" ? "warning" : record.severity) >= least && (endpoint === "" || fits(endpoint, record.endpoint.id));
    const asked = records.filter(isAsked);
    if (asked.length === 0) return;
    this.following.take(asked);
    this.tell(this.following.paused ? `${count(this.following.held.length)} waiting` : "");
  }

  hold(paused) {
    this.following.paused = paused;
    this.pause.setAttribute("aria-pressed", String(paused));
    this.pause.textContent = paused ? "Go on" : "Pause";
    this.tell(paused ? "paused" : "");
    this.following.flow();
  }

  tell(text) {
    this.followed.textContent = clean(text);
  }
}
