"""`regsi curve`: every defensible specification of a study, tested jointly."""

from __future__ import annotations

import argparse
from typing import Any

from data.errors import BadInput
from models.engine.results import as_document
from models.study.file import read_study
from pipelines import steps
from pipelines.second_process import SecondProcess
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Computes the curve and returns the contract's document and a one-screen summary."""
    study = read_study(args.study)
    if study.multiverse is None:
        raise BadInput(
            str(study.path), "the study declares no [multiverse]", "add one to draw its curve"
        )
    with SecondProcess() as second:
        steps.load_missing(steps.datasets_for([study]), session)
        panel = steps.study_panel(study, session)
        curve = steps.specification_curve(study, panel, session, second=second)
    session.say(f"Next: regsi publish {args.study} draws this, beside tables and a brief.")
    if args.json:
        return as_document(curve), ""
    from reports.tables.curve_text import curve_summary

    return None, curve_summary(curve)
