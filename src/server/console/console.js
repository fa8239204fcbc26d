"use strict";
// Everything shown comes from log lines, which attackers write: it only ever becomes text nodes.
const SEVERITIES = ["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"];
const KEPT = 1000, SHOWN = 200, POLL_MS = 2000, RETRY_MS = 2000, TEXT_SHOWN = 200;
const at = id => document.getElementById(id);
const events = [];
let drawn = false, lost = null, held = null, status = null;
const before = {}; // what each list was drawn from: a redraw would take a button away from under a finger

// Characters that reverse a line, hide or drive a terminal are shown as what they are.
const DECEPTIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;
const shown = text => String(text).replace(DECEPTIVE, found => "\\u{" + found.codePointAt(0).toString(16) + "}");

function make(tag, text, ...classes) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = shown(text);
  node.classList.add(...classes);
  return node;
}

function button(text, act) {
  const node = make("button", text);
  node.addEventListener("click", act);
  return node;
}

// A long text ends early, and is whole in its title.
function short(text, most = TEXT_SHOWN) {
  const node = make("span", text.length > most ? text.slice(0, most) + "…" : text);
  if (text.length > most) node.title = shown(text);
  return node;
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (!headers.Authorization && keyOf()) headers["X-Dsmild-Key"] = keyOf();
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(answer.status + ": " + (problem.detail || answer.statusText)), { status: answer.status });
}

const get = async path => (await ask(path)).json();

// Today the time, else the date as well.
function clock(seconds) {
  const time = new Date(seconds * 1000), today = time.toDateString() === new Date().toDateString();
  return today ? time.toLocaleTimeString() : time.toLocaleString();
}

function when(seconds, more = "") {
  const node = make("span", clock(seconds), "dim"), utc = new Date(seconds * 1000).toISOString();
  node.title = shown(utc + more);
  return node;
}

const severityOf = thing => SEVERITIES.includes(thing.severity) ? thing.severity : "INFO";
const many = (count, one) => count + " " + one + (count === 1 ? "" : "s");

const worstFirst = (a, b) => SEVERITIES.indexOf(severityOf(b)) - SEVERITIES.indexOf(severityOf(a)) || b.last_ts - a.last_ts;

// The sentence that says whether anything is wrong.
function verdict(status, incidents, pending) {
  const open = incidents.filter(incident => incident.state === "open");
  const parts = [];
  if (!status.ready) parts.push("the daemon is not ready: " + status.reasons.join("; "));
  if (open.length) {
    const worst = open[0];
    parts.push(many(open.length, "incident") + (open.length === 1 ? " needs" : " need") + " you, the worst " + severityOf(worst)
      + " since " + clock(worst.first_ts));
  }
  const mine = incidents.length - open.length;
  if (mine) parts.push(many(mine, "incident") + " acknowledged");
  if (pending) parts.push(many(pending, "proposal") + (pending === 1 ? " waits" : " wait") + " for a decision");
  if (status.warnings.length) parts.push(many(status.warnings.length, "part") + (status.warnings.length === 1 ? " does" : " do") + " not work");
  const text = parts.length ? parts.join(" · ") : "all is quiet and every part works";
  say(text, status.ready && !open.length && !status.warnings.length);
}

function say(text, good) {
  if (at("verdict").textContent !== shown(text)) at("verdict").textContent = shown(text);
  at("verdict").className = "verdict " + (good ? "good" : "bad");
}

// A list anew: what had the focus has it again, and what was unfolded is.
function redraw(place, nodes) {
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const item = focused && focused.closest("[data-key]"), key = item && item.dataset.key;
  const index = item ? [...place.children].indexOf(item) : 0, name = focused && focused !== item ? focused.textContent : null;
  const unfolded = new Set([...place.querySelectorAll("details[open]")].map(node => (node.closest("[data-key]") || place).dataset.key));
  place.replaceChildren(...nodes);
  for (const node of nodes) if (unfolded.has(node.dataset.key)) for (const more of node.querySelectorAll("details")) more.open = true;
  if (!focused) return;
  const again = nodes.find(node => node.dataset.key === key) || nodes[Math.min(Math.max(index, 0), nodes.length - 1)];
  const within = again && name !== null && [...again.querySelectorAll("a, button, summary")].find(node => node.textContent === name);
  if (again) (within || again).focus({ preventScroll: true });
}

// True when the list is not what it was drawn from.
function changed(name, list) {
  const text = JSON.stringify(list);
  if (before[name] === text) return false;
  before[name] = text;
  return true;
}

function showParts(status) {
  document.title = shown(status.instance) + " · dsmild";
  at("troubles").hidden = !status.warnings.length && status.ready;
  at("trouble").replaceChildren(...status.reasons.map(reason => make("li", reason, "bad")), ...status.warnings.map(text => make("li", text)));
}

// Asks for what belongs to an action on an incident, and does it.
function act(incident, verb) {
  at("act-head").textContent = shown(verb + " incident " + incident.id);
  at("resolution-label").hidden = verb !== "close";
  at("note").value = "";
  at("act-failed").textContent = "";
  at("act-form").onsubmit = async event => {
    if (event.submitter && event.submitter.value === "leave") return;
    event.preventDefault();
    const body = { note: at("note").value };
    if (verb === "close") body.resolution = at("resolution").value;
    try {
      await ask("/api/v1/incidents/" + encodeURIComponent(incident.id) + "/" + verb, { method: "POST", body: JSON.stringify(body) });
      at("act").close();
      await poll();
      if (body.resolution === "false_positive") hush(incident);
    } catch (error) { at("act-failed").textContent = shown(error.message); }
  };
  at("act").showModal();
}

function incidentRow(incident) {
  const row = make("article", undefined, "incident", severityOf(incident)), head = make("div", undefined, "row");
  const what = make("div");
  what.append(make("b", severityOf(incident) + " ", severityOf(incident)), when(incident.first_ts, " " + incident.id), make("span", " – ", "dim"),
    when(incident.last_ts), make("span", " ", "dim"), short(incident.summary));
  head.append(what);
  const decides = may("respond");
  if (decides && incident.state === "open") head.append(button("acknowledge", () => act(incident, "acknowledge")));
  if (decides && incident.state !== "closed") head.append(button("close", () => act(incident, "close")));
  if (decides) head.append(button("note", () => act(incident, "note")));
  head.append(button("explain", () => explain(incident.id, "incidents")));
  if (decides && incident.resolution === "false_positive") head.append(button("silence…", () => hush(incident)));
  row.append(head);
  if (incident.tactics.length) row.append(make("p", incident.tactics.join(" → ")));
  const state = incident.resolution ? incident.state + " as " + incident.resolution : incident.state;
  const facts = [state, many(incident.count, "alert"), incident.attacker && "attacker " + incident.attacker,
    incident.merged_into && "part of " + incident.merged_into].filter(Boolean);
  row.append(make("p", facts.join(" · "), "dim"), whoIn({ ...incident.entity, ...(incident.attacker && { src_ip: incident.attacker }) }));
  for (const change of incident.changes) {
    const line = make("p", undefined, "dim");
    line.append(when(change.ts), make("span", " " + change.action + " by " + change.who + (change.note ? ": " + change.note : "")));
    row.append(line);
  }
  const more = make("details"), list = make("div", undefined, "chips");
  more.append(make("summary", "alerts and reports"), list);
  Object.assign(row, { tabIndex: 0, item: { open: () => { more.open = !more.open; }, explain: () => explain(incident.id, "incidents"),
    acknowledge: () => { if (incident.state === "open") act(incident, "acknowledge"); }, silence: () => hush(incident) } });
  row.dataset.key = incident.id;
  row.setAttribute("aria-label", shown(severityOf(incident) + " incident: " + incident.summary));
  for (const id of [...incident.members, ...incident.events]) list.append(button(id, () => explain(id)));
  row.append(more);
  return row;
}

function showIncidents(place, incidents, none) {
  if (!changed(place, incidents)) return;
  redraw(at(place), incidents.length ? incidents.map(incidentRow) : [make("p", none, "dim")]);
}

const MODES = {
  propose: "Nothing is carried out (respond.mode is propose).",
  simulate: "What is approved is tried without changing anything (respond.mode is simulate).",
  approve: "What is approved is carried out (respond.mode is approve).",
  automatic: "What is approved is carried out, some of it without anybody (respond.mode is automatic).",
};

const EXECUTORS = { nftables: "nftables of this machine", ban_list: "whoever reads the ban list", accounts: "the accounts of this machine", runner: "the runner of playbooks" };

async function decide(id, verb, effect) {
  if (!confirm(verb + " proposal " + id + "? A decision is final." + (effect ? "\n\n" + shown(effect) : ""))) return;
  try {
    await ask("/api/v1/proposals/" + encodeURIComponent(id) + "/" + verb, { method: "POST" });
  } catch (error) { alert(error.message); }
  await poll();
}

// One that was proposed again since is not listed: the newer one says how often.
function showProposals(all) {
  if (!changed("proposals", all)) return;
  const list = all.filter(proposal => proposal.state !== "superseded");
  const rows = list.slice(0, 50).map(proposal => {
    const row = make("li", undefined, "row"), text = make("div"), more = make("details");
    const what = proposal.event.proposal, steps = (what.commands || []).join("\n");
    text.append(make("b", proposal.event.severity + " ", severityOf(proposal.event)), short((proposal.event.summary || "proposal").replace(proposal.decision ? ", waits for approval" : "", "")), more);
    more.append(make("summary", "why and what"), make("p", what.rationale || ""), make("pre", steps),
      make("p", what.caution || "", "bad"), button("explain", () => explain(proposal.id)));
    if (proposal.repeats) more.before(make("span", " proposed " + many(proposal.repeats.count, "time") + " since ", "dim"), when(Date.parse(proposal.repeats.first_ts) / 1000));
    row.append(text);
    Object.assign(row, { tabIndex: 0, item: { open: () => { more.open = !more.open; }, explain: () => explain(proposal.id) } });
    row.dataset.key = proposal.id;
    if (proposal.state === "pending" && !may("respond")) row.append(make("span", "waits for a decision", "dim"));
    else if (proposal.state === "pending") {
      for (const verb of ["approve", "reject"]) row.append(button(verb, () => decide(proposal.id, verb, verb === "approve" && proposal.effect)));
    } else if (!proposal.decision) {
      row.append(make("span", proposal.state, "dim"));
    } else {
      row.append(make("span", proposal.state + " by " + proposal.decision.who + ", " + proposal.decision.ts, "dim"));
    }
    const response = proposal.response;
    if (proposal.executor) more.append(make("p", "carried out by " + EXECUTORS[proposal.executor], "dim"));
    else if (proposal.state === "approved" && !response) row.append(make("span", "nothing was done here: do it yourself", "bad"));
    if (response) more.append(make("p", response.state + " at " + response.ts + ": " + response.said));
    if (response) row.append(make("span", response.state + (response.in_force ? " until " + response.ends : ""), response.state === "failed" ? "bad" : "dim"));
    if (response && response.in_force && may("respond")) row.append(button("undo", () => decide(proposal.id, "undo")));
    return row;
  });
  redraw(at("proposals"), rows.length ? rows : [make("li", "none", "dim")]);
}

// Where a line was read, as one would look it up.
function placeOf(line) {
  const place = line.read_at || {};
  switch (place.kind) {
    case "file": return place.path + " at byte " + place.offset + (place.unpacked ? " unpacked" : "");
    case "journal": return line.source + " at " + place.cursor;
    case "redis": return line.source + ", entry " + place.entry;
    case "syslog": return line.source + " from " + place.peer;
    case "http": return line.source + " from " + place.peer + ", line " + place.line + " of a request";
    default: return line.source;
  }
}

// A node of the tree with all that it follows from; whatever it holds is text.
function story(node) {
  const row = make("li");
  if (node.line) {
    row.append(make("span", placeOf(node.line), "dim"), make("pre", node.line.text + (node.line.cut_at ? "…" : "")));
    if (node.line.base64) row.append(make("p", "not UTF-8, in base64: " + node.line.base64, "dim"));
  } else if (node.event) {
    const event = node.event;
    row.append(when(node.ts, " " + node.id), make("b", " " + node.stream + " " + (event.severity || event.decision || "") + " "), short(event.summary || ""));
    if (node.because) row.append(make("p", "because " + node.because));
  } else row.append(make("span", node.id + ": " + (node.missing || "as above"), node.missing ? "bad" : "dim"));
  const remarks = [...(node.unknown || []), node.unnamed && "and " + node.unnamed + " more that were counted and are not named",
    node.left_out && "and " + node.left_out + " more that are left out here"].filter(Boolean);
  const below = [...(node.children || []).map(story), ...remarks.map(remark => make("li", remark, "dim"))];
  if (below.length) {
    const list = make("ul");
    list.append(...below);
    row.append(list);
  }
  return row;
}

async function showChain(id, kind) {
  at("chain-head").textContent = "Why " + shown(id);
  at("steps").replaceChildren(make("p", "…"));
  if (!at("chain").open) at("chain").showModal();
  try {
    const answer = await get("/api/v1/" + kind + "/" + encodeURIComponent(id) + "/explain");
    const tree = make("ul", undefined, "tree"), whole = make("details");
    tree.append(story(answer.tree));
    whole.append(make("summary", "as JSON"), make("pre", JSON.stringify(answer.steps, null, 1)));
    at("steps").replaceChildren(tree, whole);
    if (answer.ends_because) at("steps").append(make("p", answer.ends_because, "bad"));
  } catch (error) { at("steps").replaceChildren(make("p", error.message, "bad")); }
}

async function poll() {
  try {
    await whoAmI();
    if (!may("read")) {
      say(me.signed_in ? me.who + " may not read: nothing can be shown" : "sign in to see how things are", false);
      return;
    }
    status = await get("/api/v1/status");
    await goLive(status);
    const [open, acknowledged] = await Promise.all(["open", "acknowledged"].map(state => get("/api/v1/incidents?state=" + state)));
    const incidents = [open, acknowledged].flatMap(answer => answer.incidents.sort(worstFirst));
    const { mode, proposals } = await get("/api/v1/proposals");
    at("proposals-mode").textContent = shown(MODES[mode] || "");
    showParts(status);
    showIncidents("incidents", incidents, open.complete && acknowledged.complete ? "none" : "the log is still being read after the start");
    if (at("closed").open) showIncidents("closed-incidents", (await get("/api/v1/incidents?state=closed")).incidents, "none");
    showProposals(proposals);
    showSilences((await get("/api/v1/silences")).silences);
    verdict(status, incidents, proposals.filter(proposal => proposal.state === "pending").length);
    await Promise.all([showOverview(status), showSystem(status)]);
    if (state.page === "rules") await loadRules();
    if (state.page === "entity" && !state.paused) await loadEntity();
    lost = null;
  } catch (error) {
    lost = lost || new Date();
    say(error.message + " · what is shown is as of " + lost.toLocaleTimeString(), false);
  }
}

async function polling() {
  await poll();
  setTimeout(polling, POLL_MS);
}

at("severity").append(...SEVERITIES.map(severity => make("option", severity)));
at("closed").addEventListener("toggle", poll);
at("leave").addEventListener("click", () => at("chain").close());
