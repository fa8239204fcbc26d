
// The live stream: what comes is kept, as many rows of a second as a person can read; of the rest it is counted how many there were.
// What was missed while nobody answered is asked for, and where there was something amiss a row of the table says so.
const ROWS_A_SECOND = 100, SLICE_MS = 8, LATE_MS = 10000;
let STREAM = "SOC_EVENTS", live = null, last = "", cut = null, newestKnown = "", taken = 0, late = false;
let burst = { second: 0, rows: 0, grave: 0, more: null };

const idNumbers = id => id.split("-").map(Number);
const msOf = id => idNumbers(id)[0];
function isAfter(one, other) {
  const [ms, n] = idNumbers(one), [otherMs, otherN] = idNumbers(other || "0-0");
  return ms > otherMs || (ms === otherMs && n > otherN);
}

function keepRow(row) {
  events.push(row);
  if (events.length > KEPT) events.shift();
  drawn = false;
}

const SEVERITY_IN = /"severity":"([A-Z]+)"/;
// One event as text. Beyond so many of a second only the grave ones are rows, and not all of these.
function takeEvent(id, text) {
  const second = Math.floor(msOf(id) / 1000), before = last;
  last = id;
  taken += 1;
  if (second !== burst.second) burst = { second, rows: 0, grave: 0, more: null };
  const severity = (SEVERITY_IN.exec(text) || [])[1] || "INFO", grave = severity === "HIGH" || severity === "CRITICAL";
  if ((grave ? ++burst.grave : ++burst.rows) <= ROWS_A_SECOND) return keepRow(JSON.parse(text));
  if (!burst.more) keepRow(burst.more = { is: "more", id: "more " + id, ts: second, after: before, through: id, counts: {}, count: 0 });
  burst.more.through = id;
  burst.more.count += 1;
  burst.more.counts[severity] = (burst.more.counts[severity] || 0) + 1;
  drawn = false;
}

function take(block) {
  if (block.startsWith("id: ")) {
    const end = block.indexOf("\ndata: ");
    if (end < 0) return;
    const id = block.slice(4, end);
    // Ages behind what is known to be there: nobody would ever see the end.
    if (newestKnown && msOf(newestKnown) - msOf(id) > LATE_MS) late = true;
    takeEvent(id, block.slice(end + 7));
  } else if (block.startsWith("event: gap\ndata: ")) {
    const { after, oldest } = JSON.parse(block.slice(17));
    keepRow({ is: "gap", id: "gap " + after, ts: msOf(oldest) / 1000, since: msOf(after) / 1000, after, through: oldest,
      text: "the hot store has nothing of that time any more" });
  }
}

const breathe = () => new Promise(done => setTimeout(done));

// A reader that never rests would leave no time for the page itself.
async function readAll(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", begun = performance.now();;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      if (signal.aborted) return;
      take(block);
      if (performance.now() - begun > SLICE_MS) {
        await breathe();
        begun = performance.now();
      }
    }
    if (late) {
      await reader.cancel();
      return;
    }
  }
}

// EventSource cannot send the key of a session, so the stream is read by hand.
async function follow(signal) {
  while (!signal.aborted) {
    try {
      if (cut) await fill(signal);
      late = false;
      const headers = last ? { "Last-Event-ID": last } : {};
      const answer = await ask("/api/v1/streams/" + STREAM + "/live", { headers, signal });
      await readAll(answer.body, signal);
    } catch (error) { /* poll says what does not answer */ }
    if (signal.aborted) return;
    if (last && !cut) cut = { since: Date.now() / 1000, late };
    if (!late) await new Promise(done => setTimeout(done, RETRY_MS));
  }
}

// What came while nobody listened; where that is more than the page holds, how many in each span, and the newest.
async function fill(signal) {
  const { since, late: wasLate } = cut, after = last, missed = [];
  for (let next = after; next && missed.length < KEPT && !wasLate;) {
    const page = await get("/api/v1/events?order=oldest&count=" + KEPT + "&after=" + next);
    missed.push(...page.events);
    next = page.next;
    if (next && missed.length >= KEPT) missed.length = KEPT + 1;
  }
  if (signal.aborted) return;
  const gap = { is: "gap", id: "gap " + after + " " + since, since: wasLate ? msOf(after) / 1000 : since, ts: Date.now() / 1000, after };
  if (!wasLate && missed.length <= KEPT) {
    keepRow({ ...gap, through: missed.length ? missed[missed.length - 1].id : after, count: missed.length,
      text: missed.length ? many(missed.length, "event") + " that came meanwhile " + (missed.length === 1 ? "was" : "were") + " asked for and follow" : "nothing came meanwhile" });
    for (const event of missed) takeEvent(event.id, JSON.stringify(event));
  } else {
    const counted = await get("/api/v1/events/counts?order=oldest&after=" + after);
    const newest = (await get("/api/v1/events?count=" + SHOWN)).events.reverse().filter(event => isAfter(event.id, after));
    if (signal.aborted) return;
    const most = Math.max(0, ...counted.buckets.map(totalOf));
    keepRow({ ...gap, through: newest.length ? newest[0].id : after, buckets: counted.buckets, step: counted.step_s,
      text: (counted.complete ? "" : "more than ") + many(counted.counted, "event") + " came meanwhile, more than the page holds: up to "
        + (most / counted.step_s).toLocaleString(undefined, { maximumFractionDigits: 1 }) + " a second" });
    newest.forEach(keepRow);
    if (newest.length) last = newest[newest.length - 1].id;
  }
  cut = null;
}

const totalOf = bucket => Object.values(bucket.counts).reduce((sum, count) => sum + count, 0);

function cutLive() {
  if (live) live.abort();
  live = null;
}

// A page that was left and is kept for going back to must not hold a connection.
addEventListener("pagehide", cutLive);

// The first look is at the newest events, however long ago they were.
async function goLive(status) {
  newestKnown = status.store.last_id || "";
  if (!last && status.store.last_id) {
    const newest = (await get("/api/v1/events?count=" + SHOWN)).events.reverse();
    newest.forEach(keepRow);
    last = newest.length ? newest[newest.length - 1].id : status.store.last_id;
  }
  if (!live) { live = new AbortController(); follow(live.signal); }
}
