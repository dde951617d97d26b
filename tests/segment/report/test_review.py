"""The review page, in a browser without a network, and the command that makes it."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from skimage.draw import disk
from support import until

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import write_png, write_tiff
from segment.commandline.commands import main
from segment.report.found import groups_by_folder, read_groups
from segment.report.records import LARGEST_PICTURE, candidates_of, write_picture

SIZE = (100, 140)
NAMES = ("a", "b", "<script>&")
OBJECTS = {"a": [(20, 30), (60, 100)], "b": [(50, 50)], "<script>&": []}
"""Centers of the spirochaetes of each image, which are disks here."""

PICTURE_WIDTHS = """
const done = arguments[0], pictures = [...document.querySelectorAll("image")];
Promise.all(pictures.map(async (picture) => {
  const image = new Image();
  image.src = picture.href.baseVal;
  await image.decode();
  return image.naturalWidth;
})).then(done, (error) => done(String(error)));
"""


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, ["summarize", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def found(tmp_path):
    """The output of 'predict' for three images in two folders, one without spirochaetes."""
    folder, cells, images = tmp_path / "found", [], []
    folder.mkdir()
    for number, name in enumerate(NAMES):
        slide = tmp_path / ("slide 1" if name == "a" else "slide 2")
        slide.mkdir(exist_ok=True)
        file = f"{name}.png"
        labels = np.zeros(SIZE, np.uint16)
        for label, center in enumerate(OBJECTS[name], 1):
            labels[disk(center, 9)] = label
            probability = 0.9 - 0.1 * len(cells)
            cells.append([file, str(slide), "spirochaete", label, 0.95, probability])
        write_png(slide / file, (200 * (labels > 0) + 20).astype(np.uint8))
        write_tiff(folder / f"{number}_spirochaete.tif", labels)
        images.append([file, str(slide), number, 5, len(OBJECTS[name])])
    columns = ["image", "folder", "class", "object_number", "mean_probability"]
    pd.DataFrame(cells, columns=[*columns, "spirochaete_probability"]).to_csv(
        folder / "cells.csv", index=False
    )
    columns = ["image", "folder", "pictures", "blood_cells", "spirochaetes"]
    pd.DataFrame(images, columns=columns).to_csv(folder / "images.csv", index=False)
    return folder


def test_slides_are_summarized(found, tmp_path):
    said = run(found, "--output", tmp_path / "out")
    assert "1 of 1 images of slide 1 show a spirochaete (21 to 100%)." in said
    assert "1 of 2 images of slide 2 show a spirochaete (9 to 91%)." in said
    assert "3 of the spirochaetes are not reviewed" in said
    groups = pd.read_csv(tmp_path / "out" / "groups.csv", index_col="group")
    assert groups["objects"].tolist() == [2, 1]
    assert groups["per_1000_cells"].tolist() == [400, 100]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {f"review_{n:05}.jpg" for n in (1, 2, 3)}
    assert names == {"groups.csv", "review.html", *pictures}


def test_groups_can_be_given(found, tmp_path):
    table = tmp_path / "groups.csv"
    files = [f"{name}.png" for name in NAMES]
    pd.DataFrame({"image": files, "group": "patient 7"}).to_csv(table, index=False)
    said = run(found, "--output", tmp_path / "out", "--groups", table)
    assert "2 of 3 images of patient 7 show a spirochaete" in said
    pd.DataFrame({"image": files[:1], "group": "x"}).to_csv(table, index=False)
    said = run(found, "--output", tmp_path / "out", "--groups", table, exit_code=2)
    assert "has no row for b.png: add it with its group" in said


def rows_of(*paths):
    """Rows of images.csv by the paths of the images."""
    return [dict(zip(("folder", "image"), path.rsplit("/", 1))) for path in paths]


@pytest.mark.parametrize(
    "paths, names",
    [
        (["/d/slide 1/a.png", "/d/slide 2/a.png"], ["slide 1", "slide 2"]),
        (["/d/p1/images/a.png", "/d/p2/images/a.png"], ["d/p1/images", "d/p2/images"]),
        (["/d/x/a.png", "/d/x/x/a.png"], ["x", "x/x"]),
        (["C:\\p1\\i/a.png", "C:\\p2\\i/a.png"], ["C:/p1/i", "C:/p2/i"]),
    ],
)
def test_folders_with_equal_names_are_groups_of_their_own(paths, names):
    assert groups_by_folder(rows_of(*paths)) == names


def test_images_with_equal_names_have_groups_of_their_own(tmp_path):
    table, images = tmp_path / "groups.csv", rows_of("/d/p1/a.png", "/d/p2/a.png", "/d/p2/b.png")
    table.write_text("image,group\np1/a.png,x\np2/a.png,y\nb.png,z\n")
    assert read_groups(table)(images) == ["x", "y", "z"]
    table.write_text("image,group\na.png,x\nb.png,z\n")
    with pytest.raises(UserError, match="names a.png, of several folders: write p2/a.png"):
        read_groups(table)(images)
    table.write_text("image,group\na.png,x\na.png,z\n")
    with pytest.raises(UserError, match="gives a.png two groups"):
        read_groups(table)


def test_a_second_run_replaces_the_first(found, tmp_path):
    run(found, "--output", tmp_path / "out")
    rows = pd.read_csv(found / "images.csv")
    rows[1:].to_csv(found / "images.csv", index=False)
    run(found, "--output", tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 2


def test_bad_input_is_one_sentence(found, tmp_path):
    given = (found, "--output", tmp_path / "out")
    assert "choose another --class" in run(*given, "--class", "fiber", exit_code=2)
    (tmp_path / "slide 2" / "b.png").rename(tmp_path / "elsewhere.png")
    assert "b.png was moved or removed since" in run(*given, exit_code=2)
    (tmp_path / "elsewhere.png").rename(tmp_path / "slide 2" / "b.png")
    write_tiff(found / "1_spirochaete.tif", np.zeros(SIZE, np.uint16))
    assert "1_spirochaete.tif holds 0 objects, but the tables list 1" in run(*given, exit_code=2)
    (found / "cells.csv").unlink()
    assert "cells.csv does not exist" in run(*given, exit_code=2)
    (found / "images.csv").unlink()
    assert "images.csv does not exist" in run(*given, exit_code=2)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "table, column", [("images", "spirochaetes"), ("cells", "spirochaete_probability")]
)
def test_damaged_numbers_are_named(found, tmp_path, table, column):
    path = found / f"{table}.csv"
    pd.read_csv(path).astype({column: str}).assign(**{column: "many"}).to_csv(path, index=False)
    said = run(found, "--output", tmp_path / "out", exit_code=2)
    assert f"{table}.csv contains 'many' in place of a number" in said
    assert not (tmp_path / "out").exists()


def test_decisions_of_another_run_are_refused(found, tmp_path):
    run(found, "--output", tmp_path / "out")
    page = (tmp_path / "out" / "review.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r"json\">(.*)</script>", page)[1])
    row = [data["run"], str(tmp_path / "slide 2"), "b.png", "1"]
    table = tmp_path / "decisions.csv"
    for wrong, said in (
        ([*row, "maybe"], "holds 'maybe': a decision is accepted or rejected"),
        (["0", *row[1:], "accepted"], "about the objects of another run"),
        ([*row[:2], "c.png", "1", "accepted"], "about the objects of another run"),
    ):
        pd.DataFrame([wrong], columns=data["columns"]).to_csv(table, index=False)
        assert said in run(found, "--output", tmp_path / "x", "--reviewed", table, exit_code=2)
    pd.DataFrame([[*row, "rejected"]], columns=data["columns"]).to_csv(table, index=False)
    said = run(found, "--output", tmp_path / "out", "--reviewed", table)
    assert "None of 2 images of slide 2 shows a spirochaete" in said


def test_images_without_objects_need_no_cells(found, tmp_path):
    rows = pd.read_csv(found / "images.csv")
    rows[rows["spirochaetes"] == 0].to_csv(found / "images.csv", index=False)
    (found / "cells.csv").unlink()
    said = run(found, "--output", tmp_path / "out")
    assert "None of 1 images of slide 2 shows a spirochaete" in said


def test_outlines_surround_the_pixels():
    labels = np.zeros((30, 40), np.int32)
    labels[10:20, 5:25] = 1
    (found,) = candidates_of(labels, [0.5])
    assert (found.x, found.y) == (15, 15)
    (outline,) = found.outline
    corners = np.reshape(outline, (-1, 2))
    assert corners.min(axis=0) == pytest.approx([5, 10], abs=1)
    assert corners.max(axis=0) == pytest.approx([25, 20], abs=1)


def test_pictures_of_large_images_are_reduced(tmp_path, rng):
    image = rng.integers(0, 4000, (50, LARGEST_PICTURE + 10)).astype(np.uint16)
    image[:, 100:200] = 60000
    write_picture(tmp_path / "a.jpg", image)
    from PIL import Image

    picture = np.asarray(Image.open(tmp_path / "a.jpg"))
    assert picture.shape == (25, LARGEST_PICTURE // 2 + 5, 3)
    assert picture[:, 60:90].min() > 200 and picture[:, 200:].max() < 60


def test_keys_and_clicks_decide_and_survive_a_reload(browser, found, tmp_path):
    from selenium.webdriver.common.keys import Keys

    run(found, "--output", tmp_path / "out")
    page = (tmp_path / "out" / "review.html").as_uri()

    def texts(selector):
        return [one.text for one in browser.find_elements("css selector", selector)]

    def press(key):
        browser.switch_to.active_element.send_keys(key)

    def opened():
        browser.get(page)
        until(lambda: texts("#counts") != [""])
        return texts("#counts")[0]

    assert opened() == "3 objects: 0 accepted, 0 rejected, 3 undecided"
    assert [text.split(",")[0] for text in texts(".card")] == [
        *("probability 0.90", "probability 0.80", "probability 0.70")
    ]
    assert browser.execute_async_script(PICTURE_WIDTHS) == [SIZE[1]] * 6
    for key in ("a", "r", "r"):
        press(key)
    assert texts("#counts") == ["3 objects: 1 accepted, 2 rejected, 0 undecided"]
    assert texts("#sentences li")[1].startswith("None of 2 images of slide 2 shows a spirochaete")
    assert texts("#groups tbody tr")[1].startswith("slide 2 2 0 (0 to 66%) 0 0.0")
    # Chromium writes to its storage in the background.
    until(lambda: opened() == "3 objects: 1 accepted, 2 rejected, 0 undecided")
    cards = browser.find_elements("css selector", ".card")
    cards[1].click()
    assert "object 2" in texts("dialog p")[0]
    assert len(browser.find_elements("css selector", "dialog polygon")) == 2
    press("u")  # closes the large picture
    until(lambda: not browser.find_element("id", "large").is_displayed())
    assert texts("#counts") == ["3 objects: 1 accepted, 1 rejected, 1 undecided"]
    browser.find_element("id", "save").click()
    until((tmp_path / "decisions.csv").exists)
    with open(tmp_path / "decisions.csv", newline="", encoding="utf-8") as file:
        rows = [(row["image"], row["decision"]) for row in csv.DictReader(file)]
    assert rows == [("a.png", "accepted"), ("b.png", "rejected")]
    said = run(found, "--output", tmp_path / "out", "--reviewed", tmp_path / "decisions.csv")
    assert "1 of the spirochaetes are not reviewed" in said
    assert opened() == "3 objects: 1 accepted, 1 rejected, 1 undecided"
    press("u")  # a decision that came with the page
    until(lambda: opened() == "3 objects: 0 accepted, 1 rejected, 2 undecided")
    press(Keys.ENTER)
    assert browser.find_element("id", "large").is_displayed()
    press(Keys.ESCAPE)
    until(lambda: not browser.find_element("id", "large").is_displayed())
    assert browser.get_log("browser") == []


def test_ten_thousand_objects_stay_usable(browser, tmp_path):
    from segment.report.records import Candidate, ImageRecord
    from segment.report.review import write_review

    outline = [[n % 100, n % 70] for n in range(40)]
    records = [
        ImageRecord(
            *(f"{n}.png", "/x", f"slide {n % 5}", "a.jpg", 640, 480, 0.2, 10),
            tuple(Candidate(i, i / 101, 99.0, 99.0, [sum(outline, [])]) for i in range(1, 101)),
        )
        for n in range(100)
    ]
    write_picture(tmp_path / "a.jpg", np.zeros((480, 640), np.uint8))
    write_review(tmp_path / "review.html", records, "spirochaete", "many", {})
    assert (tmp_path / "review.html").stat().st_size < 20e6
    browser.get((tmp_path / "review.html").as_uri())
    browser.find_element("id", "next").click()
    until(lambda: browser.find_element("id", "place").text == "61 to 120 of 10000")
    browser.switch_to.active_element.send_keys("r")
    until(lambda: "1 rejected" in browser.find_element("id", "counts").text)
    assert "bar 10 µm" in browser.find_element("css selector", ".card").text
