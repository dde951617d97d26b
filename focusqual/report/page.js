"use strict";
// The page of a plate: judges the images by the sliders, and draws what page.py declared.
const report = JSON.parse(document.getElementById("report").textContent);
const [IN_FOCUS, OUT_OF_FOCUS, NOTHING, NOT_MEASURED] = report.verdicts;
const COLUMNS = ["plate", "well", "images", ...report.verdicts];
const limits = { ...report.thresholds };
const byId = (id) => document.getElementById(id);

// As verdicts.py: verdicts.
function verdict(image) {
  if (image.score === null || image.certainty === null) return NOT_MEASURED;
  if (image.certainty < limits.lowest_certainty) return NOTHING;
  return image.score > limits.highest_score ? OUT_OF_FOCUS : IN_FOCUS;
}

// As verdicts.py: excluded_wells. Each has its corners in the map besides.
function wellsLeftOut(images) {
  const wells = new Map();
  for (const image of images.filter((image) => image.well)) {
    const key = JSON.stringify([image.plate, image.well]);
    if (!wells.has(key)) {
      const [left, top] = [Math.floor(image.left), Math.floor(image.top)];
      const { plate, well } = image;
      const none = Object.fromEntries(report.verdicts.map((name) => [name, 0]));
      wells.set(key, { plate, well, images: 0, ...none, left, top, right: left + 1, bottom: top + 1 });
    }
    wells.get(key).images += 1;
    wells.get(key)[image.verdict] += 1;
  }
  const order = (a, b) => (a.plate < b.plate ? -1 : a.plate > b.plate ? 1 : a.well < b.well ? -1 : 1);
  return [...wells.values()]
    .filter((well) => (well.images - well[IN_FOCUS]) / well.images > limits.largest_share)
    .sort(order);
}

function judge() {
  const images = report.images.map((image) => ({ ...image, verdict: verdict(image) }));
  return { images, wells: wellsLeftOut(images) };
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
  if (image.image in report.pictures) {
    const picture = element("img", "", figure);
    picture.src = report.pictures[image.image];
    picture.alt = "";
  }
  const known = image.verdict === NOT_MEASURED ? "" : `, score ${image.score}, certainty ${image.certainty.toFixed(2)}`;
  element("figcaption", `${image.image}: ${image.verdict}${known}`, figure);
}

function showText({ images, wells }) {
  const counts = report.verdicts.map((name) => `${images.filter((i) => i.verdict === name).length} ${name}`);
  byId("counts").textContent = `${images.length} images: ${counts.join(", ")}; ${wells.length} wells to leave out`;
  for (const output of document.querySelectorAll("output")) {
    output.value = Number(limits[output.htmlFor.value].toFixed(2));
  }
  const body = document.querySelector("#wells tbody");
  body.replaceChildren();
  for (const well of wells) {
    const row = element("tr", "", body);
    for (const column of COLUMNS) element("td", well[column], row);
  }
  byId("worst").replaceChildren();
  const shown = new Map(images.map((image) => [image.image, image]));
  for (const name of Object.keys(report.pictures)) showFigure(shown.get(name), byId("worst"));
}

function save(wells) {
  const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const rows = wells.map((well) => COLUMNS.map((column) => quoted(String(well[column]))));
  const lines = [COLUMNS.map((column) => column.replaceAll(" ", "_")), ...rows];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.map((line) => line.join(",") + "\r\n").join("")]));
  link.download = "excluded_wells.csv";
  link.click();
}

async function start() {
  let judged = judge();
  const chart = { ...report.chart, datasets: judged };
  const actions = { export: true, source: false, compiled: false, editor: false };
  const { view } = await vegaEmbed("#chart", chart, { actions, renderer: "canvas" });

  for (const column of COLUMNS) element("th", column, document.querySelector("#wells thead"));
  for (const place of report.places) element("option", place, byId("place"));
  byId("place").addEventListener("change", (event) => view.signal("place", event.target.value).runAsync());
  byId("wells").hidden = !report.images.some((image) => image.well);
  byId("pictures").hidden = Object.keys(report.pictures).length === 0;
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
      // A slider that is drawn along tells of more steps than can be drawn.
      if (!waiting) requestAnimationFrame(redraw);
      waiting = true;
    });
  }
  showAll();
}

start();
