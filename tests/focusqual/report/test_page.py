"""The page of a plate, in a browser without a network."""

import base64
import re
from collections import Counter
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support import until

from focusqual.commandline.commands import main
from focusqual.report import plate
from focusqual.report.options import Thresholds
from focusqual.report.tables import read_measurements
from focusqual.report.verdicts import VERDICTS, excluded_wells, verdicts
from micrograph_networks.images.image_files import read_image, write_png

SITES = 9
CONTRASTS = """
// Contrast of all visible texts with their backgrounds, as WCAG 2 defines it.
const parsed = (color) => color.match(/[\\d.]+/g).map(Number);
const luminance = (color) => {
  const linear = parsed(color).slice(0, 3).map((value) => value / 255).map(
    (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const background = (element) => {
  const color = element ? getComputedStyle(element).backgroundColor : "rgb(255, 255, 255)";
  return parsed(color)[3] === 0 ? background(element.parentElement) : color;
};
const found = {};
for (const element of document.body.querySelectorAll("*:not(script)")) {
  const text = [...element.childNodes].find((node) => node.nodeType === 3 && node.data.trim());
  if (!text || !element.checkVisibility()) continue;
  const lights = [getComputedStyle(element).color, background(element)].map(luminance);
  const key = Object.keys(found).length + text.data;
  found[key] = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
}
return found;
"""


def write_plate(folder, rows, cols, picture_size):
    """Write the table and pictures of a plate that is out of focus on the right."""
    rng = np.random.default_rng(0)
    row, col, site = np.indices((rows, cols, SITES)).reshape(3, -1)
    level = np.maximum(0, 8 * col / cols - 4) + rng.normal(0, 0.2, row.size) ** 2
    table = pd.DataFrame(
        {
            "image": [f"p_{chr(65 + r)}{c + 1:02}_s{s + 1}.tif" for r, c, s in zip(row, col, site)],
            "score": np.floor(level + 0.5),
            "expected_level": level.round(4),
            "certainty": np.where((row == 1) & (col == 2), 0.02, rng.uniform(0.2, 0.9, row.size)),
            "time": pd.date_range("2024-01-01", periods=row.size, freq="10s"),
        }
    )
    table.loc[5, ["score", "expected_level", "certainty"]] = np.nan
    table.to_csv(folder / "focus.csv", index=False)
    picture = np.full((picture_size, picture_size, 3), 90, np.uint8)
    for image in table.nlargest(30, "score")["image"]:
        write_png(folder / image.replace(".tif", "_focus.png"), picture)
    return folder / "focus.csv"


def summarize(table, *arguments, exit_code=0):
    arguments = ["summarize", table, "--output", table.parent / "out", *arguments]
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def open_page(browser, tmp_path):
    """A function that opens the page in Chromium."""

    def open_in_browser(size=(1100, 1600), scheme="light"):
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get((tmp_path / "out" / "plate.html").as_uri())
        until(lambda: browser.find_element("id", "counts").text)
        return browser

    return open_in_browser


def counts(images, thresholds):
    found = Counter(verdicts(images, thresholds))
    wells = len(excluded_wells(images, thresholds))
    each = ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS)
    return f"{len(images)} images: {each}; {wells} excluded wells"


def test_clicks_and_sliders_change_the_page(open_page, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.ui import Select

    table = write_plate(tmp_path, 8, 12, 500)
    summarize(table)
    images = read_measurements(table)
    browser = open_page()

    def text(selector):
        return browser.find_element("css selector", selector).text

    assert text("#counts") == counts(images, Thresholds())
    assert ", 9 blank, 1 not measured;" in text("#counts")
    assert "The plate is tilted by" in text("#findings")
    written = pd.read_csv(tmp_path / "out" / "excluded_wells.csv")
    shown = [line.split()[0] for line in text("#wells tbody").splitlines()]
    assert shown == written["well"].tolist()
    assert len(browser.find_elements("css selector", "#worst img")) == 24
    assert text("#well") == ""

    offsets = {"highest_score": -20, "lowest_certainty": 10, "largest_share": 20}
    for name, offset in offsets.items():
        before = text("#counts")
        slider = browser.find_element("id", name)
        ActionChains(browser).drag_and_drop_by_offset(slider, offset, 0).perform()
        until(lambda before=before: text("#counts") != before)
    values = [float(o.text) for o in browser.find_elements("css selector", "#sliders output")]
    moved = Thresholds(*values)
    assert text("#counts") == counts(images, moved)
    browser.find_element("id", "download").click()
    until((tmp_path / "excluded_wells.csv").exists)
    saved = pd.read_csv(tmp_path / "excluded_wells.csv", keep_default_na=False)
    assert saved.to_records(index=False).tolist() == excluded_wells(images, moved)

    Select(browser.find_element("id", "position")).select_by_visible_text("time (hours)")
    until(lambda: browser.find_elements("css selector", ".plate canvas"))
    plate_map = browser.find_element("css selector", ".plate canvas")
    ActionChains(browser).move_to_element_with_offset(plate_map, 10, 20).click().perform()
    until(lambda: text("#chosen"))
    names = [line.split(":")[0] for line in text("#chosen").splitlines() if ".tif" in line]
    assert len(names) == SITES
    assert len({name[:5] for name in names}) == 1
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("size, scheme", [((1280, 800), "light"), ((390, 844), "dark")])
def test_the_page_fits_the_screen_and_is_legible(open_page, tmp_path, size, scheme):
    summarize(write_plate(tmp_path, 8, 12, 100))
    browser = open_page(size, scheme)
    until(lambda: len(browser.find_elements("tag name", "canvas")) == 5)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0]
    contrasts = browser.execute_script(CONTRASTS)
    assert len(contrasts) > 100
    assert min(contrasts.values()) >= 4.5
    paper = browser.find_element("tag name", "body").value_of_css_property("background-color")
    assert (paper == "rgba(255, 255, 255, 1)") == (scheme == "light")
    tops = [
        browser.find_element("id", name).rect["y"] for name in ("verdict", "controls", "plates")
    ]
    assert tops == sorted(tops)
    assert tops[2] < size[1]
    assert browser.get_log("browser") == []


def test_the_conclusion_names_columns_rows_and_wells(open_page, tmp_path):
    bad = [f"{row}{col:02}" for row in "ABCDEFGH" for col in (2, 10, 11, 12)]
    bad += ["E04", *(f"H{col:02}" for col in range(1, 13))]
    wells = [f"{row}{col:02}" for row in "ABCDEFGH" for col in range(1, 13)]
    table = pd.DataFrame({"image": [f"{well}.tif" for well in wells], "certainty": 0.9})
    table = table.assign(score=[5 * (well in bad) for well in wells], expected_level=1.0)
    table.to_csv(tmp_path / "focus.csv", index=False)
    summarize(tmp_path / "focus.csv")
    verdict = open_page().find_element("id", "verdict").text
    assert verdict == "41 of 96 wells should be excluded: columns 2, 10 to 12; row H; well E04."


def test_the_page_is_used_by_keyboard_and_its_table_copied(open_page, tmp_path):
    from selenium.webdriver.common.keys import Keys

    table = write_plate(tmp_path, 8, 12, 100)
    summarize(table)
    browser = open_page()
    until(lambda: len(browser.find_elements("tag name", "canvas")) == 5)
    reached = []
    while "download" not in reached and len(reached) < 40:
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.switch_to.active_element.get_attribute("id"))
    sliders = ["highest_score", "lowest_certainty", "largest_share"]
    found = [name for name in reached if name]
    assert found == [*sliders, "choice", "palette", "position", "copy", "download"]

    before = browser.find_element("id", "counts").text
    browser.find_element("id", "highest_score").send_keys(Keys.ARROW_LEFT * 3)
    until(lambda: browser.find_element("id", "counts").text != before)
    browser.find_element("id", "choice").send_keys("B07")
    until(lambda: len(browser.find_elements("css selector", "#chosen figure")) == SITES)
    assert "p_B07_s1.tif" in browser.find_element("id", "chosen").text
    browser.find_element("id", "all").send_keys(Keys.SPACE)
    browser.find_element("id", "copy").send_keys(Keys.ENTER)
    assert browser.find_element("id", "copied").text == "Copied"
    copied = browser.execute_script("return getSelection().toString().trim()").split("\n")
    wells = [line.split("\t")[0] for line in copied[1:]]
    assert wells == sorted(set(read_measurements(table)["well"]))


@pytest.mark.parametrize("plates", [1, 3])
def test_each_plate_is_printed_on_a_page_of_its_own(open_page, tmp_path, plates):
    rows = pd.read_csv(write_plate(tmp_path, 8, 12, 100))
    tables = [rows.assign(plate=f"p{number}") for number in range(plates)]
    pd.concat(tables).to_csv(tmp_path / "focus.csv", index=False)
    summarize(tmp_path / "focus.csv")
    browser = open_page()
    until(lambda: len(browser.find_elements("tag name", "canvas")) == 3 + 2 * plates)
    printed = base64.b64decode(browser.print_page())
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == plates


def test_each_channel_has_a_slider_that_starts_at_its_cutoff(open_page, tmp_path):
    table = write_plate(tmp_path, 8, 12, 100)
    rows = pd.read_csv(table)
    rows.assign(channel_name=np.where(rows.index % 3, "GFP", "<DNA>")).to_csv(table, index=False)
    cutoffs = tmp_path / "cutoffs.csv"
    cutoffs.write_text("channel,highest_score\nGFP,3\n<DNA>,0\n")
    summarize(table, "--cutoffs", cutoffs)
    images, scores = read_measurements(table), {"GFP": 3, "<DNA>": 0}
    browser = open_page()

    def shown():
        return browser.find_element("id", "counts").text

    assert shown() == counts(images, Thresholds(highest_scores=scores))
    label = browser.find_element("css selector", "#sliders label").text
    assert label.startswith("Highest score in focus <DNA>")
    browser.execute_script(
        "const slider = document.querySelector('#sliders input');"
        "slider.value = 2; slider.dispatchEvent(new Event('input'));"
    )
    moved = Thresholds(highest_scores={**scores, "<DNA>": 2})
    until(lambda: shown() == counts(images, moved))
    assert browser.get_log("browser") == []


def test_the_page_of_a_large_plate_is_small_and_complete(tmp_path):
    summarize(write_plate(tmp_path, 16, 24, 300), "--highest-score", 2)
    page = tmp_path / "out" / "plate.html"
    assert page.stat().st_size < 5e6
    text = page.read_text(encoding="utf-8")
    assert all(f"p_{row}{col:02}_s9.tif" in text for row in "AP" for col in (1, 24))
    assert len(pd.read_csv(tmp_path / "out" / "excluded_wells.csv")) == 65


def test_names_of_files_and_plates_are_only_text(open_page, tmp_path):
    names = [
        "</script><script>document.title='taken'</script>",
        "<!--<script>",
        "a\u2028&amp;'\"\\$",
    ]
    table = pd.DataFrame({"image": [f"{name}_A01.tif" for name in names], "plate": names})
    table = table.assign(score=5, expected_level=5.0, certainty=0.9)
    table.to_csv(tmp_path / "focus.csv", index=False)
    summarize(tmp_path / "focus.csv")
    browser = open_page()
    assert browser.title == "Focus report of focus.csv"
    script = "return report.images.map((image) => [image.image, image.plate])"
    assert browser.execute_script(script) == table[["image", "plate"]].to_numpy().tolist()
    shown = browser.find_elements("css selector", "#wells tbody td:first-child")
    assert sorted(cell.get_property("textContent") for cell in shown) == sorted(names)
    assert browser.get_log("browser") == []


def test_plates_with_equal_file_names_have_their_own_pictures(open_page, tmp_path):
    rows = ["image,score,expected_level,certainty,folder"]
    for number in (12, 3):
        folder = tmp_path / f"p{number}"
        folder.mkdir()
        picture = np.full((9, number, 3), 90, np.uint8)
        write_png(folder / "A01_s1_focus.png", picture)
        rows.append(f"A01_s1.tif,{number // 2 + 1},5,0.5,/data/p{number}")
    (tmp_path / "focus.csv").write_text("\n".join(rows) + "\n")
    assert "Plates: 2; wells: 2; images in wells: 2" in summarize(tmp_path / "focus.csv")
    browser = open_page()
    for image in browser.find_elements("css selector", "#worst img"):
        until(lambda image=image: image.get_property("naturalWidth"))
    figures = browser.find_elements("css selector", "#worst figure")
    widths = [f.find_element("tag name", "img").get_property("naturalWidth") for f in figures]
    assert [(f.text.split(":")[0], w) for f, w in zip(figures, widths)] == [
        ("p12/A01_s1.tif", 12),
        ("p3/A01_s1.tif", 3),
    ]
    excluded = (tmp_path / "out" / "excluded_wells.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in excluded[1:]] == [["p12", "A01"], ["p3", "A01"]]


def test_images_without_a_well_are_reported_once(tmp_path, monkeypatch):
    write = Mock(side_effect=lambda path, *_: path.write_text("(focusqual summarize)"))
    monkeypatch.setattr("focusqual.report.page.write_plate_page", write)
    table = tmp_path / "focus.csv"
    rows = ["p_A01.tif,1,1,0.5", "x.tif,1,1,0.5", "y.tif,1,1,0.5"]
    table.write_text("\n".join(["image,score,expected_level,certainty", *rows]) + "\n")
    output = summarize(table)
    assert output.count("Images without a recognizable well: 2, such as x.tif") == 1
    assert "Plates: 1; wells: 1; images in wells: 1" in output
    table.write_text(table.read_text().replace("A01", "x"))
    output = summarize(table)
    assert "Images without a recognizable well: 3" in output
    # Those of the first run were for the wells that the table no longer has.
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scores.png", "plate.html"}


def test_pictures_of_plates_show_blank_wells_gray(tmp_path, recwarn):
    rng = np.random.default_rng(0)
    wells = [f"{row}{col:02}" for row in "ABCDEFGH" for col in range(1, 13)]
    images = pd.DataFrame({"image": [f"p_{well}.tif" for well in wells], "certainty": 0.01})
    images = images.assign(score=rng.integers(0, 11, 96), expected_level=5.0)
    images.to_csv(tmp_path / "focus.csv", index=False)
    measured = read_measurements(tmp_path / "focus.csv")
    for thresholds, color in ((Thresholds(), False), (Thresholds(lowest_certainty=0), True)):
        judged = measured.assign(verdict=verdicts(measured, thresholds))
        plate.draw_plate_maps(tmp_path / "plate.png", judged)
        plate.draw_score_histogram(tmp_path / "scores.png", judged)
        for name in ("plate.png", "scores.png"):
            picture = read_image(tmp_path / name)[..., :3].astype(int)
            left = picture[:, : int(0.75 * picture.shape[1])]  # without the color bar
            assert (np.ptp(left, axis=-1) > 50).any() == color
    assert not [str(w.message) for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_each_plate_has_a_map(tmp_path):
    images = pd.DataFrame({"plate": ["$p1$_", "$p\udcff$_"], "row": 3, "col": 5})
    images = images.assign(score=1.0, verdict=VERDICTS[0])
    plate.draw_plate_maps(tmp_path / "one.png", images[:1])
    plate.draw_plate_maps(tmp_path / "two.png", images)
    one, two = (read_image(tmp_path / name).shape for name in ("one.png", "two.png"))
    assert two[1] == 2 * one[1]


def test_a_page_without_its_chart_library_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("micrograph_networks.files.pages.CHARTS", tmp_path / "vega.js")
    output = summarize(write_plate(tmp_path, 2, 2, 100), exit_code=2)
    assert "vega.js is missing" in output.replace("\n", " ")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"scores.png", "plate.png", "excluded_wells.csv"}
