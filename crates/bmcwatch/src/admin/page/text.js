// Elements made of text. What a BMC wrote is only ever text here: nothing in this page makes markup of a string.

/** Characters that are invisible, or that turn the direction of the text around them. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The text with such characters shown as what they are. */
export function clean(text) {
  return String(text).replace(HIDDEN, (c) => (c === "\n" ? " \u23ce " : `\\u{${c.codePointAt(0).toString(16)}}`));
}

/** An element with a class and children: elements, or texts, which are cleaned. */
export function el(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const child of children) {
    if (child !== null && child !== undefined) element.append(child instanceof Node ? child : clean(child));
  }
  return element;
}

/** A link to the view of one endpoint. */
export function endpointLink(id) {
  const link = el("a", "", id);
  link.href = `#/endpoints/${encodeURIComponent(id)}`;
  return link;
}

/** A state or severity: a sign and its word, so that nothing depends on colour alone. */
const SIGNS = {
  streaming: "\u25cf", polling: "\u25d0", connecting: "\u25cc", backoff: "\u25b2", auth_failed: "\u2715", unsupported: "\u25a0",
  critical: "\u25b2", warning: "\u25c6", ok: "\u25cf", unknown: "\u25cb", up: "\u25cf", down: "\u25b2", ended: "\u25a0",
};

export function badge(word) {
  const sign = el("span", "sign", SIGNS[word] ?? "\u25cb");
  sign.setAttribute("aria-hidden", "true");
  return el("span", `badge ${SIGNS[word] ? word : ""}`, sign, word.replace("_", " "));
}

const STEPS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function length(seconds) {
  for (const [size, unit] of STEPS) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return "0 s";
}

/** How long ago something was, or in how long it will be; the exact time when one points at it. */
export function time(text, now = Date.now()) {
  if (!text) return el("span", "none", "\u2013");
  const seconds = (now - Date.parse(text)) / 1000;
  const ago = seconds >= 0 ? `${length(seconds)} ago` : `in ${length(-seconds)}`;
  const element = el("time", "", ago);
  element.dateTime = text;
  element.title = clean(text);
  return element;
}

/** In how long something will be; "now" when it is due. */
export function until(text) {
  return text && Date.parse(text) <= Date.now() ? el("span", "", "now") : time(text);
}

/** A time of day where the reader is, with the day when it is not today. */
export function clock(text) {
  const at = new Date(text);
  const two = (number) => String(number).padStart(2, "0");
  const hour = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  const today = at.toDateString() === new Date().toDateString();
  const element = el("time", "", today ? hour : `${day} ${hour}`);
  element.dateTime = text;
  element.title = clean(text);
  return element;
}

/** A whole number as people write it. */
export function count(number) {
  return Number(number).toLocaleString();
}
