
// What the page shows is what its address says: it can be kept, sent and gone back to.
const USUAL = { page: "overview", severity: "INFO", text: "", where: "", since: "", until: "", order: "newest", open: "", paused: "", after: "", through: "",
  kind: "", value: "", find: "", sort: "hits", span: "1h" };
const PAGES = { overview: ["incidents-part", "proposals-part", "hour-part", "shrink-part", "well-part", "changes-part", "silences-part", "events-part"], events: ["events-part"],
  rules: ["rules-part"], entity: ["entity-part"], system: ["system-part"] };
let state = stateOf(location.search);

function stateOf(search) {
  const asked = new URLSearchParams(search), read = {};
  for (const [name, usual] of Object.entries(USUAL)) read[name] = asked.get(name) ?? usual;
  if (!PAGES[read.page]) read.page = "overview";
  if (!SEVERITIES.includes(read.severity)) read.severity = "INFO";
  if (read.order !== "oldest") read.order = "newest";
  if (read.span !== "24h") read.span = "1h";
  return read;
}

// Only what is not as usual stands in an address.
function addressOf(wanted) {
  const told = Object.entries(wanted).filter(([name, value]) => value !== USUAL[name]);
  return told.length ? "?" + new URLSearchParams(told) : location.pathname;
}

// Goes there; `quietly`: going back leads past it.
function go(changes, quietly) {
  state = { ...state, ...changes };
  history[quietly ? "replaceState" : "pushState"](null, "", addressOf(state));
  showState();
}

function link(text, changes, ...classes) {
  const node = make("a", text, ...classes);
  node.setAttribute("href", addressOf({ ...USUAL, ...changes }));
  return node;
}

const entityLink = (kind, value) => link(value, { page: "entity", kind, value });

// A link within the page need not load it again.
document.addEventListener("click", event => {
  const node = event.target.closest("a[href]");
  if (!node || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  state = { ...USUAL };
  go(stateOf(new URL(node.href).search));
  scrollTo(0, 0);
});
addEventListener("popstate", () => { state = stateOf(location.search); showState(); });

let shownPage = "";
function showState() {
  const parts = PAGES[state.page];
  for (const part of new Set(Object.values(PAGES).flat())) at(part).hidden = !parts.includes(part);
  for (const node of document.querySelectorAll("nav a")) {
    const is = stateOf(new URL(node.href).search).page === state.page;
    if (is) node.setAttribute("aria-current", "page"); else node.removeAttribute("aria-current");
  }
  for (const name of ["severity", "text", "where", "since", "until", "order", "find", "sort"]) {
    if (document.activeElement !== at(name) || at(name).value !== state[name]) at(name).value = state[name];
  }
  at("pause").setAttribute("aria-pressed", String(Boolean(state.paused)));
  drawn = false;
  if (!may("read")) return;
  showOpened();
  searched();
  // What is typed to find a rule asks the daemon nothing.
  if (state.page === "rules") { if (rules && shownPage === "rules") showRules(); else loadRules(); }
  if (state.page === "entity") loadEntity();
  if (status) { showOverview(status); showSystem(status); }
  shownPage = state.page;
}

// The chain of an event or of an incident.
let opened = "";
function showOpened() {
  if (opened === state.open) return;
  opened = state.open;
  const [kind, id] = opened.startsWith("incident ") ? ["incidents", opened.slice(9)] : ["events", opened];
  if (opened) showChain(id, kind); else if (at("chain").open) at("chain").close();
}

const explain = (id, kind = "events") => go({ open: kind === "incidents" ? "incident " + id : id });
at("chain").addEventListener("close", () => { if (state.open && may("read")) go({ open: "" }); });

// Events that are asked for: of a filter, of a time, or the oldest first. Without any of it the newest are shown as they come.
let found = null, next = null, question = "", asking = false;
const isAsked = () => state.where || state.since || state.until || state.after || state.order === "oldest";

// What the daemon is asked with the filter and the severity that are set.
function asked() {
  const grave = state.severity === "INFO" ? "" : "severity >= " + state.severity;
  const where = grave && state.where ? grave + " and (" + state.where + ")" : grave || state.where;
  return Object.entries({ where, since: state.since, until: state.until, order: state.order }).filter(([, value]) => value);
}

function searched() {
  const wanted = isAsked() ? new URLSearchParams([...asked(), ["after", state.after]]).toString() + " " + state.through : "";
  if (wanted === question) return;
  question = wanted;
  found = wanted ? [] : null;
  counted = null;
  next = state.after || null;
  at("search-failed").textContent = "";
  if (wanted) { more(); count(); }
}

// Of a span between two events nothing is shown that is beyond it.
const isWithin = event => !state.through || !isAfter(event.id, state.through);

async function more() {
  const of = question, after = next;
  asking = true;
  try {
    const page = await get("/api/v1/events?" + new URLSearchParams([["count", 100], ...asked(), ...(after ? [["after", after]] : [])]));
    if (of !== question) return;
    const within = page.events.filter(isWithin);
    found.push(...within);
    next = within.length < page.events.length ? null : page.next;
    const missing = page.archive && !page.archive.searched;
    at("search-failed").textContent = missing ? "Events older than the hot store are missing: " + shown(page.archive.why) : "";
  } catch (error) {
    if (of === question) at("search-failed").textContent = shown(error.message);
  }
  asking = false;
  drawn = false;
}

// How many there are when, of all that is asked for.
async function count() {
  const of = question;
  if (state.through) return; // counted by what is shown
  try {
    const answer = await get("/api/v1/events/counts?" + new URLSearchParams(asked()));
    if (of === question) { counted = answer; drawn = false; }
  } catch { /* the search says what is wrong */ }
}

at("filter").addEventListener("input", event => {
  if (["severity", "text"].includes(event.target.id)) go({ [event.target.id]: event.target.value }, event.target.id === "text");
});
at("filter").addEventListener("change", event => {
  if (["since", "until", "order", "where"].includes(event.target.id)) go({ [event.target.id]: event.target.value.trim(), after: "", through: "" });
});
at("filter").addEventListener("submit", event => {
  event.preventDefault();
  const typed = Object.fromEntries(["where", "since", "until"].map(name => [name, at(name).value.trim()]));
  if (Object.entries(typed).some(([name, value]) => state[name] !== value)) go(typed);
});
at("pause").addEventListener("click", () => { held = null; go({ paused: state.paused ? "" : "1" }); draw(); });
at("more").addEventListener("click", more);
at("look-up").addEventListener("submit", event => {
  event.preventDefault();
  const value = at("look-value").value.trim();
  if (value) go({ ...USUAL, page: "entity", kind: at("look-kind").value, value });
});
