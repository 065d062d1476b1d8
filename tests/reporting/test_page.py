from html.parser import HTMLParser

import pytest

from xr_dl4ds.plotting.figure import new_figure
from xr_dl4ds.reporting.page import (
    Cell,
    Row,
    bullets,
    contents,
    document,
    facts,
    heading,
    paragraph,
    picture,
    table,
)

#: Elements without an end.
VOID = {"meta", "link", "img", "br"}


class Outline(HTMLParser):
    """Reads a page, and fails for elements that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_page_is_well_formed_and_needs_no_other_file():
    body = [
        contents({"one": "First"}),
        heading("First", "one"),
        facts({"grid": "3 x 4 cells"}),
        bullets(["a", "b"], "gains"),
    ]
    page = Outline(document("Skill <of> t2m", body))
    assert "Skill <of> t2m" in page.text
    assert ("a", {"href": "#one"}) in page.found
    assert ("h2", {"id": "one"}) in page.found
    sources = [a.get("src") or a.get("href", "") for _, a in page.found]
    assert all(s.startswith(("", "#", "data:")) and "://" not in s for s in sources)
    assert "script" not in [tag for tag, _ in page.found]


@pytest.mark.parametrize("part", [paragraph, lambda text: bullets([text]), lambda t: facts({t: t})])
def test_text_is_escaped(part):
    assert "<b>" not in part("<b> & 'x'")


def test_table_marks_the_best_cell_and_lost_rows():
    rows = [
        Row("DJF", [Cell("1", best=True), Cell("2")], "an <explanation>", worse=True),
        Row("JJA", [Cell("3"), Cell("4")]),
    ]
    page = Outline(table("RMSE / K", ["prediction", "bilinear"], rows))
    assert "an <explanation>" in page.text
    cells = [a["class"] for tag, a in page.found if tag == "td"]
    assert cells == ["number best", "number", "number", "number"]
    assert [a.get("class") for tag, a in page.found if tag == "tr"] == [None, "worse", None]
    assert [a["scope"] for tag, a in page.found if tag == "th"] == ["col"] * 3 + ["row"] * 2


def test_no_texts_make_no_list():
    assert bullets([]) == ""


def test_a_picture_is_part_of_the_page():
    figure = new_figure(2.0, 1.0)
    figure.subplots().plot([0, 1])
    found = Outline(picture(figure, "How to <read> it.", "A line")).found
    image = dict(found)["img"]
    assert image["alt"] == "A line"
    assert image["width"] == "220"
    assert image["src"].startswith("data:image/png;base64,iVBOR")
