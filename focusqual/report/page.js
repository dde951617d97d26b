"use strict";
// The page of a plate: judges the images by the sliders, and shows the charts of charts.py.
const report = JSON.parse(document.getElementById("data").textContent);
const [IN_FOCUS] = report.verdicts;
const pictures = new Map(report.pictures); // by the row of the image
const limits = { ...report.thresholds };
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
  return { images, wells: wells.filter((well) => isExcluded({ ...well, ...limits })) };
}

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function showFigure(image, parent) {
  const figure = element("figure", "", parent);
  if (image.verdict === IN_FOCUS) figure.className = "fit";
  if (pictures.has(image.index)) {
    const picture = element("img", "", figure);
    picture.src = pictures.get(image.index);
    picture.alt = "";
  }
  const known = image.measured ? `, score ${image.score}, certainty ${image.certainty.toFixed(2)}` : "";
  element("figcaption", `${image.image}: ${image.verdict}${known}`, figure);
}

function showText({ images, wells }) {
  const counts = report.verdicts.map((name) => `${images.filter((i) => i.verdict === name).length} ${name}`);
  byId("counts").textContent = `${images.length} images: ${counts.join(", ")}; ${wells.length} excluded wells`;
  for (const output of document.querySelectorAll("output")) {
    output.value = Number(limits[output.htmlFor.value].toFixed(2));
  }
  const body = document.querySelector("#wells tbody");
  body.replaceChildren();
  for (const well of wells) {
    const row = element("tr", "", body);
    for (const column of report.columns) element("td", well[column], row);
  }
  byId("worst").replaceChildren();
  for (const index of pictures.keys()) showFigure(images[index], byId("worst"));
}

function save(wells) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const rows = wells.map((well) => report.columns.map((column) => quoted(String(well[column]))));
  const link = document.createElement("a");
  const lines = [report.columns, ...rows].map((line) => line.join(",") + "\r\n");
  link.href = URL.createObjectURL(new Blob(lines));
  link.download = "excluded_wells.csv";
  link.click();
}

async function start() {
  let judged = judge();
  const chart = { ...report.chart, datasets: judged };
  const actions = { export: true, source: false, compiled: false, editor: false };
  const { view } = await vegaEmbed("#chart", chart, { actions, renderer: "canvas" });

  byId("note").textContent = report.note;
  for (const [plate, sentences] of Object.entries(report.findings)) {
    if (plate) element("h2", `Plate ${plate}`, byId("findings"));
    const list = element("ul", "", byId("findings"));
    for (const sentence of sentences) element("li", sentence, list);
  }
  const head = document.querySelector("#wells thead");
  for (const column of report.columns) element("th", column.replaceAll("_", " "), head);
  for (const position of report.positions) element("option", position, byId("position"));
  byId("position").addEventListener("change", (event) => view.signal("position", event.target.value).runAsync());
  byId("wells").hidden = report.wells.length === 0;
  byId("pictures").hidden = pictures.size === 0;
  byId("download").addEventListener("click", () => save(judged.wells));

  const showChosen = () => {
    const [chosen] = view.data("selected_store").map((item) => item.values);
    byId("well").hidden = !chosen;
    byId("chosen").replaceChildren();
    const inWell = (image) => chosen && image.plate === chosen[0] && image.well === chosen[1];
    for (const image of judged.images.filter(inWell)) showFigure(image, byId("chosen"));
  };
  const showAll = () => {
    showText(judged);
    showChosen();
  };
  view.addSignalListener("selected", showChosen);
  let waiting = false;
  const redraw = async () => {
    waiting = false;
    judged = judge();
    showAll();
    await view.data("images", judged.images).data("wells", judged.wells).runAsync();
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
  showAll();
}

start();
