
// Everything about one user, address or machine.
let entity = null;

async function loadEntity() {
  const { kind, value } = state;
  if (!kind || !value) return;
  try {
    const answer = await get("/api/v1/entities/" + encodeURIComponent(kind) + "/" + encodeURIComponent(value));
    if (state.page !== "entity" || state.kind !== kind || state.value !== value) return;
    entity = answer;
    at("entity-failed").textContent = "";
    showEntity();
  } catch (error) { at("entity-failed").textContent = shown(error.message); }
}

function showEntity() {
  if (!changed("entity", entity)) return;
  at("entity-head").textContent = shown(entity.kind + " “" + entity.value + "”");
  const facts = make("p");
  if (entity.count) {
    facts.append(make("span", (entity.is_more ? "more than " : "") + many(entity.count, "SOC event") + ", from "), when(entity.first_seen),
      make("span", " to "), when(entity.last_seen), make("span", ", at worst "), make("b", entity.worst, entity.worst));
  } else facts.append(make("span", "no SOC event in the hot store is about it", "dim"));
  const parts = [facts];
  if (entity.unread.length) parts.push(make("p", "not read yet after the start: " + entity.unread.join(", "), "dim"));
  if (entity.risk.length) parts.push(plot(entity.risk));
  const list = (name, rows) => {
    if (!rows.length) return;
    const all = make("ul");
    all.append(...rows);
    parts.push(make("h3", name), all);
  };
  const item = (...content) => {
    const row = make("li");
    row.append(...content);
    return row;
  };
  list("Incidents", entity.incidents.map(incident => item(make("b", incident.severity + " ", severityOf(incident)),
    link(incident.id, { ...state, open: "incident " + incident.id }), make("span", " " + incident.state + " "), short(incident.summary))));
  list("Proposals about it", entity.proposals.map(proposal => item(link(proposal.id, { ...state, open: proposal.id }),
    make("span", " " + proposal.state + " "), short(proposal.event.summary || ""))));
  list("Silences", entity.silences.map(silence => item(make("b", silence.state + " "), make("span", whatOf(silence) + " ", "dim"), short(silence.comment || ""))));
  list("Indicator lists that know it", entity.indicators.map(known => item(make("b", known.list + " "),
    link(known.indicator, { ...state, open: known.event_id }))));
  list("What it touched", entity.touched.map(other => item(make("span", other.kind + " ", "dim"), entityLink(other.kind, other.value),
    make("span", " " + many(other.events, "event"), "dim"))));
  list("Rules and detectors", entity.reasons.map(counted => item(link(counted.reason, { page: "events", where: "rule = " + JSON.stringify(counted.reason) }),
    make("span", " " + many(counted.events, "event"), "dim"))));
  if (entity.events.length) parts.push(make("h3", "Newest events"), tableOf(entity.events.map(eventRow)));
  redraw(at("entity"), parts);
}

// Its scores over time, with the same as a table.
function plot(risk) {
  const WIDTH = 600, HEIGHT = 80, first = risk[0].ts, span = Math.max(risk[risk.length - 1].ts - first, 1);
  const said = "Risk over time: " + many(risk.length, "score") + " from " + clock(first) + " to " + clock(first + span) + ", the highest "
    + Math.max(...risk.map(point => point.score)).toFixed(2);
  const image = picture(WIDTH, HEIGHT, said);
  for (const point of risk) {
    const x = 4 + (WIDTH - 8) * (point.ts - first) / span, y = HEIGHT - 2 - (HEIGHT - 8) * point.score;
    drawIn(image, "line", { x1: x, x2: x, y1: HEIGHT - 2, y2: y, class: "bar " + severityOf(point) });
  }
  return fillFigure(make("figure"), { said, image, columns: ["time", "score", "severity"],
    rows: () => risk.map(point => [link(clock(point.ts), { ...state, open: point.event_id }), point.score.toFixed(2), point.severity]) });
}
