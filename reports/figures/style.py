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


def canvas(height: float) -> Figure:
    """An empty figure of the house's width and `height` inches, drawn without a display."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def headings(figure: Figure, title: str, subtitle: str, source: str) -> tuple[float, float]:
    """Writes title, subtitle and source; returns bottom and top of the free room (fractions)."""
    height = figure.get_figheight()
    top = _lines(figure, title, height - MARGIN, 10.0, INK, bold=True)
    top = _lines(figure, subtitle, top - 0.02, 8.0, SOFT)
    bottom = 0.03 + len(textwrap.wrap(source, 125)) * 6.5 * LEADING / 72
    _lines(figure, source, bottom, 6.5, SOFT)
    return (bottom + 0.08) / height, (top - 0.06) / height


def _lines(
    figure: Figure, text: str, top: float, size: float, colour: str, bold: bool = False
) -> float:
    """Writes wrapped text from `top` inches downwards; returns where it ends."""
    height, weight = figure.get_figheight(), "bold" if bold else "normal"
    for line in textwrap.wrap(text, int(WIDTH * 72 / (size * (0.68 if bold else 0.58)))):
        at = (MARGIN / WIDTH, top / height)
        figure.text(*at, line, fontsize=size, color=colour, weight=weight, va="top")
        top -= size * LEADING / 72
    return top


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
