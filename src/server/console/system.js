
// The daemon itself: the way that data takes through it, and every part with how it does.
const ROWS_SHOWN = 200, ERROR_SHOWN = 90, AUDIT_MS = 10000;
let audit = null, auditCame = 0;
const STATES = { up: "●", waiting: "◌", restarting: "◐", stopped: "◌", down: "✖", failed: "✖" };
const isBad = name => ["down", "failed", "restarting", "stopped"].includes(name);
const stateWord = name => make("b", (STATES[name] || "") + " " + name, isBad(name) ? "bad" : name === "up" ? "good" : "dim");
const perSecond = rate => rate >= 0.005 ? number(rate) + "/s" : "0/s";
const time = text => text ? when(Date.parse(text) / 1000) : "–";
const outletsOf = status => status.outlets.map(outlet => ({ ...outlet, state: outlet.up ? "up" : "down" }));
const bytes = n => n >= 2 ** 30 ? number(n / 2 ** 30) + " GiB" : number(n / 2 ** 20) + " MiB";

// One station of the way.
function station(name, worst, facts, errors) {
  const item = make("li", undefined, "station"), head = make("p", undefined, "head");
  head.append(make("strong", name + " "), stateWord(worst));
  item.append(head, ...facts.filter(Boolean).map(fact => typeof fact === "string" ? make("p", fact) : fact));
  for (const error of errors.filter(Boolean).slice(0, 3)) {
    const line = make("p", undefined, "bad");
    line.append(short(error, ERROR_SHOWN));
    item.append(line);
  }
  return item;
}

const worstOf = parts => ["failed", "down", "restarting", "stopped"].find(name => parts.some(part => part.state === name)) || "up";
const sum = (parts, of) => parts.reduce((all, part) => all + of(part), 0);
const errorOf = part => part.last_error && (isBad(part.state) || part.restarts) ? part.name + ": " + part.last_error : "";

function stageStation(name, actors, details = []) {
  if (!actors.length) return station(name, "stopped", ["does not run here"], []);
  const restarts = sum(actors, actor => actor.restarts), refused = sum(actors, actor => actor.refused_outputs);
  return station(name, worstOf(actors), [perSecond(Math.max(...actors.map(actor => actor.rate))), sum(actors, actor => actor.lag_events).toLocaleString() + " waiting",
    restarts && many(restarts, "restart"), refused && refused.toLocaleString() + " outputs refused", ...details], actors.map(errorOf));
}

function showWay(status) {
  const { actors, sources, store } = status, named = name => actors.filter(actor => actor.name === name);
  const devices = actors.filter(actor => actor.name.startsWith("device-")), outlets = outletsOf(status);
  const down = sources.filter(source => !source.up), lags = sources.map(source => source.lag_s).filter(lag => lag !== null && lag >= 1);
  const list = make("ul", undefined, "small");
  list.append(...devices.map(device => {
    const item = make("li");
    item.append(make("span", device.name.replace("device-", "") + " "), stateWord(device.state), make("span", " " + [perSecond(device.rate), device.lag_events && device.lag_events.toLocaleString() + " waiting",
      device.restarts && many(device.restarts, "restart")].filter(Boolean).join(", "), "dim"));
    return item;
  }));
  const full = store.max_bytes ? store.bytes / store.max_bytes : 0;
  const fill = meter("store fill", { filled: Math.min(full, 1), kind: full > 0.9 ? "fill high" : "fill", least: 0, most: 100, now: Math.round(100 * full) });
  const storeActor = named("store");
  at("way").replaceChildren(
    station("Sources", down.length ? "down" : sources.length ? "up" : "stopped", [many(sources.length, "source") + (down.length ? ", " + down.length + " down" : ""), perSecond(sum(sources, source => source.rate)),
      lags.length && "late by up to " + ago(Math.max(...lags))], down.map(source => source.name + ": " + (source.last_error || "down"))),
    stageStation("Layer 3", named("l3")), stageStation("Layer 4", named("l4")), stageStation("Fusion", named("fusion")), stageStation("Devices", devices, [list]),
    station("Store", storeActor.length ? worstOf(storeActor) : "stopped", [perSecond(store.rate) + " committed", sum(storeActor, actor => actor.lag_events).toLocaleString() + " waiting", bytes(store.bytes) + " of " + bytes(store.max_bytes), fill,
      store.oldest && "goes back to " + clock(Number(store.oldest.split("-")[0]) / 1000)], storeActor.map(errorOf).concat(status.reasons.filter(reason => reason.includes("hot store")))),
    station("Outlets", outlets.length ? worstOf(outlets) : "waiting", outlets.length ? [perSecond(sum(outlets, outlet => outlet.rate)), sum(outlets, outlet => outlet.lag_events).toLocaleString() + " behind"] : ["none is configured"],
      outlets.filter(outlet => !outlet.up).map(errorOf)));
}

function fillTable(place, rows, columns) {
  const rest = rows.length - ROWS_SHOWN;
  at(place).replaceChildren(tableOfCells(columns, rows.slice(0, ROWS_SHOWN)), ...(rest > 0 ? [make("p", rest.toLocaleString() + " more: dsmild status lists all", "dim")] : []));
}

// What is wrong first.
const badFirst = parts => [...parts].sort((a, b) => isBad(b.state) - isBad(a.state));

function showTables(status) {
  const outlets = outletsOf(status);
  fillTable("sources-table", badFirst(status.sources).map(source => [make("span", source.name), stateWord(source.state), time(source.since), perSecond(source.rate), source.events.toLocaleString(),
    source.lag_s === null ? "–" : ago(source.lag_s), time(source.last_event), short(source.feed ? [source.feed.entries.toLocaleString() + " indicators", source.last_error].filter(Boolean).join(": ") : source.last_error || "")]),
  ["source", "state", "since", "rate", "events", "lag", "last event", "last error"]);
  fillTable("outlets-table", badFirst(outlets).map(outlet => [make("span", outlet.name), stateWord(outlet.state), time(outlet.since), perSecond(outlet.rate), outlet.events.toLocaleString(),
    outlet.lag_events.toLocaleString(), short([outlet.last_error, outlet.progress].filter(Boolean).join(": "))]),
  ["outlet", "state", "since", "rate", "events", "behind", "last error"]);
  fillTable("actors-table", badFirst(status.actors).map(actor => [make("span", actor.name + (actor.critical ? " (critical)" : "")), stateWord(actor.state), time(actor.since),
    actor.handled ? perSecond(actor.rate) : "–", actor.lag_events.toLocaleString(), actor.restarts.toLocaleString(), short(actor.last_error || "")]),
  ["actor", "state", "since", "rate", "backlog", "restarts", "last error"]);
}

function showConfiguration(status) {
  const { config } = status, [at_, ...said] = (config.last_reload || "").split(" ");
  const loaded = make("p", "Read from " + (config.path || "nothing: the built-in defaults hold") + " at ");
  if (config.loaded_at) loaded.append(when(Date.parse(config.loaded_at) / 1000));
  const reload = make("p", "Last reload: ");
  if (config.last_reload) reload.append(when(Date.parse(at_) / 1000), make("span", " " + said.join(" "), config.findings.length ? "bad" : "plain"));
  else reload.append(make("span", "none since the start", "dim"));
  at("configuration").replaceChildren(loaded, reload);
  at("findings").replaceChildren(...config.findings.map(finding => make("li", finding, "bad")));
}

async function loadAudit(status) {
  if (Date.now() - auditCame >= AUDIT_MS) {
    auditCame = Date.now();
    try { audit = await get("/api/v1/audit"); } catch (error) { audit = { error: error.message }; }
  }
  const broken = audit.error || status.warnings.find(warning => warning.includes("audit log"));
  if (!changed("audit", [audit, broken])) return;
  const line = make("p");
  if (broken) line.append(make("b", "✖ not verified: ", "bad"), make("span", broken));
  else line.append(make("b", "● verified", "good"), make("span", ", " + (audit.lines ? many(audit.lines, "line") + ", the last with the hash " : "without a line yet")), make("code", audit.lines ? audit.hash : ""));
  at("audit").replaceChildren(line, make("p", "The daemon compares the whole chain when it opens the file and looks before each line whether the file is as it was left; dsmild verify compares it with what is kept elsewhere.", "dim"));
}

function showSystem(status) {
  const facts = [status.version, "runs for " + ago(Math.round(status.uptime_s)), status.ready ? "ready" : "not ready", "SHRINK " + status.shrink.state, "newest event " + (status.store.last_id || "none")];
  at("facts").textContent = shown(facts.join(" · "));
  if (state.page !== "system") return null;
  const { uptime_s: _, ...rest } = status;
  if (changed("system", rest)) {
    showWay(status);
    showTables(status);
    showConfiguration(status);
  }
  return loadAudit(status);
}
