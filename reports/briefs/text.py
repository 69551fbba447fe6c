"""A brief before it takes a form: sections of blocks, and numbers that know their result."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

BlockKind = Literal[
    "paragraph", "bullets", "alert", "plain_table", "figure", "regression", "definitions", "code"
]


@dataclass(frozen=True)
class Span:
    """A run of text; `result` is the id of the result it prints, '' for words."""

    text: str
    result: str = ""


Text = tuple[Span, ...]


@dataclass(frozen=True)
class Block:
    """One piece of a section.

    `texts` are paragraphs or bullets, `rows` the lines of a plain table (headings first) or
    pairs of word and meaning, `name` that of a figure.
    """

    kind: BlockKind
    texts: tuple[Text, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with at least one block under it."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Brief:
    """What both forms of a brief print. `alerts` go above everything but the title."""

    study: str
    run_id: str
    title: str
    question: str
    answer: Text
    standing: Text
    alerts: tuple[Text, ...]
    sections: tuple[Section, ...]
    simulated: bool


APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")


def say(*parts: str | Span | Text) -> Text:
    """Text from words and numbers, in order; '95 %' never breaks, apostrophes are real ones."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, tuple):
            spans += part
        else:
            spans.append(_typeset(Span(part) if isinstance(part, str) else part))
    return tuple(span for span in spans if span.text)


def _typeset(span: Span) -> Span:
    return Span(typeset(span.text), span.result)


def typeset(text: str) -> str:
    """The text with real apostrophes, and no break before a per cent sign."""
    return APOSTROPHE.sub("’", text).replace(" %", "\N{NO-BREAK SPACE}%")


def paragraph(*parts: str | Span | Text) -> Block:
    """One paragraph."""
    return Block("paragraph", (say(*parts),))


def plain(text: Text) -> str:
    """The text without its ids."""
    return "".join(span.text for span in text)
