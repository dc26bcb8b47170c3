"""A report as a list of parts, and its two forms: Markdown with pictures beside it, and one HTML file with all in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple


class Heading(NamedTuple):
    """A title; level 1 is the page's own."""

    text: str
    level: int = 2


class Text(NamedTuple):
    """A paragraph; `code` and *stress* as in Markdown."""

    text: str


class Table(NamedTuple):
    """Rows of words under heads; what is in `heads` ending in a blank is set to the right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
    """An SVG, by a name of its own, and what it shows in words."""

    name: str
    svg: str
    shows: str


Part = Heading | Text | Table | Picture

_STYLE: Final = """
body { font: 15px/1.5 sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .6rem } table { border-collapse: collapse; margin: 1rem 0; font-size: 13px }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .6rem; text-align: left; vertical-align: top } th { background: #f4f4f4 }
td.n { white-space: nowrap } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } code { background: #f4f4f4; padding: 0 .2em }
.wide { overflow-x: auto } svg { max-width: 100%; height: auto }
"""
_CODE: Final = re.compile(r"`([^`]+)`")
_STRESS: Final = re.compile(r"\*([^*\s][^*]*)\*")


def markdown(parts: Iterable[Part], folder: str) -> str:
    """The page; its pictures are linked to as files of `folder`."""
    return "\n".join(_marked(part, folder) for part in parts).rstrip("\n") + "\n"


def html(parts: Sequence[Part]) -> str:
    """The page with its pictures in it, of one file that asks for no other."""
    title = next((part.text for part in parts if isinstance(part, Heading)), "")
    body = "\n".join(map(_tagged, parts))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n'
    )


def _marked(part: Part, folder: str) -> str:
    if isinstance(part, Heading):
        return f"{'#' * part.level} {part.text}"
    if isinstance(part, Text):
        return f"{part.text}\n"
    if isinstance(part, Picture):
        return f"![{part.shows}]({folder}/{part.name}.svg)\n"
    rule = ["--:" if head.endswith(" ") else "---" for head in part.heads]
    rows = [[head.strip() for head in part.heads], rule, *part.rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows) + "\n"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|").replace("<", "&lt;")


def _plain(text: str) -> str:
    """What callers write into their records may be of any signs: those that print nothing are spelled."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _tagged(part: Part) -> str:
    if isinstance(part, Heading):
        return f"<h{part.level}>{_inline(part.text)}</h{part.level}>"
    if isinstance(part, Text):
        return f"<p>{_inline(part.text)}</p>"
    if isinstance(part, Picture):
        return f'<figure role="img" aria-label="{escape(part.shows)}">{part.svg}</figure>'
    sides = [' class="n"' if head.endswith(" ") else "" for head in part.heads]
    heads = "".join(f"<th{side}>{_inline(head.strip())}</th>" for head, side in zip(part.heads, sides, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{side}>{_inline(cell)}</td>" for cell, side in zip(row, sides, strict=True)) + "</tr>\n"
        for row in part.rows
    )
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div>'


def _inline(text: str) -> str:
    said = _CODE.sub(r"<code>\1</code>", escape(_plain(text)))
    return _STRESS.sub(r"<em>\1</em>", said)
