// Asking the daemon, and following its records.

/** A URL of our own origin, without the login that may stand in the address bar. */
function url(path) {
  return new URL(path, location.origin);
}

/** The daemon's answer; an error says what it said. */
export async function ask(path) {
  const answer = await fetch(url(path), { headers: { accept: "application/json" } });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.error ?? `the daemon answers ${answer.status}`);
}

/** How the parameters of a question are written. */
export function query(parameters) {
  return new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined));
}

const HISTORY = 100;
const AGAIN_MS = 5000;

/**
 * Follows all records, beginning with the newest that are there. `take` gets arrays of records, oldest first, at most
 * once per frame; `tell` hears whether the connection stands; `anew` hears that what follows does not go on from what
 * was taken. A page that nobody sees does not follow: a browser makes only a few connections to one place.
 */
export class Live {
  constructor({ take, tell, anew }) {
    this.take = take;
    this.tell = tell;
    this.anew = anew;
    this.last = null;
    this.waiting = [];
    this.source = null;
    this.timer = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.start()));
  }

  async start() {
    this.close();
    try {
      const found = await ask(`/api/v1/events?before=end&limit=${HISTORY}`);
      if (document.hidden) return;
      // Who comes back soon goes on; for who comes back late that would be too much to read.
      if (this.last === null || found.head - this.last > HISTORY || found.head < this.last) {
        this.anew();
        this.last = found.head;
        this.take(found.events.reverse());
      }
      this.open();
    } catch {
      this.again();
    }
  }

  open() {
    this.close();
    this.source = new EventSource(url(`/api/v1/tail?after=${this.last}`));
    this.source.onopen = () => this.tell(true);
    this.source.onmessage = (event) => this.heard(event);
    this.source.onerror = () => {
      this.tell(false);
      // A connection that broke the browser makes again by itself; one that was refused it does not.
      if (this.source?.readyState === EventSource.CLOSED) this.again();
    };
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  again() {
    this.tell(false);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), AGAIN_MS);
  }

  heard(event) {
    this.last = Number(event.lastEventId);
    if (this.waiting.length === 0) requestAnimationFrame(() => this.take(this.waiting.splice(0)));
    this.waiting.push(JSON.parse(event.data));
  }
}
