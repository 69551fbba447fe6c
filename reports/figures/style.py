"""The house style of pictures, and how they are written: the same numbers give the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, SOFT, LINE = "#1d2327", "#5b656d", "#c9cfd4"
ACCENT, OTHER, ALARM = "#0b5d8f", "#b35c00", "#9b2d12"  # apart for every kind of colour vision
WIDTH = 7.0  # inches: the text width of a brief
MARGIN = 0.1  # inches, left and above
LEADING = 1.35


@dataclass(frozen=True)
class Picture:
    """One figure in both its forms, with the sentence that a screen reader speaks."""

    name: str
    svg: bytes
    png: bytes
    description: str


@contextmanager
def house_style() -> Iterator[None]:
    """Draw inside this, whatever the user's own matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rc("font", family="DejaVu Sans", size=8.0)
        mpl.rc("text", color=INK, parse_math=False)  # a label may hold dollar signs
        mpl.rc("axes", edgecolor=SOFT, labelcolor=INK, linewidth=0.6)
        mpl.rc("xtick", color=SOFT)
        mpl.rc("ytick", color=SOFT)
        mpl.rc("svg", fonttype="path", hashsalt="regsi")
        mpl.rc("savefig", dpi=200)
        yield


@dataclass(frozen=True)
class Frame:
    """An empty figure with its words; the free room is from `bottom` to `top`, in inches."""

    figure: Figure
    bottom: float
    top: float

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes placed in inches; `bottom` counts from the lower end of the free room."""
        whole = self.figure.get_figheight()
        lower = (self.bottom + bottom) / whole
        return self.figure.add_axes((left / WIDTH, lower, width / WIDTH, height / whole))


def framed(title: str, subtitle: str, source: str, room: float) -> Frame:
    """A figure as wide as the house's, with `room` inches between its headings and its source."""
    heading = [*_wrapped(title, 10.0, True), *_wrapped(subtitle, 8.0)]
    footing = _wrapped(source, 6.5)
    above = MARGIN + sum(line.size for line in heading) * LEADING / 72
    below = 0.07 + sum(line.size for line in footing) * LEADING / 72
    figure = Figure(figsize=(WIDTH, above + room + below))
    FigureCanvasAgg(figure)
    _write(figure, heading, above + room + below - MARGIN)
    _write(figure, footing, below - 0.04)
    return Frame(figure, below, below + room)


@dataclass(frozen=True)
class Line:
    """A line of words under or over a picture, its size in points."""

    text: str
    size: float
    title: bool


def _wrapped(text: str, size: float, title: bool = False) -> list[Line]:
    characters = int(WIDTH * 72 / (size * (0.64 if title else 0.54)))
    return [Line(line, size, title) for line in textwrap.wrap(text, characters)]


def _write(figure: Figure, lines: list[Line], top: float) -> None:
    """Writes lines from `top` inches downwards."""
    for line in lines:
        figure.text(
            MARGIN / WIDTH,
            top / figure.get_figheight(),
            line.text,
            fontsize=line.size,
            color=INK if line.title else SOFT,
            weight="bold" if line.title else "normal",
            va="top",
        )
        top -= line.size * LEADING / 72


def watermark(figure: Figure) -> None:
    """Marks a picture of simulated data so that no cropping to the axes removes it."""
    figure.text(
        0.5,
        0.5,
        "SIMULATED DATA",
        fontsize=min(38.0, 14.0 * figure.get_figheight()),
        color=ALARM,
        alpha=0.16,
        weight="bold",
        rotation=18,
        ha="center",
        va="center",
        zorder=10,
    )


def quiet(axes: Axes, *spines: str) -> None:
    """Leaves only the named spines, and tick marks only on them."""
    for name, spine in axes.spines.items():
        spine.set_visible(name in spines)
    axes.tick_params(left="left" in spines, bottom="bottom" in spines)


def written(name: str, figure: Figure, simulated: bool, description: str) -> Picture:
    """Renders the figure, watermarked where the data are simulated, without dates or versions."""
    if simulated:
        watermark(figure)
        description = f"Simulated data. {description}"
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", metadata={"Software": None})
    return Picture(name, svg.getvalue(), png.getvalue(), description)
