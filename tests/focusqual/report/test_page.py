"""The page of a plate, in a browser without a network."""

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

    def open_in_browser():
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
    chart = browser.find_element("css selector", "#chart canvas")
    to_top = -chart.size["height"] // 2
    ActionChains(browser).move_to_element_with_offset(chart, -100, to_top + 220).click().perform()
    until(lambda: text("#chosen"))
    names = [line.split(":")[0] for line in text("#chosen").splitlines() if ".tif" in line]
    assert len(names) == SITES
    assert len({name[:5] for name in names}) == 1
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert browser.get_log("browser") == []


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
    assert browser.title == str(tmp_path / "focus.csv")
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
        rows.append(f"A01_s1.tif,{number // 2},5,0.5,/data/p{number}")
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
    assert [line.split(",")[:2] for line in excluded[1:]] == [["p12", "A01"]]


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
