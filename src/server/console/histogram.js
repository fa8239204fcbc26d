
// How many events when, above the table; a span of it narrows what is shown. A bar is a button: arrows move, with Shift they choose
// more than one, Enter narrows; a pointer does it by dragging.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400], BARS = 60;
let counted = null, chosen = null, histogramOf = "";

function bucketsOf(entries) {
  const times = entries.filter(entry => entry.is !== "gap").map(entry => entry.ts);
  if (!times.length) return { step_s: 1, buckets: [] };
  const first = Math.min(...times), end = Math.max(...times);
  const step = STEPS.find(step => Math.floor(end / step) - Math.floor(first / step) < BARS) || Math.ceil((end - first) / BARS / 86400 + 1) * 86400;
  const from = Math.floor(first / step), buckets = Array.from({ length: Math.floor(end / step) - from + 1 }, (_, at) => ({ ts: (from + at) * step, counts: {} }));
  for (const entry of entries) {
    if (entry.is === "gap") continue;
    const { counts } = buckets[Math.floor(entry.ts / step) - from];
    for (const [severity, count] of entry.is ? Object.entries(entry.counts) : [[severityOf(entry), 1]]) counts[severity] = (counts[severity] || 0) + count;
  }
  return { step_s: step, buckets };
}

// Of what is asked for the daemon counts all; of what comes live, what the page has.
function drawHistogram(wanted) {
  const { step_s: step, buckets, complete } = counted || bucketsOf(wanted);
  const now = JSON.stringify([step, buckets]);
  if (now === histogramOf) return;
  histogramOf = now;
  chosen = null;
  const place = at("histogram"), most = Math.max(1, ...buckets.map(totalOf));
  const focused = place.contains(document.activeElement) ? Number(document.activeElement.dataset.ts) : null;
  place.replaceChildren(...buckets.map((bucket, index) => {
    const bar = make("button", undefined, "bar-of"), total = totalOf(bucket);
    const parts = [...SEVERITIES].reverse().filter(severity => bucket.counts[severity]);
    bar.dataset.ts = bucket.ts;
    bar.tabIndex = index === buckets.length - 1 ? 0 : -1;
    const said = clock(bucket.ts) + " to " + clock(bucket.ts + step) + ": " + many(total, "event")
      + (parts.length ? ", " + parts.map(severity => bucket.counts[severity].toLocaleString() + " " + severity).join(", ") : "");
    bar.setAttribute("aria-label", shown(said));
    bar.title = shown(said);
    for (const severity of parts) {
      const part = make("span", undefined, severity);
      part.style.height = Math.max(2, 100 * bucket.counts[severity] / most) + "%";
      bar.append(part);
    }
    return bar;
  }));
  const again = focused !== null && [...place.children].find(bar => Number(bar.dataset.ts) === focused);
  if (again) again.focus({ preventScroll: true });
  at("histogram-part").hidden = !buckets.length;
  at("histogram-said").textContent = buckets.length ? shown(clock(buckets[0].ts) + " – " + clock(buckets[buckets.length - 1].ts + step)
    + ", a bar is " + spanOf(step) + (counted && !complete ? ", and more that was not counted" : "")) : "";
}

const spanOf = seconds => seconds < 60 ? many(seconds, "second") : seconds < 3600 ? many(seconds / 60, "minute")
  : seconds < 86400 ? many(seconds / 3600, "hour") : many(seconds / 86400, "day");

function choose(from, to) {
  const bars = [...at("histogram").children];
  chosen = from === null ? null : [Math.min(from, to), Math.max(from, to), from];
  bars.forEach((bar, index) => bar.classList.toggle("chosen", Boolean(chosen) && index >= chosen[0] && index <= chosen[1]));
}

function narrow() {
  const bars = at("histogram").children;
  if (!chosen) return;
  const step = JSON.parse(histogramOf)[0], iso = seconds => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  go({ page: "events", since: iso(Number(bars[chosen[0]].dataset.ts)), until: iso(Number(bars[chosen[1]].dataset.ts) + step), after: "", through: "" });
}

const barAt = event => [...at("histogram").children].indexOf(event.target.closest(".bar-of"));
at("histogram").addEventListener("pointerdown", event => { const bar = barAt(event); if (bar >= 0) choose(bar, bar); });
at("histogram").addEventListener("pointerover", event => { const bar = barAt(event); if (chosen && event.buttons && bar >= 0) choose(chosen[2], bar); });
at("histogram").addEventListener("click", event => {
  const bar = barAt(event);
  if (bar >= 0 && (!chosen || bar < chosen[0] || bar > chosen[1])) choose(bar, bar);
  narrow();
});
addEventListener("pointerup", event => { if (chosen && !event.target.closest("#histogram .bar-of")) choose(null); });
at("histogram").addEventListener("keydown", event => {
  const bars = at("histogram").children, bar = barAt(event), step = { ArrowLeft: -1, ArrowRight: 1, Home: -bars.length, End: bars.length }[event.key];
  if (event.key === "Escape") choose(null);
  if (!step || bar < 0) return;
  event.preventDefault();
  const to = Math.min(Math.max(bar + step, 0), bars.length - 1);
  if (event.shiftKey) choose(chosen ? chosen[2] : bar, to); else choose(null);
  bars[bar].tabIndex = -1;
  bars[to].tabIndex = 0;
  bars[to].focus();
});
