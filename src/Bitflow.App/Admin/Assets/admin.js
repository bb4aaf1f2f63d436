// Shows what /proxies, /connections and /readyz say, every two seconds. Everything a client could have chosen is set as text, never as markup.
"use strict";

const intervalMs = 2000;
const byId = id => document.getElementById(id);
let previous = null;
let connections = [];
let paused = false;

function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit++; }
  return `${unit === 0 ? Math.round(count) : count.toPrecision(3)} ${units[unit]}`;
}

function age(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 1) return `${Math.round(ms)} ms`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

function row(cells) {
  const tr = document.createElement("tr");
  for (const [text, kind] of cells) {
    const td = document.createElement("td");
    td.textContent = text;
    if (kind) td.className = kind;
    tr.append(td);
  }
  return tr;
}

function showProxies(proxies, now) {
  const before = new Map((previous?.proxies ?? []).map(p => [p.name, p]));
  const seconds = previous ? (now - previous.at) / 1000 : 0;
  const rate = (proxy, key) => {
    const old = before.get(proxy.name);
    return old && seconds > 0 ? Math.max(0, proxy[key] - old[key]) / seconds : 0;
  };
  byId("proxies").replaceChildren(...proxies.map(p => {
    const full = p.connection_limit > 0 && p.open_connections >= p.connection_limit;
    const open = p.connection_limit > 0 ? `${p.open_connections} of ${p.connection_limit}` : `${p.open_connections}`;
    return row([
      [p.name], [p.bound.join(", ") || "closed"], [p.targets.map(t => `${t.name} (${t.address})`).join(", ")], [p.policy],
      [open, full ? "number full" : "number"], [rate(p, "admitted").toFixed(1), "number"],
      [`${bytes(rate(p, "source_sent_bytes"))}/s`, "number"], [`${bytes(rate(p, "destination_receive_bytes"))}/s`, "number"],
      [p.admitted.toLocaleString("en"), "number"],
    ]);
  }));
  previous = { at: now, proxies };
}

function showConnections() {
  const wanted = byId("filter").value.toLowerCase();
  const shown = connections.filter(c => `${c.name} ${c.source} ${c.target} ${c.sni}`.toLowerCase().includes(wanted));
  byId("connections").replaceChildren(...shown.map(c => row([
    [c.id, "number"], [c.name], [c.source], [c.target || "–"], [c.phase], [c.sni || "–"], [age(c.age), "number"],
    [bytes(c.source_sent_bytes), "number"], [bytes(c.destination_receive_bytes), "number"],
  ])));
  byId("none").hidden = connections.length > 0;
}

function say(text, kind) {
  const state = byId("state");
  state.className = kind;
  // Said again only when it changes: a screen reader would read it every time.
  if (state.textContent !== text) state.textContent = text;
}

async function refresh() {
  if (!paused) {
    try {
      const [ready, proxies, open] = await Promise.all([fetch("readyz"), fetch("proxies"), fetch("connections")]);
      showProxies(await proxies.json(), performance.now());
      connections = await open.json();
      showConnections();
      say(ready.ok ? "serving" : "starting or draining", ready.ok ? "good" : "bad");
    } catch {
      say("does not answer", "bad");
    }
  }
  setTimeout(refresh, intervalMs);
}

byId("filter").addEventListener("input", showConnections);
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Go on" : "Pause";
});
refresh();
