"""Building blocks of a page of HTML that needs no other file and no script."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Dots per inch of pictures: sharp at 1280 px and in print.
_DPI = 110

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff;
  max-width: 1180px; margin: 0 auto; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; border-bottom: 2px solid #2b6cb0; }
h3 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
p, li { max-width: 75ch; overflow-wrap: anywhere; }
nav ul { padding-left: 1.25rem; }
a { color: #1a5a9e; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #dcdcdc; vertical-align: top; }
th { text-align: left; font-weight: 600; }
thead th { border-bottom: 2px solid #999; vertical-align: bottom; }
tbody th { font-weight: 400; }
td.number, th.number { text-align: right; white-space: nowrap; }
th small { display: block; min-width: 17rem; max-width: 30rem; color: #555; font-size: .85em; }
td.best { font-weight: 700; }
tr.worse td, tr.worse th { background: #fdecea; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .92rem; color: #444; max-width: 75ch; }
ul.better, ul.undecided, ul.worse { border-left: 4px solid; padding-left: 1.75rem; }
ul.better { border-color: #2e7d32; }
ul.undecided { border-color: #8a8a8a; }
ul.worse { border-color: #c0392b; }
@media (max-width: 600px) {
  body { padding: .75rem; }
  figure .scroll img { max-width: 640px; }
  th small { min-width: 11rem; }
}
@media print {
  body { max-width: none; font-size: 10pt; padding: 0; }
  .scroll { overflow: visible; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  table { font-size: 8pt; }
  th small { min-width: 0; }
  nav { display: none; }
}
"""


@dataclasses.dataclass(frozen=True)
class Cell:
    """Cell of a table.

    Parameters
    ----------
    text : str
        What it shows.
    best : bool
        True to emphasise the cell.
    """

    text: str
    best: bool = False

    def as_html(self) -> str:
        """Return the cell as HTML."""
        names = "number best" if self.best else "number"
        return f"<td class='{names}'>{html.escape(self.text)}</td>"


@dataclasses.dataclass(frozen=True)
class Row:
    """Row of a table.

    Parameters
    ----------
    label : str
        Its label, and below it in small letters `detail`.
    cells : sequence of Cell
        Its cells.
    worse : bool
        True to mark the row.
    """

    label: str
    cells: Sequence[Cell]
    detail: str = ""
    worse: bool = False

    def as_html(self) -> str:
        """Return the row as HTML."""
        small = f"<small>{html.escape(self.detail)}</small>" if self.detail else ""
        head = f"<th scope='row'>{html.escape(self.label)}{small}</th>"
        cells = "".join(cell.as_html() for cell in self.cells)
        return f"<tr{' class=worse' if self.worse else ''}>{head}{cells}</tr>"


def document(title: str, body: Iterable[str]) -> str:
    """Return a whole page."""
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        # an empty icon: browsers would ask for a file that does not exist
        "<link rel='icon' href='data:,'>\n"
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def heading(text: str, anchor: str) -> str:
    """Return the heading of a chapter."""
    return f"<h2 id='{html.escape(anchor)}'>{html.escape(text)}</h2>"


def subheading(text: str) -> str:
    """Return the heading of a section."""
    return f"<h3>{html.escape(text)}</h3>"


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{html.escape(text)}</p>"


def bullets(texts: Sequence[str], kind: str = "") -> str:
    """Return a list; nothing for no texts."""
    items = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
    return f"<ul class='{kind}'>{items}</ul>" if texts else ""


def contents(chapters: Mapping[str, str]) -> str:
    """Return links to chapters, given as titles by anchor."""
    links = "".join(
        f"<li><a href='#{html.escape(anchor)}'>{html.escape(title)}</a></li>"
        for anchor, title in chapters.items()
    )
    return f"<nav aria-label='contents'><ul>{links}</ul></nav>"


def facts(rows: Mapping[str, str]) -> str:
    """Return a table of labels and values."""
    lines = "".join(
        f"<tr><th scope='row'>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>"
        for k, v in rows.items()
    )
    return f"<div class='scroll'><table><tbody>{lines}</tbody></table></div>"


def table(corner: str, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return a table of numbers."""
    heads = "".join(f"<th scope='col' class='number'>{html.escape(c)}</th>" for c in columns)
    lines = "".join(row.as_html() for row in rows)
    return (
        f"<div class='scroll'><table><thead><tr><th scope='col'>{html.escape(corner)}</th>{heads}"
        f"</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def picture(figure: Figure, caption: str, alternative: str) -> str:
    """Return a figure as part of the page, with a caption.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    caption : str
        How to read it.
    alternative : str
        What it shows, for readers who do not see it.

    Returns
    -------
    str
        HTML with the picture as PNG.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DPI)
    data = base64.b64encode(stream.getvalue()).decode()
    width = round(figure.get_size_inches()[0] * _DPI)
    return (
        f"<figure><div class='scroll'><img width='{width}' alt='{html.escape(alternative)}'"
        f" src='data:image/png;base64,{data}'></div>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
