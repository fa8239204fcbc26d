
// What nothing is to be told of.
const KINDS = ["", "user", "src_ip", "host", "ip", "dst_ip", "process", "domain", "file"];

function whatOf(silence) {
  const entity = silence.entity && silence.entity.kind + " " + silence.entity.value;
  return [silence.rule && "rule " + silence.rule, entity, silence.network && "network " + silence.network,
    silence.where && "where " + silence.where].filter(Boolean).join(", ");
}

function showSilences(list) {
  if (!changed("silences", list)) return;
  const inForce = silence => silence.state === "active" || silence.state === "pending";
  const rows = list.filter(inForce).map(silence => {
    const row = make("li", undefined, "row"), text = make("div");
    text.append(make("b", whatOf(silence)), make("span", " " + (silence.state === "pending" ? "from " + silence.from + " " : "")
      + (silence.until ? "until " + silence.until : "without an end"), "dim"),
      make("span", " · " + many(silence.hits, "event") + " · by " + silence.who + (silence.comment ? ": " + silence.comment : ""), "dim"));
    row.append(text);
    if (silence.last_hit) row.append(button("last event", () => explain(silence.last_hit)));
    if (silence.who !== "configuration" && may("respond")) row.append(button("end", () => endSilence(silence)));
    row.dataset.key = silence.id;
    row.tabIndex = 0;
    row.item = { explain: silence.last_hit && (() => explain(silence.last_hit)) };
    return row;
  });
  redraw(at("silences"), rows.length ? rows : [make("li", "none", "dim")]);
}

async function endSilence(silence) {
  if (!confirm(shown("end the silence of " + whatOf(silence) + "?"))) return;
  try {
    await ask("/api/v1/silences/" + encodeURIComponent(silence.id), { method: "DELETE" });
  } catch (error) { alert(shown(error.message)); }
  await poll();
}

// For what an incident turned out to be: the rule of its first alert, and whom it is about.
async function hush(incident) {
  let alert = {}, failed = "";
  try {
    alert = await get("/api/v1/events/" + encodeURIComponent(incident.members[0]));
  } catch (error) { failed = "its first alert is not in the store: name the rule yourself (" + error.message + ")"; }
  hushEvent({ ...alert, entity: alert.entity || incident.entity }, "silence what incident " + incident.id + " was made of", failed);
}

function hushEvent(alert, head = "silence what event " + alert.id + " is about", failed = "") {
  if (!may("respond")) return;
  at("hush-head").textContent = shown(head);
  at("hush-failed").textContent = shown(failed);
  at("hush-comment").value = "";
  const entity = alert.entity || {}, kind = ["src_ip", "user", "host"].find(name => entity[name]) || "";
  // What a device says in words differs from time to time; its flag does not.
  at("hush-rule").value = (alert.flags || [])[0] || (alert.reasons || [])[0] || "";
  at("hush-kind").value = kind;
  at("hush-value").value = kind ? entity[kind] : "";
  at("hush-form").onsubmit = async event => {
    if (event.submitter && event.submitter.value === "leave") return;
    event.preventDefault();
    const body = { for: at("hush-for").value, comment: at("hush-comment").value };
    if (at("hush-rule").value) body.rule = at("hush-rule").value;
    if (at("hush-kind").value) body.entity = { kind: at("hush-kind").value, value: at("hush-value").value };
    try {
      await ask("/api/v1/silences", { method: "POST", body: JSON.stringify(body) });
      at("hush").close();
      await poll();
    } catch (error) { at("hush-failed").textContent = shown(error.message); }
  };
  at("hush").showModal();
}

at("hush-kind").append(...KINDS.map(kind => Object.assign(make("option", kind || "everybody"), { value: kind })));
