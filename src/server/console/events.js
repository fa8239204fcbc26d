
// The table of events: a line each, which opens in place; rows stay the same nodes, so focus stays where it is.
const ABOUT = { user: "user", host: "host", src_ip: "address", dst_ip: "address", process: "process", domain: "domain", file: "file" };

// Whom an event names, each with its page.
function whoIn(entity) {
  const who = make("div", undefined, "who");
  for (const [key, value] of Object.entries(entity || {})) {
    if (!ABOUT[key]) continue;
    const part = make("span", key + " ", "dim");
    part.append(entityLink(ABOUT[key], String(value)));
    who.append(part);
  }
  return who;
}

// Short enough for a column: with the date where that is not today's, and the year where that is not this one.
function stamp(seconds) {
  const time = new Date(seconds * 1000), now = new Date(), two = number => String(number).padStart(2, "0");
  const day = time.toDateString() === now.toDateString() ? "" : two(time.getMonth() + 1) + "-" + two(time.getDate()) + " ";
  const year = time.getFullYear() === now.getFullYear() ? "" : time.getFullYear() + "-";
  return year + day + two(time.getHours()) + ":" + two(time.getMinutes()) + ":" + two(time.getSeconds());
}

// A severity also by its mark: a colour alone is not seen by everybody.
const MARKS = { INFO: "·", LOW: "○", MEDIUM: "◐", HIGH: "●", CRITICAL: "◆" };
// By shape, word and colour; where there is no room, the word is left to who listens.
function mark(severity) {
  const node = make("b", MARKS[severity] + " ", severity);
  node.append(make("span", severity, "word"));
  return node;
}
const nameIn = (entity, ...keys) => {
  const key = keys.find(name => (entity || {})[name]);
  return key ? entityLink(ABOUT[key], String(entity[key])) : "";
};

function column(row, name, ...content) {
  const node = make("td", undefined, name);
  node.append(...content);
  row.append(node);
}

function eventRow(event) {
  const row = make("tr", undefined, "event", severityOf(event)), about = [...(event.flags || []), ...(event.reasons || [])];
  row.dataset.key = event.id;
  row.tabIndex = -1;
  const what = make("button", undefined, "plain"), text = event.summary || "";
  what.append(short(text));
  what.title = shown(text);
  what.tabIndex = -1; // the row has the focus, and Enter opens it
  what.setAttribute("aria-expanded", "false");
  if (event.silence_id) what.prepend(make("b", "silenced "));
  const time = when(event.ts, " " + event.id);
  time.textContent = shown(stamp(event.ts));
  column(row, "when", time);
  column(row, "grade", mark(severityOf(event)));
  column(row, "what", what);
  column(row, "whom", nameIn(event.entity, "user", "src_ip", "process"));
  column(row, "place", nameIn(event.entity, "host", "dst_ip", "domain"));
  column(row, "cause", make("span", about[0] || event.category + " " + event.src_device, "dim"));
  row.item = { open: () => unfold(row, event), explain: () => explain(event.id), silence: () => hushEvent(event) };
  row.addEventListener("click", click => {
    if (click.target.closest("a")) return;
    row.focus({ preventScroll: true });
    unfold(row, event);
  });
  return row;
}

// All of it, below its line.
function unfold(row, event) {
  if (row.more) {
    row.more.remove();
    row.more = null;
    row.querySelector("button").setAttribute("aria-expanded", "false");
    return;
  }
  const more = make("tr", undefined, "unfolded"), all = make("td"), buttons = make("div", undefined, "acts"), whole = make("details");
  all.colSpan = 6;
  const about = [...(event.flags || []), ...(event.reasons || [])], facts = make("p", undefined, "dim");
  facts.append(make("span", [event.category + " " + event.src_device, event.decision + " " + Number(event.score).toFixed(2), ...(event.attack || []), event.id].join(" · ")));
  buttons.append(button("explain", () => explain(event.id)));
  if (may("respond")) buttons.append(button("silence…", () => hushEvent(event)));
  for (const reason of about.filter(reason => reason.length < 60).slice(0, 12)) buttons.append(link(reason, { page: "events", where: "rule = " + JSON.stringify(reason) }));
  whole.append(make("summary", "as JSON"), make("pre", JSON.stringify(event, null, 1)));
  all.append(make("p", event.summary || ""), facts, whoIn(event.entity), buttons, whole);
  more.append(all);
  row.more = more;
  row.querySelector("button").setAttribute("aria-expanded", "true");
  row.after(more);
}

// Where something is missing between two events, or more came than can be read.
function gapRow(gap) {
  const row = make("tr", undefined, "gap"), cell = make("td"), text = make("span");
  row.dataset.key = gap.id;
  row.tabIndex = -1;
  cell.colSpan = 6;
  if (gap.is === "more") {
    const parts = [...SEVERITIES].reverse().filter(severity => gap.counts[severity]).map(severity => gap.counts[severity].toLocaleString() + " " + severity);
    text.append(when(gap.ts), make("span", " and " + gap.count.toLocaleString() + " more in this second: " + parts.join(", ") + " "));
  } else text.append(make("b", "gap "), when(gap.since), make("span", " – "), when(gap.ts), make("span", ": " + gap.text + " "));
  cell.append(text);
  if (gap.count === undefined || gap.is === "more") cell.append(link("show them", { page: "events", order: "oldest", after: gap.after, through: gap.through }));
  if (gap.buckets && gap.buckets.length) {
    const list = make("details"), lines = make("ul");
    lines.append(...gap.buckets.filter(totalOf).map(bucket => {
      const line = make("li");
      line.append(when(bucket.ts), make("span", " " + totalOf(bucket).toLocaleString() + (gap.step === 1 ? " in this second" : " in " + gap.step + " seconds")));
      return line;
    }));
    list.append(make("summary", "how many when"), lines);
    cell.append(list);
  }
  row.append(cell);
  row.item = { open: () => { const node = cell.querySelector("a"); if (node) node.click(); } };
  return row;
}

function tableOf(rows) {
  const wide = make("div", undefined, "wide"), table = make("table", undefined, "events"), head = make("thead"), body = make("tbody"), names = make("tr");
  for (const [name, kind] of [["time", "when"], ["severity", "grade"], ["what", "what"], ["who", "whom"], ["where", "place"], ["rule", "cause"]]) {
    const node = make("th", undefined, kind);
    node.append(make("span", name, "word"));
    node.setAttribute("scope", "col");
    names.append(node);
  }
  head.append(names);
  body.append(...rows);
  table.append(head, body);
  wide.append(table);
  return wide;
}

// Of the rows that are there, those that are wanted stay; each is made once.
const rowNodes = new Map();
function nodeOf(entry) {
  const kept = rowNodes.get(entry.id), version = entry.is === "more" ? entry.count : 0;
  if (kept && kept.version === version) return kept.node;
  const node = entry.is ? gapRow(entry) : eventRow(entry);
  if (kept && kept.node.contains(document.activeElement)) later.push(() => node.focus({ preventScroll: true }));
  rowNodes.set(entry.id, { node, version });
  return node;
}

function forgetRows() {
  rowNodes.clear();
  at("events").replaceChildren();
  drawn = false;
}

const later = [];
function drawRows(wanted) {
  const body = at("events"), focused = body.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [...body.children].indexOf(focused.closest("tr"));
  const nodes = new Set(wanted.map(nodeOf));
  for (const [id, { node }] of rowNodes) {
    if (nodes.has(node)) continue;
    if (node.more) node.more.remove();
    node.remove();
    rowNodes.delete(id);
  }
  for (const node of [...body.children]) if (!nodes.has(node) && !node.classList.contains("unfolded")) node.remove();
  let next = body.firstElementChild;
  for (const node of nodes) {
    if (node === next) next = node.nextElementSibling; else body.insertBefore(node, next);
    if (node.more) { if (node.more === next) next = next.nextElementSibling; else node.after(node.more); }
  }
  while (later.length) later.pop()();
  // What one stood on is gone: where it was is still the place.
  if (focused && !body.contains(document.activeElement) && document.activeElement === document.body) {
    const nearest = [...body.children].slice(0, place + 1).reverse().find(node => node.item);
    if (nearest) nearest.focus({ preventScroll: true });
  }
  const items = [...body.children].filter(node => node.item), tabbed = items.filter(node => node.tabIndex === 0);
  if (tabbed.length !== 1 && items.length) {
    tabbed.forEach(node => { node.tabIndex = -1; });
    (items.find(node => node === document.activeElement) || items[0]).tabIndex = 0;
  }
}

let heldAt = 0, listed = [], frames = 0;
function draw() {
  drawn = true;
  frames += 1;
  if (state.paused && !held) { held = events.slice(); heldAt = taken; }
  if (!state.paused) held = null;
  const all = found || held || events, lowest = SEVERITIES.indexOf(state.severity), text = state.text.toLowerCase();
  const wanted = all.filter(entry => entry.is || (SEVERITIES.indexOf(entry.severity) >= lowest
    && (!text || JSON.stringify(entry).toLowerCase().includes(text))));
  const fresh = held ? taken - heldAt : 0, count = wanted.filter(entry => !entry.is).length;
  at("count").textContent = shown(count.toLocaleString() + (found ? " found" : " of the newest " + all.filter(entry => !entry.is).length.toLocaleString()));
  at("pause").textContent = shown(held ? "go on" + (fresh ? " (" + fresh.toLocaleString() + " new)" : "") : "pause");
  at("pause").hidden = Boolean(found);
  at("more").hidden = !(found && next);
  listed = found ? wanted : wanted.slice(-SHOWN).reverse();
  drawRows(listed);
  at("no-events").hidden = listed.length > 0 || asking;
  drawHistogram(wanted);
}

// However fast events come, the page is drawn a few times a second.
setInterval(() => { if (!drawn) draw(); }, 300);

at("events").addEventListener("focusin", event => {
  const row = event.target.closest("tr");
  if (!row || !row.item) return;
  for (const node of at("events").querySelectorAll("tr[tabindex='0']")) node.tabIndex = -1;
  row.tabIndex = 0;
});
