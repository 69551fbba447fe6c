"""A curve against the level rule says so wherever it is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from models.engine.multiverse import run_curve
from models.engine.results import Curve, as_document
from models.fitting import fit_study
from reports.briefs.answer import alerts
from reports.briefs.subject import Subject
from reports.figures.curve import subtitle
from reports.tables.curve_text import curve_summary
from tests.study_case import model_text, panel_of, study_of

REASON = "to compare with an older paper"


def fitted(folder: Path, treatments: str, override: str = f', override = "{REASON}"') -> Subject:
    """A study of a regional treatment by unit, its multiverse over `treatments`."""
    random = np.random.default_rng(3)
    index = pd.MultiIndex.from_product([range(24), range(2001, 2009)], names=["geo", "year"])
    table = index.to_frame(index=False)
    table["country"] = table["geo"] // 3
    table["money"] = random.normal(size=(8, 8))[table["country"], table["year"] - 2001]
    table["own"], table["y"] = random.normal(size=(2, len(table)))
    how = f'{{ kind = "cluster", by = ["unit"]{override} }}'
    body = model_text("within", "y", "own", (), ("unit", "time"), inference=how)
    body += f"[multiverse]\nmodel = 'main'\ntreatments = {treatments}\njoint = {{ draws = 99 }}\n"
    study, panel = study_of(folder, body), panel_of(table, "geo", "year", "country")
    curve = run_curve(study, panel, lambda _: None)
    return Subject.of(fit_study(study, panel), "run", curve)


def curve_of(subject: Subject) -> Curve:
    assert subject.curve is not None
    return subject.curve


def test_the_reason_is_printed_with_a_curve_of_national_treatments(tmp_path: Path) -> None:
    subject = fitted(tmp_path, "['own', 'money']")
    curve = curve_of(subject)
    assert as_document(curve)["override"] == REASON
    assert REASON in curve_summary(curve).replace("\n", " ")
    assert "OVERRIDDEN INFERENCE" in subtitle(curve)
    assert any(REASON in str(text) for text in alerts(subject))


def test_nothing_is_said_where_the_rule_holds(tmp_path: Path) -> None:
    subject = fitted(tmp_path, "['own']")
    curve = curve_of(subject)
    assert as_document(curve)["override"] is None
    assert "OVERRIDE" not in curve_summary(curve) + subtitle(curve)
    assert alerts(subject) == ()
    assert alerts(replace(subject, curve=None)) == ()
