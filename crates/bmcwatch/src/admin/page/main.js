// The page: which view is shown, and when the daemon is asked.

import { Live, ask } from "./api.js";
import { Endpoint } from "./endpoint.js";
import { Fleet } from "./fleet.js";
import { Records, putOnTop } from "./records.js";
import { showSinks } from "./sinks.js";
import { clean } from "./text.js";

/** How often states are asked for; a large fleet is a megabyte or more. */
const REFRESH_MS = 5000;
const REFRESH_LARGE_MS = 15000;
const LARGE = 1000;
/** All that the daemon gives in one answer. */
const ENDPOINTS_MAX = 10000;
/** Beside the table. */
const LATEST = 40;

const VIEWS = ["endpoints", "records", "sinks", "endpoint"];
const TITLES = { endpoints: "Endpoints", records: "Records", sinks: "Sinks" };

const health = document.getElementById("health");
const latest = document.getElementById("latest");
const fleet = new Fleet();
const records = new Records();
const endpoint = new Endpoint();
let known = null;
let answered = null;
let follows = false;
let timer = null;

function tellHealth(problem) {
  const since = answered ? `; shown is what was known at ${answered.toLocaleTimeString()}` : "";
  health.textContent = problem ? clean(`${problem}${since}`) : follows ? "live" : "connecting\u2026";
  health.className = problem ? "bad" : follows ? "good" : "";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The view that the address names, and the endpoint, if it is that view. */
function asked() {
  const [view, id] = location.hash.replace(/^#\/?/, "").split("/");
  if (view === "endpoints" && id) return ["endpoint", decoded(id)];
  return [VIEWS.includes(view) && view !== "endpoint" ? view : "endpoints", null];
}

function show() {
  const [view, id] = asked();
  for (const name of VIEWS) document.getElementById(name).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.dataset.view === view || (view === "endpoint" && link.dataset.view === "endpoints");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${id ?? TITLES[view]} \u2013 bmcwatch`;
  if (view === "endpoint") endpoint.open(id, known);
  else endpoint.close();
  if (view === "endpoints") fleet.rows.set(fleet.rows.items);
}

async function refresh() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      const [endpoints, sinks] = await Promise.all([
        ask(`/api/v1/endpoints?limit=${ENDPOINTS_MAX}`),
        ask("/api/v1/sinks"),
      ]);
      known = endpoints.endpoints;
      answered = new Date();
      fleet.set(known);
      endpoint.set(known);
      showSinks(sinks.sinks);
      tellHealth(null);
    } catch (error) {
      tellHealth(`The daemon does not answer: ${error.message}`);
    }
  }
  timer = setTimeout(refresh, known?.length > LARGE ? REFRESH_LARGE_MS : REFRESH_MS);
}

const live = new Live({
  take(news) {
    putOnTop(latest, news, LATEST);
    records.take(news);
    endpoint.take(news);
  },
  tell(stands) {
    follows = stands;
    if (health.className !== "bad") tellHealth(null);
  },
  anew() {
    latest.replaceChildren();
    records.load();
    endpoint.load();
  },
});

addEventListener("hashchange", () => {
  show();
  document.getElementById("main").focus({ preventScroll: true });
});
document.addEventListener("visibilitychange", refresh);
show();
refresh();
live.start();
