// One endpoint: everything that is known of it, and its last records.

import { why } from "./fleet.js";
import { Following } from "./records.js";
import { badge, clean, count, el, time, until } from "./text.js";

/** Numbers by their reason, largest first. */
function numbers(counts) {
  const pairs = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return pairs.length === 0 ? "none" : pairs.map(([reason, number]) => `${reason} ${count(number)}`).join(", ");
}

function labels(endpoint) {
  return Object.entries(endpoint.labels).map(([name, value]) => `${name}=${value}`).join("  ");
}

function error(endpoint) {
  if (!endpoint.last_error) return "none";
  return el("span", "", time(endpoint.last_error_at), el("span", "error", endpoint.last_error));
}

function clockOffset(seconds) {
  if (seconds === null) return null;
  if (Math.abs(seconds) < 1) return "as ours, within a second";
  return `${count(Math.round(Math.abs(seconds)))} s ${seconds > 0 ? "ahead of" : "behind"} ours`;
}

function facts(e) {
  return [
    ["State", el("span", "", badge(e.state), ", changed ", time(e.since))],
    ["Reason", why(e)],
    ["Mode", e.mode],
    ["Next try", e.next_try_at && until(e.next_try_at)],
    ["Next try of the stream", e.next_stream_try_at && until(e.next_stream_try_at)],
    ["Last answer", time(e.last_success_at)],
    ["Last event", time(e.last_event_at)],
    ["Last error", error(e)],
    ["Address", e.address],
    ["Labels", labels(e)],
    ["Machine", [e.vendor, e.product, e.redfish_version && `Redfish ${e.redfish_version}`].filter(Boolean).join(", ")],
    ["TLS", e.insecure ? el("span", "badge warning", "not verified (trust = \"insecure\")") : "verified"],
    ["Certificate ends", e.certificate_not_after && time(e.certificate_not_after)],
    ["Refused key", e.refused_key],
    ["Its clock", clockOffset(e.clock_offset_seconds)],
    ["Records", count(e.records)],
    ["Stream", `items ${count(e.stream_items)}, reconnections ${count(e.reconnections)}`],
    ["Requests", `${count(e.requests)}, ${count(e.requests_last_minute)} in the last minute`],
    ["Failed requests", numbers(e.failures)],
    ["Stream errors", numbers(e.stream_errors)],
    ["Gaps", numbers(e.gaps)],
  ].filter(([, value]) => value);
}

export class Endpoint {
  constructor() {
    this.id = null;
    this.title = document.getElementById("endpoint-title");
    this.facts = document.getElementById("facts");
    this.following = new Following(document.getElementById("endpoint-records"));
    this.note = document.getElementById("endpoint-note");
  }

  /** Shows this endpoint from now on. */
  open(id, endpoints) {
    this.id = id;
    this.title.textContent = clean(id);
    this.following.list.replaceChildren();
    this.set(endpoints);
    this.load();
  }

  /** Its records, as the journal has them now. */
  async load() {
    if (this.id === null) return;
    this.note.textContent = "looking\u2026";
    try {
      const loaded = await this.following.load({ endpoint: this.id });
      if (loaded !== null) this.note.textContent = loaded.found.length === 0 ? "none" : "";
    } catch (error) {
      this.note.textContent = clean(error.message);
    }
  }

  close() {
    this.id = null;
  }

  /** New states from the daemon. */
  set(endpoints) {
    const endpoint = endpoints?.find((known) => known.id === this.id);
    if (!endpoint) {
      const text = endpoints ? "There is no such endpoint now." : "";
      this.facts.replaceChildren(el("dt", "", text));
      return;
    }
    this.facts.replaceChildren(...facts(endpoint).flatMap(([name, value]) => [el("dt", "", name), el("dd", "", value)]));
  }

  /** New records. */
  take(records) {
    const ours = records.filter((record) => record.endpoint.id === this.id);
    if (ours.length === 0) return;
    this.note.textContent = "";
    this.following.take(ours);
  }
}
