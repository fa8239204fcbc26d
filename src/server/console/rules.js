
// Rules: what is looked for, how often it was found, and what a line matches.
const LEVELS = ["informational", "low", "medium", "high", "critical"];
const SHAPES = { informational: "·", low: "○", medium: "◐", high: "●", critical: "◆" };
const LEVEL_CLASS = { informational: "INFO", low: "LOW", medium: "MEDIUM", high: "HIGH", critical: "CRITICAL" };
let rules = null;

async function loadRules() {
  try {
    rules = await get("/api/v1/rules");
    at("rules-failed").textContent = "";
  } catch (error) {
    at("rules-failed").textContent = shown(error.message);
  }
  if (rules) showRules();
}

const SORTS = {
  hits: (a, b) => b.hits - a.hits || a.title.localeCompare(b.title),
  last: (a, b) => (b.last_hit_ts || 0) - (a.last_hit_ts || 0) || a.title.localeCompare(b.title),
  level: (a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level) || a.title.localeCompare(b.title),
  title: (a, b) => a.title.localeCompare(b.title),
};

function cell(row, ...content) {
  const node = make("td");
  node.append(...content);
  row.append(node);
}

function showRules() {
  if (!changed("rules", [rules, state.find, state.sort])) return;
  const hit = rules.rules.filter(rule => rule.hits), cannot = rules.rules.filter(rule => !rule.can_match || rule.never.length);
  at("rules-summary").textContent = shown(many(rules.rules.length, "rule") + ", " + hit.length + " have matched, "
    + cannot.length + " need what no line gives" + (rules.counted_up_to ? "" : " · hits are counted some seconds after the first start"));
  at("rules-problems").replaceChildren(...rules.problems.map(text => make("li", text, "bad")));
  showMatrix();
  const wanted = state.find.toLowerCase();
  const found = rules.rules.filter(rule => !wanted || JSON.stringify(rule).toLowerCase().includes(wanted))
    .sort(SORTS[state.sort] || SORTS.hits);
  at("rules-count").textContent = shown(many(found.length, "rule"));
  redraw(at("rules-rows"), found.map(rule => {
    const row = make("tr"), level = make("b", SHAPES[rule.level] + " " + rule.level, LEVEL_CLASS[rule.level]);
    const title = make("td");
    title.append(make("span", rule.title), make("div", rule.file + (rule.log_source ? " · " + rule.log_source : ""), "dim"));
    if (!rule.can_match) title.append(make("div", "never matches: no line here is of its log source", "bad"));
    if (rule.never.length) title.append(make("div", "no format fills " + rule.never.join(", "), "bad"));
    const events = { page: "events", where: "rule = " + JSON.stringify(rule.reason) }, hits = link(rule.hits.toLocaleString(), events);
    hits.setAttribute("aria-label", shown(rule.hits.toLocaleString() + " hits of " + rule.title + ": its events"));
    Object.assign(row, { tabIndex: -1, item: { open: () => go({ ...USUAL, ...events }) } });
    row.dataset.key = rule.file + " " + rule.title;
    cell(row, level);
    row.append(title);
    cell(row, rule.kind);
    cell(row, shown(rule.techniques.join(" ")));
    cell(row, rule.hits ? hits : "0");
    if (rule.last_hit) cell(row, link(clock(rule.last_hit_ts), { ...state, open: rule.last_hit })); else cell(row, make("span", "never", "dim"));
    return row;
  }));
}

// Of each tactic the techniques that rules cover, with what has fired; in words, not by colour alone.
function showMatrix() {
  const head = make("tr"), row = make("tr");
  for (const tactic of rules.tactics) {
    const techniques = new Map();
    for (const rule of rules.rules) {
      // A technique stands below the tactic that it mostly serves.
      for (const technique of rule.techniques.filter(technique => rules.tactic_of[technique] === tactic)) {
        const known = techniques.get(technique) || { rules: 0, hits: 0 };
        techniques.set(technique, { rules: known.rules + 1, hits: known.hits + rule.hits });
      }
    }
    const cellOf = make("td"), fired = [...techniques.values()].filter(technique => technique.hits).length;
    const name = make("th", tactic.replaceAll("-", " "));
    name.setAttribute("scope", "col");
    name.append(make("div", techniques.size ? fired + " of " + techniques.size + " fired" : "nothing covered", "dim"));
    head.append(name);
    for (const [technique, { rules: covered, hits }] of [...techniques].sort()) {
      const entry = make("div", undefined, "technique", hits ? "fired" : "covered");
      entry.append(link((hits ? "◆ " : "○ ") + technique, { page: "rules", find: technique }),
        make("span", " " + (hits ? "fired " + hits.toLocaleString() + "×" : "quiet") + ", " + many(covered, "rule"), "dim"));
      cellOf.append(entry);
    }
    row.append(cellOf);
  }
  at("matrix-head").replaceChildren(head);
  at("matrix-body").replaceChildren(row);
}

for (const name of ["find", "sort"]) {
  at(name).addEventListener("input", event => go({ [name]: event.target.value }, name === "find"));
}
at("try").addEventListener("submit", async event => {
  event.preventDefault();
  const place = at("tried");
  place.replaceChildren(make("p", "…"));
  try {
    const answer = await ask("/api/v1/rules/test", { method: "POST", body: JSON.stringify({ line: at("line").value }) });
    const tried = await answer.json(), list = make("ul");
    list.append(...tried.rules.map(rule => make("li", "matches " + rule.title + " (" + rule.level + ", " + rule.file + ")")),
      ...tried.scenarios.map(it => make("li", it.role + ": " + it.title + " (" + it.threshold + " within " + it.timespan_s + " s)")));
    if (!list.children.length) list.append(make("li", "no rule matches it, and no scenario counts it"));
    const how = make("details");
    how.append(make("summary", "how it was understood"), make("pre", JSON.stringify(tried.understood, null, 1)));
    const said = tried.decision ? "Layer 3 says " + tried.decision.decision + ", " + tried.decision.score : "Layer 3 does not run";
    place.replaceChildren(make("p", said), list, how);
  } catch (error) { place.replaceChildren(make("p", error.message, "bad")); }
});
