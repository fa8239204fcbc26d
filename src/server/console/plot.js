
// Plots: SVG with axes and units, and the same as a table.
const SVG = "http://www.w3.org/2000/svg";
const WIDE = 340, HIGH = 124, LEFT = 56, RIGHT = 8, TOP = 10, BOTTOM = 20;

function drawIn(parent, tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = shown(text);
  parent.append(node);
  return node;
}

function picture(wide, high, said) {
  const image = document.createElementNS(SVG, "svg");
  image.setAttribute("viewBox", "0 0 " + wide + " " + high);
  image.setAttribute("role", "img");
  image.setAttribute("aria-label", shown(said));
  return image;
}

// How far a number fills what it can be, with a mark on the way; `filled` and `mark` are parts of the width.
function meter(label, { filled, kind, mark, least, most, now, text }) {
  const node = make("span", undefined, "meter"), image = picture(100, 8, "");
  for (const name of ["role", "aria-label"]) image.removeAttribute(name);
  image.setAttribute("aria-hidden", "true");
  image.setAttribute("preserveAspectRatio", "none");
  drawIn(image, "rect", { x: 0, y: 1, width: 100, height: 6, class: "track" });
  if (filled !== undefined) drawIn(image, "rect", { x: 0, y: 1, width: 100 * filled, height: 6, class: kind });
  if (mark !== undefined) drawIn(image, "rect", { x: 100 * mark, y: 0, width: 0.8, height: 8, class: "mark" });
  node.append(image);
  const told = { role: "meter", "aria-label": shown(label), "aria-valuemin": least, "aria-valuemax": most, "aria-valuenow": now };
  for (const [name, value] of Object.entries(text ? { ...told, "aria-valuetext": text } : told)) node.setAttribute(name, String(value));
  return node;
}

function tableOfCells(columns, rows) {
  const table = make("table"), head = make("tr"), top = make("thead"), body = make("tbody");
  for (const name of columns) {
    const node = make("th", name);
    node.setAttribute("scope", "col");
    head.append(node);
  }
  top.append(head);
  for (const cells of rows) {
    const row = make("tr");
    for (const content of cells) {
      const node = make("td");
      node.append(typeof content === "object" ? content : shown(content));
      row.append(node);
    }
    body.append(row);
  }
  table.append(top, body);
  return table;
}

// A figure that stays where it is when its content changes: a table that was opened stays open, and is filled while it is.
function fillFigure(figure, { heading, said, image, columns, rows }) {
  if (!figure.firstChild) {
    const more = make("details"), place = make("div", undefined, "wide");
    Object.assign(place, { tabIndex: 0, role: "region" });
    more.append(make("summary", "as a table"), place);
    more.addEventListener("toggle", () => figure.refill());
    figure.append(make("figcaption"), make("div"), more);
  }
  const [caption, frame, more] = figure.children, place = more.lastChild;
  caption.replaceChildren(...(heading ? [make("strong", heading + " ")] : []), ...[].concat(said).flatMap(part => [typeof part === "string" ? make("span", part, "dim") : part, " "]));
  frame.replaceChildren(image);
  place.setAttribute("aria-label", shown((heading || "the plot") + " as a table"));
  figure.refill = () => place.replaceChildren(...(more.open ? [tableOfCells(columns, rows())] : []));
  if (more.open) figure.refill();
  return figure;
}

// The least of 1, 2 and 5 with noughts that is not less.
function roundUp(value) {
  if (!(value > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(step => step * ten).find(step => step >= value * 0.999999);
}

const number = value => value.toLocaleString(undefined, { maximumFractionDigits: value >= 100 ? 0 : value >= 10 ? 1 : 2 });
const tickOf = value => value >= 10000 ? value.toLocaleString(undefined, { notation: "compact" }) : number(value);
const minuteOf = seconds => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

// Axes of buckets over time, and where in the picture a bucket and a value are. A time in which nothing ran is a grey field.
function axes(image, buckets, most, unit) {
  const top = roundUp(most), wide = WIDE - LEFT - RIGHT, high = HIGH - TOP - BOTTOM, each = wide / buckets.length;
  const x = index => LEFT + each * index, y = value => TOP + high * (1 - value / top);
  for (const part of [0, 0.5, 1]) {
    drawIn(image, "line", { x1: LEFT, x2: WIDE - RIGHT, y1: y(part * top), y2: y(part * top), class: "grid" });
    drawIn(image, "text", { x: LEFT - 5, y: y(part * top) + 4, class: "tick", "text-anchor": "end" }, tickOf(part * top) + (part ? unit : ""));
  }
  const times = [[0, "start"], [Math.floor(buckets.length / 2), "middle"]];
  for (const [index, anchor] of times) drawIn(image, "text", { x: x(index), y: HIGH - 5, class: "tick", "text-anchor": anchor }, minuteOf(buckets[index].ts));
  drawIn(image, "text", { x: WIDE - RIGHT, y: HIGH - 5, class: "tick", "text-anchor": "end" }, "now");
  for (let from = 0; from < buckets.length; from += 1) {
    let to = from;
    while (to < buckets.length && buckets[to].raw_events === null) to += 1;
    if (to === from) continue;
    const gap = drawIn(image, "rect", { x: x(from), y: TOP, width: each * (to - from), height: high, class: "unknown" });
    drawIn(gap, "title", {}, "the daemon did not run");
    from = to;
  }
  return { x, y, each };
}

// A line over what is known, in pieces where something is not.
function lineIn(image, at, values, ...classes) {
  let piece = [];
  const end = () => {
    if (piece.length === 1) drawIn(image, "circle", { cx: piece[0][0], cy: piece[0][1], r: 1.6, class: ["dot", ...classes].join(" ") });
    if (piece.length > 1) drawIn(image, "polyline", { points: piece.map(point => point.join(",")).join(" "), class: ["line", ...classes].join(" ") });
    piece = [];
  };
  values.forEach((value, index) => {
    if (value === null || value === undefined) end();
    else piece.push([at.x(index) + at.each / 2, at.y(value)].map(place => Math.round(place * 10) / 10));
  });
  end();
}
