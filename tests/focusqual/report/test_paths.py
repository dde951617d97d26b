import pytest

from focusqual.report.paths import pictures_of, relative_paths


@pytest.mark.parametrize(
    "folders, paths",
    [
        (["/d/p1", "/d/p1"], ["a", "b"]),
        (["/d/p1", "/d/p2/"], ["p1/a", "p2/b"]),
        (["/d", "/d/p1"], ["a", "p1/b"]),
        (["D:\\plates\\p1", "D:\\plates\\p2"], ["p1/a", "p2/b"]),
        (["", ""], ["a", "b"]),
    ],
)
def test_paths_are_relative_to_the_common_folder(folders, paths):
    assert relative_paths(folders, ["a", "b"]) == paths


def test_pictures_are_those_of_the_image(tmp_path):
    for name in ("p1/a", "p2/a", "batch/b", "p1/c", "d", "old/d", "p3/x.y", "p1/x"):
        path = tmp_path / f"{name}_focus.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    images = ["p1/a.tif", "p2/a.tif", "p3/a.tif", "b.tif", "p1/c.tif", "p2/c.tif", "d.tif", "x.y"]
    found = [
        path and path.relative_to(tmp_path).as_posix() for path in pictures_of(images, tmp_path)
    ]
    assert found == [
        *("p1/a_focus.png", "p2/a_focus.png", None, "batch/b_focus.png"),
        *("p1/c_focus.png", None, "d_focus.png", "p3/x.y_focus.png"),
    ]


@pytest.mark.parametrize(
    "name, picture",
    [
        ("focus", "a_focus.png"),
        ("focus_tissue", "a_focus_tissue.png"),
        ("FocusQC_Image", "a_focus.png"),
        ("focus_[1]", "a_focus.png"),
    ],
)
def test_pictures_have_the_suffix_of_the_table(tmp_path, name, picture):
    for other in ("a_focus.png", "a_focus_tissue.png"):
        (tmp_path / other).touch()
    assert pictures_of(["a.tif"], tmp_path, name) == [tmp_path / picture]
