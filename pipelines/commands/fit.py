"""`regsi fit`: a study's models as a table, without Prefect."""

from __future__ import annotations

import argparse
from typing import Any

from models.study.file import read_study
from models.study.results import as_document
from pipelines import steps
from pipelines.session import Session


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Loads what is missing, fits, and returns the contract's document and the printed table."""
    study = read_study(args.study)
    results = steps.fit(study, steps.loaded_panel(study, session), session, args.model)
    if args.json:
        return as_document(results), ""
    from reports.tables.text import text_table

    return None, text_table(results)
