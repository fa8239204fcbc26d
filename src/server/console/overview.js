
// The last hour or day: how it went, what has changed, the operator by SHRINK, and what is not read or not handed on.
const PAST_MS = { "1h": 10000, "24h": 60000 }, CHANGES_SHOWN = 12;
const past = {}; // by span: the answer, and when it came
// Of SHRINK's scores: what each can be, and from where on it raises the severity of what happens.
const SCORES = {
  risk_acute_stress: { most: 1, raises: 0.7, to: "HIGH" }, crisis_level: { most: 1, raises: 0.8, to: "CRITICAL" },
  anomaly_score: { most: 5, raises: 3, to: "MEDIUM" }, sentiment_score: { least: -1, most: 1 }, cognitive_load: { most: 1 },
  lbi_hyperfocus_density: { most: 1 }, emotional_intensity_score: { most: 1 }, linguistic_complexity_index: { most: 1 }, entropy: { most: 8 },
};
const ALARMS = SEVERITIES.slice(1);
const spanWords = () => state.span === "24h" ? "day" : "hour";

function ago(seconds) {
  if (seconds < 60) return number(seconds) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor(seconds % 3600 / 60) + " min";
  return many(Math.floor(seconds / 86400), "day");
}

async function loadPast(status) {
  let isNew = false;
  for (const span of new Set(["24h", state.span])) {
    const known = past[span];
    if (known && Date.now() - known.came < PAST_MS[span]) continue;
    const answer = await get("/api/v1/history?span=" + span);
    past[span] = { came: Date.now(), answer };
    isNew = true;
  }
  at("hour-failed").textContent = "";
  if (past[state.span]) showPast(past[state.span].answer);
  // They were drawn from what was known before.
  if (!isNew) return;
  showWell(status);
  showShrink(status);
}

function wholePast(status) {
  return loadPast(status).catch(error => { at("hour-failed").textContent = shown("How it went is not known: " + error.message); });
}

function showPast(answer) {
  at("hour-head").textContent = shown("The last " + spanWords());
  for (const node of at("spans").children) {
    if (node.dataset.span === state.span) node.setAttribute("aria-current", "true"); else node.removeAttribute("aria-current");
  }
  if (!changed("past", answer)) return;
  showRate(answer.buckets);
  showAlarms(answer.buckets);
  showLatency(answer.buckets);
  showChanges(answer.changes);
}

const rowsOf = (buckets, cells) => () => buckets.map(bucket => [minuteOf(bucket.ts), ...(bucket.raw_events === null ? ["did not run"] : cells(bucket))]).reverse();

function showRate(buckets) {
  const rates = buckets.map(bucket => bucket.rate), known = rates.filter(rate => rate !== null), most = Math.max(...known, 0);
  const all = buckets.reduce((sum, bucket) => sum + (bucket.raw_events || 0), 0);
  const said = number(known.length ? known[known.length - 1] : 0) + "/s now, at most " + number(most) + "/s, " + all.toLocaleString() + " in all";
  const image = picture(WIDE, HIGH, "Events from outside in a second: " + said), place = axes(image, buckets, most, "/s");
  lineIn(image, place, rates);
  fillFigure(at("rate-plot"), { heading: "Events", said, image, columns: ["time", "events", "in a second"],
    rows: rowsOf(buckets, bucket => [bucket.raw_events.toLocaleString(), number(bucket.rate)]) });
}

function showAlarms(buckets) {
  const of = (bucket, severity) => bucket.soc_events ? bucket.soc_events[severity] : 0;
  const sums = buckets.map(bucket => ALARMS.reduce((sum, severity) => sum + of(bucket, severity), 0));
  const totals = ALARMS.map(severity => buckets.reduce((sum, bucket) => sum + of(bucket, severity), 0));
  const named = ALARMS.map((severity, index) => [severity, totals[index]]).reverse();
  const silenced = buckets.reduce((sum, bucket) => sum + (bucket.silenced || 0), 0);
  const image = picture(WIDE, HIGH, "SOC events by severity: " + named.map(([severity, total]) => total.toLocaleString() + " " + severity).join(", "));
  const { x, y, each } = axes(image, buckets, Math.max(...sums), "");
  buckets.forEach((bucket, index) => {
    let below = 0;
    for (const severity of ALARMS) {
      const events = of(bucket, severity);
      if (!events) continue;
      drawIn(image, "rect", { x: x(index) + each * 0.1, width: each * 0.8, y: y(below + events), height: Math.max(y(below) - y(below + events), 0.8), class: "block " + severity });
      below += events;
    }
    if (of(bucket, "CRITICAL")) drawIn(image, "text", { x: x(index) + each / 2, y: y(below) - 1, class: "tick CRITICAL", "text-anchor": "middle" }, MARKS.CRITICAL);
  });
  const said = named.map(([severity, total]) => make("span", MARKS[severity] + " " + severity + " " + total.toLocaleString(), total ? severity : "dim", "key"));
  if (silenced) said.push(make("span", silenced.toLocaleString() + " silenced", "dim"));
  fillFigure(at("alarms-plot"), { heading: "Alarms", said, image, columns: ["time", ...ALARMS, "INFO", "silenced"],
    rows: rowsOf(buckets, bucket => [...ALARMS, "INFO"].map(severity => of(bucket, severity).toLocaleString()).concat(bucket.silenced.toLocaleString())) });
}

const milliseconds = ms => ms >= 1000 ? number(ms / 1000) + " s" : number(ms) + " ms";

function showLatency(buckets) {
  const of = name => buckets.map(bucket => bucket.latency_ms ? bucket.latency_ms[name] : null), p50 = of("p50"), p99 = of("p99");
  const known = buckets.filter(bucket => bucket.latency_ms), newest = known.length ? known[known.length - 1].latency_ms : null;
  const said = newest ? "from a line to its SOC event: half within " + milliseconds(newest.p50) + ", 99 % within " + milliseconds(newest.p99) + " (dashed)" : "there was no SOC event";
  const most = Math.max(...p99.filter(ms => ms !== null), 0), scale = most >= 1000 ? 1000 : 1;
  const image = picture(WIDE, HIGH, "Latency " + said), place = axes(image, buckets, most / scale, scale === 1 ? " ms" : " s");
  const scaled = values => values.map(ms => ms === null ? null : ms / scale);
  lineIn(image, place, scaled(p99), "second");
  lineIn(image, place, scaled(p50));
  fillFigure(at("latency-plot"), { heading: "Latency", said, image, columns: ["time", "half within", "99 % within"],
    rows: rowsOf(buckets, bucket => bucket.latency_ms ? [milliseconds(bucket.latency_ms.p50), milliseconds(bucket.latency_ms.p99)] : ["no SOC event"]) });
}

// A change in words, and where it is seen.
function changeRow(change) {
  const row = make("li"), by = change.who ? " by " + change.who : "", why = change.why ? ": " + change.why.replace(/^proposal: /, "") : "";
  const places = { incident: { open: "incident " + change.name }, proposal: { open: change.name }, response: { open: change.name },
    log: { open: change.event_id }, silence: {}, audit: { page: "system" } };
  const done = { incident: { acknowledge: "acknowledged", close: "closed", note: "got a note" }, silence: { add: "made", end: "ended" },
    proposal: { approve: "approved", "approve.simulate": "approved, to be tried", "approve.execute": "approved", reject: "rejected", undo: "to be taken back" } };
  const what = (done[change.kind] || {})[change.what] || (change.kind === "audit" ? change.what.replace(".", " ") : change.what);
  const parts = ["source", "outlet", "actor"].includes(change.kind);
  const name = parts ? change.kind + " " + change.name : change.kind === "log" ? "log" + (change.name ? " on " + change.name : "")
    : change.kind === "audit" ? "" : change.kind;
  row.append(when(change.ts), make("span", " "), link((name + " " + what).trim(), places[change.kind] || { page: "system" }, ["down", "failed", "not ready", "silent"].includes(change.what) ? "bad" : "plain"),
    make("span", (change.times > 1 ? " (" + change.times.toLocaleString() + " times)" : "") + by), short(why));
  return row;
}

function showChanges(changes) {
  at("changes-head").textContent = shown("What changed in the last " + spanWords());
  const rows = changes.map(changeRow), rest = rows.splice(CHANGES_SHOWN);
  at("changes").replaceChildren(...(rows.length ? rows : [make("li", "nothing", "dim")]));
  at("changes-more").hidden = !rest.length;
  at("changes-more").firstElementChild.textContent = shown(rest.length + " more");
  at("changes-rest").replaceChildren(...rest);
}

// One score: its value within what it can be, and how it went.
function gaugeRow(name, value, series, last) {
  const row = make("li", undefined, "gauge"), score = SCORES[name] || {}, seen = series.filter(one => one !== null).concat(value ?? []);
  const least = Math.min(score.least ?? 0, ...seen), most = Math.max(score.most ?? 0, ...seen.map(one => score.most === 1 && one > 1 ? Math.max(one, 100) : one), least + 1e-9);
  const part = one => Math.min(Math.max((one - least) / (most - least), 0), 1), now = value ?? last;
  const raises = score.raises !== undefined && value > score.raises;
  const gauge = meter(name, { filled: now === undefined ? undefined : part(now), kind: value === undefined ? "old" : raises ? "fill high" : "fill",
    mark: score.raises === undefined ? undefined : part(score.raises), least, most, now: now ?? least,
    text: now === undefined ? "not known" : number(now) + " of " + number(least) + " to " + number(most) + (value === undefined ? ", not fresh" : "") });
  const line = picture(100, 20, name + " over the last " + spanWords()), each = 100 / Math.max(series.length, 1);
  line.setAttribute("preserveAspectRatio", "none");
  lineIn(line, { x: index => each * index, y: one => 18 - 16 * part(one), each }, series);
  line.classList.add("spark");
  const words = now === undefined ? "–" : number(now);
  row.append(make("span", name, "name"), make("b", words, value === undefined ? "dim" : "value"), gauge, line,
    make("span", raises ? MARKS[score.to] + " raises to " + score.to : value === undefined && now !== undefined ? "last known" : number(least) + " to " + number(most), raises ? score.to : "dim"));
  return row;
}

function showShrink(status) {
  const source = status.sources.find(source => source.name === "shrink"), shrink = status.shrink;
  at("shrink-part").hidden = !source;
  if (!source) return;
  const answer = past[state.span] && past[state.span].answer, series = answer ? answer.shrink : [];
  const age = shrink.age_s === null ? "" : ", " + ago(shrink.age_s) + " old";
  const words = { fresh: "● fresh" + age, stale: "◐ stale" + age + ": severities go without it", down: "✖ down" + (shrink.age_s === null ? "" : ", the last sample is" + age.slice(1))
    + (source.last_error ? ": " + source.last_error : "") };
  at("shrink-state").textContent = shown(words[shrink.state]);
  at("shrink-state").className = shrink.state === "fresh" ? "dim" : "bad";
  const names = [...new Set([...Object.keys(SCORES), ...series.map(one => one.name), ...Object.keys(shrink.values)])];
  const rows = names.map(name => {
    const values = (series.find(one => one.name === name) || { values: [] }).values, value = shrink.values[name];
    const known = values.filter(one => one !== null);
    return value === undefined && !known.length ? null : gaugeRow(name, value, values, known[known.length - 1]);
  }).filter(Boolean);
  at("shrink").replaceChildren(...(rows.length ? rows.slice(0, 24) : [make("li", "no sample was taken yet", "dim")]));
}

// Logs that device 51 found silent and of which nothing has come since.
function silentLogs(status) {
  const told = past["24h"] ? past["24h"].answer.changes.filter(change => change.kind === "log") : [];
  const isBack = change => status.sources.some(source => source.last_event && change.why.includes(source.name) && Date.parse(source.last_event) / 1000 > change.ts);
  return told.filter((change, index) => !isBack(change) && told.findIndex(other => other.why === change.why) === index);
}

const sinceWords = part => part.since ? " since " + clock(Date.parse(part.since) / 1000) : "";

function partRow(mark, part, state, what) {
  const row = make("li");
  row.append(make("b", mark + " " + state + " ", "bad"), link(part.name, { page: "system" }), make("span", what + sinceWords(part), "dim"), short(part.last_error ? ": " + part.last_error : ""));
  return row;
}

// What is well is a word; what is not has a line.
function showWell(status) {
  const down = status.sources.filter(source => !source.up), silent = silentLogs(status), up = status.sources.length - down.length;
  const behind = status.outlets.filter(outlet => !outlet.up || outlet.progress);
  const fastest = status.sources.filter(source => source.rate >= 0.05).sort((a, b) => b.rate - a.rate).slice(0, 5).map(source => source.name + " " + number(source.rate) + "/s");
  const lines = [[status.sources.length ? many(up, "source") + (up === 1 ? " is" : " are") + " read" : "no source is configured", ...fastest].join(" · "),
    status.outlets.length ? status.outlets.filter(outlet => !behind.includes(outlet)).map(outlet => outlet.name + " " + outlet.lag_events.toLocaleString() + " behind").join(" · ")
      || "no outlet is up to date" : "there are no outlets"];
  const bad = [...down.map(source => partRow("✖", source, "DOWN", "")), ...behind.map(outlet => partRow(outlet.up ? "◐" : "✖", outlet, outlet.up ? "BEHIND" : "DOWN",
    ", " + outlet.lag_events.toLocaleString() + " behind" + (outlet.progress ? ", " + outlet.progress : "")))];
  if (!changed("well", [lines, status.sources.filter(source => !source.up), behind, silent])) return;
  at("well").replaceChildren(...lines.map(line => make("p", line, "dim")));
  at("unwell").replaceChildren(...bad.slice(0, 50), ...silent.slice(0, 20).map(changeRow), ...(bad.length > 50 ? [make("li", (bad.length - 50).toLocaleString() + " more", "dim")] : []));
}

function showOverview(status) {
  if (state.page !== "overview") return null;
  showWell(status);
  showShrink(status);
  return wholePast(status);
}
