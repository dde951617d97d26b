import json
from html.parser import HTMLParser

import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.files import pages
from micrograph_networks.files.ownership import is_result, writing_as
from micrograph_networks.files.pages import CHARTS, records, write_page

TEMPLATE = (
    "<!DOCTYPE html><meta name='generator' content='$software'><title>$title</title>$part"
    "<script id='data' type='application/json'>$data</script><script>$script</script>"
)


class Parser(HTMLParser):
    """Texts of a page by the names of their elements, as a browser sees them."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append([tag, ""])

    def handle_data(self, text):
        self.elements[-1][1] += text


@pytest.fixture
def template(tmp_path):
    (tmp_path / "page.js").write_text("use(`$1`);", encoding="utf-8")
    (tmp_path / "page.html").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path / "page.html"


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "&amp;'\"\\$data",
        "é\u2028\udcff",
        "]]>",
    ],
)
def test_texts_of_users_stay_texts(template, tmp_path, text):
    path = tmp_path / "out.html"
    write_page(path, template, text, {"name": text, text: [1.5, None]}, part="<p>")
    elements = Parser(path.read_text(encoding="utf-8")).elements
    assert [name for name, _ in elements] == ["meta", "title", "p", "script", "script"]
    assert elements[1][1] == text.replace("\udcff", "?")
    assert json.loads(elements[3][1]) == {"name": text, text: [1.5, None]}
    assert elements[4][1] == "use(`$1`);"


def test_pages_have_the_mark_of_their_program(template, tmp_path):
    with writing_as("focusqual summarize"):
        write_page(tmp_path / "out.html", template, "", {}, part="")
    assert is_result(tmp_path / "out.html")


def test_nan_is_null():
    columns = {"a": np.array([1, np.nan]), "b": np.array([1, 2]), "c": ["x", None]}
    rows = records(columns)
    assert json.dumps(rows) == '[{"a": 1.0, "b": 1, "c": "x"}, {"a": null, "b": 2, "c": null}]'


def test_chart_library_is_inside_and_ends_no_script(template, tmp_path, monkeypatch):
    template.write_text(TEMPLATE + "<script>$charts</script>", encoding="utf-8")
    write_page(tmp_path / "out.html", template, "", {}, part="")
    library = CHARTS.read_text(encoding="utf-8")
    assert library in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert not [text for text in ("</script", "<!--", "<script") if text in library]
    monkeypatch.setattr(pages, "CHARTS", tmp_path / "vega.js")
    with pytest.raises(UserError, match="vega.js is missing, so pages with charts"):
        write_page(tmp_path / "other.html", template, "", {}, part="")
    assert not (tmp_path / "other.html").exists()
