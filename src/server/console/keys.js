
// Keyboard first: what a key does it also says, and it does nothing while somebody types.
const KEYS = [["/", "filter"], ["j", "next line"], ["k", "line before"], ["enter", "open"], ["e", "explain"], ["a", "acknowledge the incident"],
  ["s", "silence"], ["g o", "overview"], ["g i", "incidents"], ["g e", "events"], ["g r", "rules"], ["g s", "system"], ["esc", "close, or leave the field"], ["?", "all keys"]];
const GO_MS = 2000;
let goSince = 0;

const isSeen = node => node.getClientRects().length > 0;
const items = () => [...document.querySelectorAll("[data-key]")].filter(node => node.item && isSeen(node));
const itemAt = () => { const node = document.activeElement.closest("[data-key]"); return node && node.item ? node : null; };

function move(step) {
  const all = items(), here = itemAt(), next = here ? all[all.indexOf(here) + step] : all[step > 0 ? 0 : all.length - 1];
  if (!next) return;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function toFilter() {
  const place = { rules: "find", entity: "look-value", system: "look-value" }[state.page] || "where";
  at(place).focus();
  at(place).select();
}

const PLACES = { o: {}, i: {}, e: { page: "events" }, r: { page: "rules" }, s: { page: "system" } };
function goTo(key) {
  go({ ...USUAL, ...PLACES[key] });
  const head = at(key === "i" ? "incidents-head" : PAGES[state.page][0].replace("-part", "-head"));
  if (head) { head.tabIndex = -1; head.focus(); }
}

function showKeys() {
  at("keys-list").replaceChildren(...KEYS.flatMap(([key, what]) => {
    const term = make("dt"), said = make("dd", what + (!may("respond") && (key === "a" || key === "s") ? " (needs the role respond)" : ""));
    term.append(...key.split(" ").map(part => make("kbd", part)));
    return [term, said];
  }));
  at("keys").showModal();
}

function pressed(key) {
  const here = itemAt(), item = here && here.item;
  if (goSince && performance.now() - goSince < GO_MS && PLACES[key]) { goSince = 0; goTo(key); return true; }
  goSince = key === "g" ? performance.now() : 0;
  switch (key) {
    case "/": toFilter(); return true;
    case "j": move(1); return true;
    case "k": move(-1); return true;
    case "?": showKeys(); return true;
    case "g": return true;
    case "Enter": if (!item || document.activeElement !== here || !item.open) return false; item.open(); return true;
    case "e": if (!item || !item.explain) return false; item.explain(); return true;
    case "a": if (!item || !item.acknowledge || !may("respond")) return false; item.acknowledge(); return true;
    case "s": if (!item || !item.silence || !may("respond")) return false; item.silence(); return true;
    default: return false;
  }
}

document.addEventListener("keydown", event => {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (typing && event.key === "Escape" && !document.querySelector("dialog[open]")) typing.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (pressed(event.key)) event.preventDefault();
});
at("keys-leave").addEventListener("click", () => at("keys").close());
at("help").addEventListener("click", showKeys);
