
// What is shown, as a file; and what the filter can ask for.
const COLUMNS = ["id", "time", "severity", "score", "category", "src_device", "summary", "user", "src_ip", "host", "dst_ip", "process", "rule"];

// A program that opens the file must not take an attacker's text for a formula (OWASP: CSV Injection).
function csvCell(value) {
  const text = value === undefined || value === null ? "" : String(value);
  const safe = typeof value !== "number" && /^[\s\u0000-\u001f]*[=+\-@|%\uff0b\uff0d\uff1d\uff20]/.test(text) ? "'" + text : text;
  return '"' + safe.replaceAll('"', '""') + '"';
}

function csvOf(rows) {
  const lines = rows.map(event => {
    const entity = event.entity || {}, about = [...(event.flags || []), ...(event.reasons || [])].join(" ");
    return [event.id, new Date(event.ts * 1000).toISOString(), event.severity, event.score, event.category, event.src_device, event.summary,
      entity.user, entity.src_ip, entity.host, entity.dst_ip, entity.process, about].map(csvCell).join(",");
  });
  return [COLUMNS.map(csvCell).join(","), ...lines].join("\r\n") + "\r\n";
}

const ndjsonOf = rows => rows.map(event => JSON.stringify(event) + "\n").join("");

function save(name, kind, text) {
  const node = document.createElement("a");
  node.href = URL.createObjectURL(new Blob([text], { type: kind }));
  node.download = name + "-" + new Date().toISOString().slice(0, 19).replaceAll(":", "") + "." + (kind === "text/csv" ? "csv" : "ndjson");
  node.click();
  setTimeout(() => URL.revokeObjectURL(node.href), 10000);
}

const rowsShown = () => listed.filter(entry => !entry.is);
at("as-csv").addEventListener("click", () => save("events", "text/csv", csvOf(rowsShown())));
at("as-ndjson").addEventListener("click", () => save("events", "application/x-ndjson", ndjsonOf(rowsShown())));

// Names of fields, operators and values, by what was typed last.
let fields = null;
async function complete() {
  if (!fields) {
    try { fields = (await get("/api/v1/events/fields")).fields; } catch { return; }
  }
  const text = at("where").value, [, before, word] = /^(.*?(?:^|[\s(]))([^\s(]*)$/s.exec(text) || ["", "", text];
  const [, name, operator] = /(?:^|[\s(])([a-z_]+)\s*(=|!=|<=?|>=?)?\s*$/i.exec(before) || [];
  const field = fields.find(it => it.names.includes((name || "").toLowerCase()));
  let words = fields.map(it => it.name + " ").concat("and ", "or ", "not ");
  if (field && operator) words = field.values.map(value => value + " ");
  else if (field) words = field.operators.map(it => it + " ");
  const fit = words.filter(it => it.toLowerCase().startsWith(word.toLowerCase())).slice(0, 40);
  at("where-words").replaceChildren(...fit.map(it => Object.assign(document.createElement("option"), { value: before + it })));
}

at("where").addEventListener("input", complete);
at("where").addEventListener("focus", complete);
