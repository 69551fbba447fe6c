"""Results -> files: tables, pictures and the brief of one run, the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from models.engine.results import Curve
from models.study.results import StudyResults
from reports.briefs.content import brief_of
from reports.briefs.html import html_brief
from reports.briefs.pdf import pdf_brief
from reports.briefs.text import Brief, plain
from reports.figures.audit import audit_plot
from reports.figures.coefficients import coefficient_plot, headline_plot
from reports.figures.curve import curve_plot
from reports.figures.group_panels import group_panels
from reports.figures.groups import groups_plot
from reports.figures.leave_out import leave_out_plot
from reports.figures.missingness import missingness_plot
from reports.figures.paths import path_plot, paths
from reports.figures.style import Picture
from reports.tables.grid import regression_grid
from reports.tables.html import html_page
from reports.tables.latex import latex_table
from reports.tables.text import text_table
from reports.tables.tidy import coefficients_csv, curve_csv, figures_csv, groups_csv

SUMMARY = "published.json"  # what the index of all runs reads


@dataclass(frozen=True)
class Published:
    """What was written: all files, in the order of their names, and the two forms of the brief."""

    files: tuple[Path, ...]
    html_brief: Path
    pdf_brief: Path


def publish(
    results: StudyResults, folder: Path, run_id: str, curve: Curve | None = None
) -> Published:
    """Writes everything a study publishes into `folder`.

    Raises BadInput where the study names a claim that does not exist; nothing is written then.
    """
    brief = brief_of(results, run_id, curve)
    pictures = draw(results, curve)
    contents: dict[str, bytes] = {
        **_tables(results, run_id, curve),
        "brief.html": html_brief(brief, results, pictures).encode(),
        "brief.pdf": pdf_brief(brief, results, pictures),
        SUMMARY: _summary(brief, results),
    }
    for name, picture in pictures.items():
        contents |= {f"{name}.svg": picture.svg, f"{name}.png": picture.png}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    files = tuple(folder / name for name in sorted(contents))
    return Published(files, folder / "brief.html", folder / "brief.pdf")


def draw(results: StudyResults, curve: Curve | None) -> dict[str, Picture]:
    """Every picture of the study, by name."""
    pictures = [headline_plot(results), coefficient_plot(results)]
    if results.missingness:
        pictures.append(missingness_plot(results))
    if paths(results):
        pictures.append(path_plot(results))
    if group_panels(results):
        pictures.append(groups_plot(results))
    if curve is not None:
        pictures += [curve_plot(curve, results), audit_plot(curve, results)]
        pictures += [leave_out_plot(curve, results)] if len(curve.leave_out) else []
    return {picture.name: picture for picture in pictures}


def _tables(results: StudyResults, run_id: str, curve: Curve | None) -> dict[str, bytes]:
    texts = {
        "table.html": html_page(results, run_id, curve),
        "table.tex": latex_table(regression_grid(results, curve=curve), run_id),
        "table.txt": text_table(results, curve=curve),
        "coefficients.csv": coefficients_csv(results, run_id),
        "figures.csv": figures_csv(results, run_id, curve),
    }
    if any(model.groups for model in results.models):
        texts["groups.csv"] = groups_csv(results, run_id)
    if curve is not None:
        texts["curve.csv"] = curve_csv(curve, run_id)
    return {name: text.encode() for name, text in texts.items()}


def _summary(brief: Brief, results: StudyResults) -> bytes:
    record = {
        "run": brief.run_id,
        "study": brief.study,
        "title": brief.title,
        "question": brief.question,
        "answer": plain(brief.answer),
        "standing": plain(brief.standing),
        "simulated": brief.simulated,
        "overridden": bool(brief.alerts),
        "panel": results.panel.title or results.panel.name,
    }
    return json.dumps(record, indent=1, ensure_ascii=False).encode()
