// The sinks: where records go, and whether they arrive.

import { badge, clean, count, el, time } from "./text.js";

function state(sink) {
  if (sink.ended) return "ended";
  return sink.up ? "up" : "down";
}

function row(sink) {
  const number = (value) => el("td", "number", count(value));
  const error = el("td", "error", sink.last_error ?? "");
  if (sink.last_error_at) error.prepend(time(sink.last_error_at), " ");
  const head = el("th", "", sink.name);
  head.scope = "row";
  return el(
    "tr", "", head, el("td", "", sink.type), el("td", "", badge(state(sink))), number(sink.lag), number(sink.delivered),
    number(sink.expired), el("td", "", time(sink.last_success_at)), error,
  );
}

export function showSinks(sinks) {
  document.getElementById("sink-table").tBodies[0].replaceChildren(...sinks.map(row));
  const down = sinks.filter((sink) => state(sink) !== "up");
  const mark = document.getElementById("sinks-badge");
  mark.textContent = down.length > 0 ? clean(`${down.length} down`) : "";
  mark.className = down.length > 0 ? "mark" : "";
}
