"use strict";
// The page of a plate: judges the images by the sliders, says what follows, and shows the charts of charts.py.
const report = JSON.parse(document.getElementById("data").textContent);
const [IN_FOCUS] = report.verdicts;
const pictures = new Map(report.pictures); // by the row of the image
const limits = { ...report.thresholds };
const DARK = matchMedia("(prefers-color-scheme: dark)");
const MOST_NAMED = 12; // wells in the conclusion
let chosen = null; // the selected well, or null for all
let judged = null; // images with their verdicts, and all wells with their counts
let views = []; // of the charts, with the names of their data sets
const shownColumns = report.columns.filter((name) => name !== "plate" || report.wells.some((well) => well.plate));
const byId = (id) => document.getElementById(id);
const asColumn = (verdict) => `images_${verdict.replaceAll(" ", "_")}`;

// Turn a rule of verdicts.py into a function of an object with the values of its names.
function compile(rule) {
  const names = [...new Set(rule.match(/[a-z_]+/g))];
  return new Function(`{ ${names} }`, `return ${rule}`);
}
const rules = Object.entries(report.rules).map(([verdict, rule]) => [verdict, compile(rule)]);
const isExcluded = compile(report.excluded);

function verdictOf(image) {
  const values = { ...image, ...limits, highest_score: limits[image.slider] };
  const found = rules.find(([, applies]) => applies(values));
  return found ? found[0] : IN_FOCUS;
}

function judge() {
  const images = report.images.map((image, index) => ({ ...image, index, verdict: verdictOf(image) }));
  const none = Object.fromEntries(report.verdicts.map((verdict) => [asColumn(verdict), 0]));
  const wells = report.wells.map((well) => ({ ...well, images: 0, ...none }));
  for (const image of images.filter((image) => image.well)) {
    wells[image.well_index].images += 1;
    wells[image.well_index][asColumn(image.verdict)] += 1;
  }
  for (const well of wells) well.excluded = isExcluded({ ...well, ...limits });
  judged = { images, wells };
}

// Name lines of wells by their numbers from 0: "2, 10 to 12".
function named(lines, nameOf) {
  const runs = [];
  for (const line of [...lines].sort((one, other) => one - other)) {
    const last = runs.at(-1);
    if (last && last.end === line - 1) last.end = line;
    else runs.push({ start: line, end: line });
  }
  return runs.map(({ start, end }) => (start === end ? nameOf(start) : `${nameOf(start)} to ${nameOf(end)}`)).join(", ");
}

// Name wells of a plate: whole columns and rows first, then single wells.
function namedWells(wells, ofPlate) {
  const kinds = [
    ["column", (well) => well.left, (column) => `${column + 1}`],
    ["row", (well) => well.top, (row) => ofPlate.find((well) => well.top === row).well.match(/^\D+/)[0]],
  ];
  const parts = [];
  let rest = wells;
  for (const [kind, lineOf, nameOf] of kinds) {
    const isWhole = (line) => {
      const inLine = ofPlate.filter((well) => lineOf(well) === line);
      return inLine.length > 1 && inLine.every((well) => wells.includes(well));
    };
    const lines = [...new Set(rest.map(lineOf))].filter(isWhole);
    rest = rest.filter((well) => !lines.includes(lineOf(well)));
    if (lines.length) parts.push(`${kind}${lines.length > 1 ? "s" : ""} ${named(lines, nameOf)}`);
  }
  const names = rest.slice(0, MOST_NAMED).map((well) => well.well);
  if (rest.length > names.length) names.push(`${rest.length - names.length} more`);
  if (rest.length) parts.push(`${rest.length > 1 ? "wells" : "well"} ${names.join(", ")}`);
  return parts.join("; ");
}

function conclusion(plate) {
  const wells = judged.wells.filter((well) => well.plate === plate);
  const excluded = wells.filter((well) => well.excluded);
  const all = `${wells.length} ${wells.length > 1 ? "wells" : "well"}`;
  if (!excluded.length) return `None of ${all} should be excluded.`;
  if (excluded.length === wells.length) return `All of ${all} should be excluded.`;
  return `${excluded.length} of ${all} should be excluded: ${namedWells(excluded, wells)}.`;
}

// The findings of the audit about a plate, or about each of its channels.
function findingsOf(plate) {
  const ofPlate = ([name]) => !name || name === plate || name.startsWith(`${plate} `);
  return Object.entries(report.findings).filter(ofPlate).flatMap(([, sentences]) => sentences);
}

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function list(sentences, parent) {
  const made = element("ul", "", parent);
  for (const sentence of sentences) element("li", sentence, made);
}

function showFigure(image, parent) {
  const figure = element("figure", "", parent);
  if (pictures.has(image.index)) {
    const picture = element("img", "", figure);
    picture.src = pictures.get(image.index);
    picture.alt = "";
  }
  const known = image.measured ? `, score ${image.score}, certainty ${image.certainty.toFixed(2)}` : "";
  element("figcaption", `${image.image}: ${image.verdict}${known}`, figure);
}

function showVerdict() {
  const { images, wells } = judged;
  const counts = report.verdicts.map((name) => `${images.filter((i) => i.verdict === name).length} ${name}`);
  const excluded = wells.filter((well) => well.excluded).length;
  byId("counts").textContent = `${images.length} images: ${counts.join(", ")}; ${excluded} excluded wells`;
  byId("verdict").replaceChildren();
  for (const section of document.querySelectorAll(".plate")) {
    const { plate } = section.dataset;
    const sentence = conclusion(plate);
    element("p", plate ? `Plate ${plate}: ${sentence}` : sentence, byId("verdict"));
    section.querySelector(".print p").textContent = sentence;
  }
  if (!wells.length) element("p", counts.join(", "), byId("verdict"));
  for (const output of document.querySelectorAll("output")) {
    output.value = Number(limits[output.htmlFor.value].toFixed(2));
  }
}

function showWells() {
  const body = document.querySelector("#wells tbody");
  body.replaceChildren();
  for (const well of judged.wells.filter((well) => well.excluded || byId("all").checked)) {
    const row = element("tr", "", body);
    for (const column of shownColumns) element("td", well[column], row);
    element("td", well.excluded ? "excluded" : "kept", row);
  }
}

function showPictures() {
  const bad = [...pictures.keys()].filter((index) => judged.images[index].verdict !== IN_FOCUS);
  byId("worst").replaceChildren();
  for (const index of bad) showFigure(judged.images[index], byId("worst"));
  if (!bad.length) element("p", "None of the images with a picture.", byId("worst"));
  byId("well").hidden = !chosen;
  byId("chosen").replaceChildren();
  const inWell = (image) => chosen && image.plate === chosen.plate && image.well === chosen.well;
  for (const image of judged.images.filter(inWell)) showFigure(image, byId("chosen"));
}

function showAll() {
  showVerdict();
  showWells();
  showPictures();
}

function choose(well) {
  chosen = well ?? null;
  byId("choice").value = chosen ? report.wells.indexOf(chosen) : "";
  showPictures();
  for (const { view } of views) view.signal("chosen", chosen).runAsync();
}

// Copy what is selected: unlike the clipboard's own functions, this works in files and in all browsers.
function copyTable() {
  const selection = getSelection();
  selection.selectAllChildren(document.querySelector("#wells table"));
  byId("copied").textContent = document.execCommand("copy") ? "Copied" : "The table is selected: copy it.";
}

function save() {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const excluded = judged.wells.filter((well) => well.excluded);
  const rows = excluded.map((well) => report.columns.map((column) => quoted(String(well[column]))));
  const link = document.createElement("a");
  const lines = [report.columns, ...rows].map((line) => line.join(",") + "\r\n");
  link.href = URL.createObjectURL(new Blob(lines));
  link.download = "excluded_wells.csv";
  link.click();
}

// Fit a chart into an element, in the colors of the page.
async function draw(chart, parent, ratio) {
  const { color, backgroundColor } = getComputedStyle(document.body);
  const texts = { labelColor: color, titleColor: color };
  const colors = report.charts.palettes[byId("palette").value];
  const width = parent.clientWidth;
  const specification = {
    ...chart,
    datasets: judged,
    width,
    ...(ratio && { height: ratio * width + 60 }), // with legend, title and names of columns
    autosize: { type: "fit", contains: "padding" },
    params: [
      { name: "chosen", value: chosen },
      { name: "ink", value: color },
      { name: "position", value: byId("position").value },
    ],
    config: {
      background: backgroundColor,
      title: { color },
      axis: { ...texts, gridColor: "#8888884d", tickColor: color, domainColor: color },
      legend: texts,
      view: { stroke: "#888888" },
      range: { heatmap: colors, ramp: colors },
    },
  };
  const actions = { export: true, source: false, compiled: false, editor: false };
  const { view } = await vegaEmbed(parent, specification, { actions, renderer: "canvas" });
  view.addEventListener("click", (_, item) => {
    const { plate, well } = item?.datum ?? {};
    choose(report.wells.find((one) => one.plate === plate && one.well === well));
  });
  return { view, sets: chart.layer ? ["images", "wells"] : ["images"] };
}

async function drawAll() {
  const drawn = [];
  for (const [n, section] of [...document.querySelectorAll(".plate")].entries()) {
    const { map, surface, ratio } = report.charts.maps[n];
    const [left, right] = section.querySelectorAll(".row > div");
    drawn.push(draw(map, left, ratio));
    if (surface) drawn.push(draw(surface, right, ratio));
  }
  const places = document.querySelectorAll("#plots .row > div, #plots > div:not(.row)");
  report.charts.plots.forEach((plot, n) => drawn.push(draw(plot, places[n])));
  for (const { view } of views) view.finalize();
  views = await Promise.all(drawn);
}

// The parts of the page that do not change.
function fill() {
  byId("note").textContent = report.note;
  for (const [plate, sentences] of Object.entries(report.findings)) {
    if (Object.keys(report.findings).length > 1) element("h2", `Plate ${plate}`, byId("findings"));
    list(sentences, byId("findings"));
  }
  document.body.classList.toggle("plates", report.charts.maps.length > 0);
  for (const { plate, surface } of report.charts.maps) {
    const section = element("section", "", byId("plates"));
    section.className = "plate";
    section.dataset.plate = plate;
    element("h2", plate ? `Plate ${plate}` : "Map of the plate", section);
    const print = element("div", "", section);
    print.className = "print";
    element("p", "", print);
    list(findingsOf(plate), print);
    const row = element("div", "", section);
    row.className = "row";
    element("div", "", row);
    if (surface) element("div", "", row);
  }
  const head = document.querySelector("#wells thead");
  for (const column of [...shownColumns, "verdict"]) {
    element("th", column.replaceAll("_", " "), head).scope = "col";
  }
  for (const position of report.positions) element("option", position, byId("position"));
  for (const palette of Object.keys(report.charts.palettes)) element("option", palette, byId("palette"));
  report.wells.forEach((well, n) => {
    element("option", `${well.plate} ${well.well}`.trim(), byId("choice")).value = n;
  });
  for (const id of ["wells", "help"]) byId(id).hidden = report.wells.length === 0;
  byId("choice").parentElement.hidden = report.wells.length === 0;
  byId("pictures").hidden = pictures.size === 0;
}

function listen() {
  byId("choice").addEventListener("change", (event) => choose(report.wells[event.target.value]));
  byId("position").addEventListener("change", (event) => {
    for (const { view } of views) view.signal("position", event.target.value).runAsync();
  });
  byId("all").addEventListener("change", showWells);
  byId("copy").addEventListener("click", copyTable);
  byId("download").addEventListener("click", save);
  for (const change of [byId("palette"), DARK]) change.addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width !== innerWidth) drawAll(); // on a phone, scrolling changes the height
    width = innerWidth;
  });
  let waiting = false;
  const redraw = () => {
    waiting = false;
    judge();
    showAll();
    for (const { view, sets } of views) {
      for (const name of sets) view.data(name, judged[name]);
      view.runAsync();
    }
  };
  for (const slider of document.querySelectorAll("#sliders input")) {
    slider.value = limits[slider.id];
    slider.addEventListener("input", () => {
      limits[slider.id] = Number(Number(slider.value).toFixed(2));
      // A moving slider reports more steps than can be drawn.
      if (!waiting) requestAnimationFrame(redraw);
      waiting = true;
    });
  }
}

judge();
fill();
listen();
showAll();
drawAll();
