"""Building blocks of an HTML page that needs nothing but itself: no script, no network.

What is not `Html` is text and is escaped, so that nothing from the data becomes markup.
"""

import base64
import html
import io
from collections.abc import Collection, Iterable

import pandas as pd
from matplotlib.figure import Figure

from plotting import style

_LARGEST_SVG = 250_000  # bytes; what has more marks than that is kept as pixels
_SCREEN = 1.3  # screen pixels are read from further away than print
_LONG = 40  # characters of a cell that is broken into lines
_VOID = {"img", "meta"}

_CSS = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #5a5a5a; --line: #d4d4d4;
  --box: #fff4e0; --edge: #b25d00; --link: #00559b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #16181b; --soft: #a8a8a8;
  --line: #44484d; --box: #33260f; --edge: #e69f00; --link: #7ab8e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.8rem; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .6rem; font-size: 1.3rem; border-bottom: 1px solid var(--line); }
h3 { margin: 1.4rem 0 .3rem; font-size: 1.05rem; }
a { color: var(--link); }
p, li, figcaption { max-width: 46rem; overflow-wrap: break-word; }
p { margin: .5rem 0; }
ul { margin: .3rem 0; padding-left: 1.3rem; }
li { margin: .25rem 0; }
.question { font-size: 1.15rem; }
.soft, figcaption, caption { color: var(--soft); font-size: .9rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
.box { margin: 1.2rem 0; padding: .3rem 1rem .6rem; background: var(--box);
  border-left: 4px solid var(--edge); }
.wide { overflow-x: auto; margin: .5rem 0 1.5rem; }
table { border-collapse: collapse; font-size: .8125rem; font-variant-numeric: tabular-nums; }
caption { position: sticky; left: 0; max-width: min(46rem, 100vw - 2rem);
  padding-bottom: .4rem; text-align: left; white-space: normal; }
th, td { padding: .2rem .8rem .2rem 0; white-space: nowrap; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); font-weight: normal; }
thead th { font-weight: 600; vertical-align: bottom; }
.number { text-align: right; }
.long { min-width: 20rem; white-space: normal; }
figure { margin: 1.2rem 0 2rem; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
figcaption { margin-top: .4rem; }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; }
@media print { :root { --ink: #000; --paper: #fff; --soft: #333; --line: #bbb; --box: #fff;
  font-size: 10pt; }
  body { max-width: none; padding: 0; } nav { display: none; }
  .wide { overflow: visible; } table { font-size: 7pt; } th, td { white-space: normal;
  padding-right: .4rem; } figure, tr, .box { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; } }
"""


class Html(str):
    """Markup that is safe as it is."""


def tag(name: str, /, *inside: str, **attributes: str | int) -> Html:
    """Return an element; `class_` is the attribute `class`, other underscores are dashes."""
    listed = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in _VOID:
        return Html(f"<{name}{listed}>")
    return Html(f"<{name}{listed}>{join(inside)}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Html:
    """Return the parts one after the other."""
    return Html(_safe(between).join(_safe(part) for part in parts))


def _safe(part: str) -> str:
    return part if isinstance(part, Html) else html.escape(part)


def bullets(items: Iterable[str]) -> Html:
    """Return a list."""
    return tag("ul", *(tag("li", item) for item in items))


def sentence(text: str) -> Html:
    """Return a sentence in which what stands before a colon leads the eye."""
    lead, colon, rest = text.partition(": ")
    return join([tag("strong", f"{lead}:"), " ", rest]) if colon else join([text])


def details(summary: str, *inside: str) -> Html:
    """Return what is read on demand."""
    return tag("details", tag("summary", summary), *inside)


def table(text: pd.DataFrame, title: str, caption: str = "", right: Collection[str] = ()) -> Html:
    """Return a table of text, with the columns named in `right` aligned there.

    What lies before the first of them (or the first column) names the rows.
    """
    columns = [str(name) for name in text]
    ends = [name in right for name in columns]
    heads = max(1, ends.index(True)) if any(ends) else 1
    top = [
        _cell("th", name.replace("_", " "), end, "col")
        for name, end in zip(columns, ends, strict=True)
    ]
    rows = [
        tag("tr", *(
            _cell("th" if at < heads else "td", str(value), end, "row" if at < heads else "")
            for at, (value, end) in enumerate(zip(row, ends, strict=True))
        ))
        for row in text.itertuples(index=False)
    ]  # fmt: skip
    shown = tag(
        "table",
        tag("caption", tag("strong", f"{title}. "), caption),
        tag("thead", tag("tr", *top)),
        tag("tbody", *rows),
    )
    # What scrolls has to be reached by the keyboard too.
    return tag("div", shown, class_="wide", tabindex=0, role="region", aria_label=title)


def _cell(kind: str, text: str, right: bool, scope: str) -> Html:
    attributes = {"scope": scope} if scope else {}
    if right or len(text) > _LONG:
        attributes["class_"] = "number" if right else "long"
    return tag(kind, text, **attributes)


def figure(drawn: Figure, alternative: str, caption: str) -> Html:
    """Return a figure with its caption; `alternative` is what is read out in its place."""
    data = _rendered(drawn, "svg", {"Date": None, "Creator": None})
    kind = "svg+xml"
    if len(data) > _LARGEST_SVG:
        kind, data = "png", _rendered(drawn, "png", {"Software": None})
    width, height = (round(inches * 96 * _SCREEN) for inches in drawn.get_size_inches())
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    # As an image of its own an SVG shares no identifiers with the page.
    image = tag("img", src=source, alt=alternative, width=width, height=height)
    return tag("figure", image, tag("figcaption", caption))


def _rendered(drawn: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    with style.applied():
        drawn.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def document(title: str, *body: str) -> str:
    """Return the page."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(_CSS)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body), lang='en')}\n"
