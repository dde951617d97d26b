"use strict";
// The review page: shows objects by their probability, and counts those that nobody rejected.
const data = JSON.parse(document.getElementById("data").textContent);
const [ACCEPTED, REJECTED] = data.choices;
const KEYS = { a: ACCEPTED, r: REJECTED, u: "" };
const PAGE = 60, RESAMPLES = 1000, STORED = `review ${data.run} ${data.class}`;
const BARS = [1, 2, 5, 10, 20, 50, 100, 200, 500]; // micrometers
const byId = (id) => document.getElementById(id);
const objects = data.images.flatMap((image, i) =>
  image.candidates.map((one, j) => ({ ...one, image, decision: data.decisions[i][j] })));
let shown = [], first = 0, enlarged;

// This browser keeps the decisions that differ from those in the page.
const given = objects.map((one) => one.decision);
for (const [index, decision] of Object.entries(JSON.parse(localStorage.getItem(STORED) || "{}"))) {
  objects[index].decision = decision;
}
const remember = () => localStorage.setItem(STORED, JSON.stringify(Object.fromEntries(
  objects.map((one, index) => [index, one.decision]).filter(([index, decision]) => decision !== given[index]))));

function element(name, attributes, parent, text) {
  const isDrawn = ["svg", "image", "polygon", "line"].includes(name);
  const made = isDrawn ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function draw(parent, image, [x, y, width, height], outlined, chosen) {
  const view = element("svg", { viewBox: `${x} ${y} ${width} ${height}`, role: "img" }, parent);
  view.style.setProperty("--aspect", width / height);
  const size = { width: image.width, height: image.height, preserveAspectRatio: "none" };
  element("image", { href: encodeURIComponent(image.picture), ...size }, view);
  for (const one of outlined) {
    for (const points of one.outline) {
      element("polygon", { points: points.join(" "), class: one.number === chosen ? "chosen" : "" }, view);
    }
  }
  const pixel = image.pixel_size_um;
  const bar = pixel && BARS.filter((length) => length / pixel <= width / 2).pop();
  if (bar) {
    const [right, low] = [x + width * 0.95, y + height * 0.95];
    element("line", { class: "bar", x1: right - bar / pixel, x2: right, y1: low, y2: low }, view);
  }
  return bar ? `, bar ${bar} µm` : "";
}

function showCard(object, parent) {
  const card = element("div", { class: "card", "data-decision": object.decision, tabindex: 0 }, parent);
  const crops = element("div", { class: "crops" }, card);
  const side = data.window;
  const window = [object.x - side / 2, object.y - side / 2, side, side];
  const bar = draw(crops, object.image, window, [object], object.number);
  draw(crops, object.image, window, []);
  const text = `probability ${object.probability.toFixed(2)}, ${object.image.name}, object ${object.number}${bar}`;
  element("div", {}, card, text);
  card.object = object;
  card.addEventListener("click", () => enlarge(card));
}

function enlarge(card) {
  const { object } = card, { image } = object, box = byId("large").querySelector("div");
  enlarged = card;
  box.replaceChildren();
  const bar = draw(box, image, [0, 0, image.width, image.height], image.candidates, object.number);
  byId("large").querySelector("p").textContent =
    `${image.group ? image.group + ": " : ""}${image.name}, object ${object.number}, probability ${object.probability.toFixed(2)}${bar}`;
  if (!byId("large").open) byId("large").showModal();
}

function showPage(focused) {
  byId("cards").replaceChildren();
  for (const object of shown.slice(first, first + PAGE)) showCard(object, byId("cards"));
  const last = Math.min(first + PAGE, shown.length);
  byId("place").textContent = shown.length ? `${first + 1} to ${last} of ${shown.length}` : "no object";
  byId("previous").disabled = first === 0;
  byId("next").disabled = last === shown.length;
  byId("cards").children[focused]?.focus();
}

function list() {
  const sign = byId("order").value === "high" ? -1 : 1;
  shown = objects.filter((one) => byId("shown").value === "all" || !one.decision);
  shown.sort((one, other) => sign * (one.probability - other.probability));
  first = 0;
  showPage();
}

function move(card, step) {
  const cards = [...byId("cards").children], to = cards.indexOf(card) + step;
  if (to >= 0 && to < cards.length) cards[to].focus();
  else if (to < 0 && first > 0) { first -= PAGE; showPage(PAGE - 1); }
  else if (to > 0 && first + PAGE < shown.length) { first += PAGE; showPage(0); }
}

// Wilson 1927, as scipy's binomtest has it.
function wilson(count, number) {
  const z = 1.959964, share = count / number, scale = 1 + z * z / number;
  const half = z * Math.sqrt(share * (1 - share) / number + z * z / 4 / number ** 2) / scale;
  const center = (share + z * z / 2 / number) / scale;
  return [Math.max(center - half, 0), Math.min(center + half, 1)];
}

// Percentiles of the ratio of sums over images that are drawn with replacement.
function bootstrap(counts, sizes) {
  if (counts.length < 2) return [NaN, NaN];
  let state = 1; // the same images are drawn after every decision (Park and Miller 1988)
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const ratios = Array.from({ length: RESAMPLES }, () => {
    let count = 0, size = 0;
    for (let n = 0; n < counts.length; n++) {
      const drawn = Math.floor(random() * counts.length);
      count += counts[drawn];
      size += sizes[drawn];
    }
    return count / size;
  }).filter(Number.isFinite).sort((one, other) => one - other);
  return [0.025, 0.975].map((share) => ratios[Math.round(share * (ratios.length - 1))]);
}

const ratio = (counts, sizes) => {
  const sum = (values) => values.reduce((one, other) => one + other, 0);
  const [low, high] = bootstrap(counts, sizes);
  const text = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(2));
  const range = Number.isFinite(low) ? ` (${text(low)} to ${text(high)})` : "";
  return sum(sizes) ? text(sum(counts) / sum(sizes)) + range : "";
};

function summarize() {
  const counts = new Map(data.images.map((image) => [image, 0]));
  for (const one of objects) if (one.decision !== REJECTED) counts.set(one.image, counts.get(one.image) + 1);
  const groups = new Map(data.images.map((image) => [image.group, []]));
  for (const image of data.images) groups.get(image.group).push(image);
  byId("sentences").replaceChildren();
  const body = byId("groups").querySelector("tbody");
  body.replaceChildren();
  for (const [name, images] of [...groups].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const found = images.map((image) => counts.get(image));
    const positive = found.filter((count) => count > 0).length;
    const [low, high] = wilson(positive, images.length).map((share) => (100 * share).toFixed(0));
    const title = name ? ` of ${name}` : "", most = 100 * (1 - 0.05 ** (1 / images.length));
    element("li", {}, byId("sentences"), positive
      ? `${positive} of ${images.length} images${title} show a ${data.class} (${low} to ${high}%).`
      : `None of ${images.length} images${title} shows a ${data.class}: at 95% confidence, fewer than ${most.toPrecision(2)}% of such images do.`);
    const cells = images.map((image) => image.cells ?? 0);
    const row = element("tr", {}, body);
    const share = `${positive} (${low} to ${high}%)`, per = ratio(found, found.map(() => 1));
    const perCells = ratio(found.map((count) => 1000 * count), cells);
    for (const text of [name, images.length, share, found.reduce((a, b) => a + b, 0), per, perCells]) {
      element("td", {}, row, text);
    }
  }
  const number = (decision) => objects.filter((one) => one.decision === decision).length;
  byId("counts").textContent =
    `${objects.length} objects: ${number(ACCEPTED)} accepted, ${number(REJECTED)} rejected, ${number("")} undecided`;
}

function decide(card, decision) {
  card.object.decision = decision;
  card.dataset.decision = decision;
  remember();
  summarize();
}

function save() {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const rows = objects.filter((one) => one.decision).map((one) =>
    [data.run, one.image.folder, one.image.name, one.number, one.decision]);
  const lines = [data.columns, ...rows].map((row) => row.map((value) => quoted(String(value))).join(",") + "\r\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines));
  link.download = "decisions.csv";
  link.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (event.key === "Enter" && event.target.matches("button")) return;
  const isOpen = byId("large").open;
  const card = isOpen ? enlarged : document.activeElement.closest(".card") || byId("cards").children[0];
  if (!card) return;
  if (event.key in KEYS) {
    byId("large").close();
    decide(card, KEYS[event.key]);
    move(card, 1);
  } else if (isOpen) return;
  else if (event.key === "ArrowRight" || event.key === "ArrowLeft") move(card, event.key === "ArrowRight" ? 1 : -1);
  else if (event.key === "Enter") enlarge(card);
  else return;
  event.preventDefault();
});
const head = ["Group", "Images", `Images with a ${data.class}`, "Objects", "Per image", "Per 1,000 blood cells"];
for (const text of head) element("th", {}, byId("groups").querySelector("thead"), text);
for (const id of ["shown", "order"]) byId(id).addEventListener("change", list);
byId("previous").addEventListener("click", () => { first -= PAGE; showPage(0); });
byId("next").addEventListener("click", () => { first += PAGE; showPage(0); });
byId("save").addEventListener("click", save);
byId("large").addEventListener("click", () => byId("large").close());
byId("note").textContent = data.note;
summarize();
list();
