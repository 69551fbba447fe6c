"""`regsi curve`: every defensible specification of a study, tested jointly."""

from __future__ import annotations

import argparse
from typing import Any

from data.errors import BadInput
from pipelines.second_process import SecondProcess
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Computes the curve and returns the contract's document and a one-screen summary."""
    with SecondProcess() as second:
        # not before: what takes this process most of a second to import, that one imports meanwhile
        from models.engine.results import as_document
        from models.study.file import read_study
        from pipelines import steps
        from reports.tables.curve_text import curve_summary

        study = read_study(args.study)
        if study.multiverse is None:
            what = "the study declares no [multiverse]"
            raise BadInput(str(study.path), what, "add one to draw its curve")
        panel = steps.loaded_panel(study, session)
        curve = steps.specification_curve(study, panel, session, ask=second.ask)
    session.say(f"Next: regsi publish {args.study} draws this, beside tables and a brief.")
    return (as_document(curve), "") if args.json else (None, curve_summary(curve))
