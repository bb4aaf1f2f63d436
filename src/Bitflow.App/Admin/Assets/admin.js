// Shows what /proxies, /connections and /readyz say, every two seconds. Everything that a client or a configuration could have chosen is set as
// text, never as markup.
"use strict";

const intervalMs = 2000;
const patienceMs = 5000;
const mostConnections = 1000;
const byId = id => document.getElementById(id);
const columns = id => [...byId(id).closest("table").tHead.rows[0].cells].map(cell => cell.textContent);
const labels = { proxies: columns("proxies"), connections: columns("connections") };
let proxies = [];
let connections = [];
let rates = new Map();
let last = null;
let paused = false;

function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) { count /= 1000; unit++; }
  return `${unit === 0 ? Math.round(count) : count.toPrecision(3)} ${units[unit]}`;
}

function age(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 1) return `${Math.round(ms)} ms`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

const whole = number => number.toLocaleString("en");
const perSecond = number => number >= 100 ? whole(Math.round(number)) : number.toFixed(1);

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function show(table, rows) {
  byId(table).replaceChildren(...rows.map(cells => {
    const tr = document.createElement("tr");
    tr.setAttribute("role", "row");
    cells.forEach(([content, kind], i) => {
      const td = element("td", Array.isArray(content) ? "" : content, kind);
      if (Array.isArray(content)) td.append(...content);
      td.setAttribute("role", "cell");
      td.dataset.label = labels[table][i];
      tr.append(td);
    });
    return tr;
  }));
}

const targetsOf = proxy => [proxy.targets.reduce((list, target) => {
  const line = element("div", `${target.name} `);
  line.append(element("span", target.address, "faint"));
  if (target.failing_since)
    line.append(element("div", `since ${new Date(target.failing_since).toLocaleString()} it ${target.fault}`, "failing"));
  list.append(line);
  return list;
}, document.createElement("div"))];

// A proxy or connection is shown where every word occurs somewhere in it.
function wanted(...texts) {
  const text = texts.join(" ").toLowerCase();
  return byId("filter").value.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

function showProxies() {
  const shown = proxies.filter(p => wanted(p.name, ...p.bound, ...p.targets.flatMap(t => [t.name, t.address])));
  show("proxies", shown.map(p => {
    const full = p.connection_limit > 0 && p.open_connections >= p.connection_limit;
    const open = p.connection_limit > 0 ? `${whole(p.open_connections)} of ${whole(p.connection_limit)}` : whole(p.open_connections);
    const rate = rates.get(p.name);
    return [
      [p.name, "long title"], [open, full ? "number full" : "number"], [rate ? perSecond(rate.admitted) : "–", "number"],
      [rate ? `${bytes(rate.source_sent_bytes)}/s` : "–", "number"], [rate ? `${bytes(rate.destination_receive_bytes)}/s` : "–", "number"],
      [whole(p.admitted), "number"], [p.configured ? p.bound.join(" ") || "closed" : "no longer configured", "long address"], [p.policy], [targetsOf(p), "long targets"],
    ];
  }));
}

function showConnections() {
  const shown = connections.filter(c => wanted(String(c.id), c.name, c.source, c.target, c.sni));
  show("connections", shown.map(c => [
    [String(c.id), "number"], [c.name, "long"], [c.source, "long address"], [c.target || "–", "long"], [c.phase.replaceAll("_", " ")], [c.sni || "–", "long"],
    [age(c.age), "number"], [bytes(c.source_sent_bytes), "number"], [bytes(c.destination_receive_bytes), "number"],
  ]));
  const none = byId("none");
  none.hidden = connections.length < mostConnections && shown.length > 0;
  none.textContent = shown.length > 0 ? `The newest ${whole(mostConnections)} are looked at.`
    : connections.length > 0 ? "No open connection has that in it." : "No connection is open.";
}

function showSums() {
  const sum = (list, key) => list.reduce((total, each) => total + each[key], 0);
  const open = sum(proxies, "open_connections");
  const all = [...rates.values()];
  byId("sums").textContent = [
    `${whole(open)} open`, `${perSecond(sum(all, "admitted"))} new/s`,
    `${bytes(sum(all, "source_sent_bytes"))}/s from clients`, `${bytes(sum(all, "destination_receive_bytes"))}/s from targets`,
  ].join(" · ");
  document.title = `${whole(open)} open – Bitflow`;
}

// How fast the sums of each proxy grew since the last look. One that was not there then has no rate yet.
function measure(next, now) {
  const seconds = last === null ? 0 : (now - last) / 1000;
  const before = new Map(proxies.map(p => [p.name, p]));
  rates = new Map();
  for (const proxy of next) {
    const old = before.get(proxy.name);
    if (!old || seconds <= 0) continue;
    const rate = key => Math.max(0, proxy[key] - old[key]) / seconds;
    rates.set(proxy.name, {
      admitted: rate("admitted"), source_sent_bytes: rate("source_sent_bytes"), destination_receive_bytes: rate("destination_receive_bytes"),
    });
  }
  proxies = next;
  last = now;
}

function say(text, kind) {
  const shown = byId("state");
  shown.className = kind;
  // Said again only when it changes: a screen reader would read it every time.
  if (shown.textContent !== text) shown.textContent = text;
}

// A program that is stopped, or a machine that is gone, answers nothing at all.
const ask = path => fetch(path, { signal: AbortSignal.timeout(patienceMs) });

async function read(path) {
  const answer = await ask(path);
  if (!answer.ok) throw new Error(path);
  return answer.json();
}

// Of the server; what was asked before it was paused may be answered behind that.
const state = (text, kind) => paused ? say("paused", "") : say(text, kind);

async function refresh() {
  if (!paused) {
    try {
      const [ready, next, open] = await Promise.all([ask("readyz"), read("proxies"), read("connections")]);
      measure(next, performance.now());
      connections = open;
      showProxies();
      showConnections();
      showSums();
      state(ready.ok ? "serving" : "starting or draining", ready.ok ? "good" : "bad");
      byId("main").classList.remove("stale");
    } catch {
      state("does not answer", "bad");
      byId("main").classList.add("stale");
    }
  }
  setTimeout(refresh, intervalMs);
}

byId("filter").addEventListener("input", () => { showProxies(); showConnections(); });
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (paused) say("paused", "");
});
document.addEventListener("keydown", event => {
  if (event.key === "/" && document.activeElement !== byId("filter")) {
    event.preventDefault();
    byId("filter").focus();
  }
});
refresh();
