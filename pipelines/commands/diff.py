"""`regsi diff`: how a headline estimate moved between two dates, split by what moved it."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from data.errors import RegsiError
from data.panel import Panel
from data.panel_build import build_panel
from data.panel_diff import PanelChange, compare, stages
from data.panel_store import read_panel
from models.fitting import fit_study
from models.results import Term, as_json
from models.study import Study
from models.study_file import read_study
from pipelines import steps
from pipelines.runs import Run, finished_runs
from pipelines.session import Session

SHOWN = 12


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Fits the study's first model on both editions of its panel and on each step between."""
    study = read_study(args.study)
    first, last = sorted(args.between)
    steps.load_missing(steps.datasets_for([study]), session)
    old, new = _panel(study, session, first), _panel(study, session, last)
    change = compare(old, new)
    moves = _code_moves(study, session, first, old)
    estimate = _headline(study, old)
    for what, panel in stages(old, new):
        after = _headline(study, panel)
        moves.append({"what": what, "change": after.estimate - estimate.estimate})
        estimate = after
    document = {
        "study": study.id,
        "between": [first.isoformat(), last.isoformat()],
        "model": study.models[0].id,
        "before": as_json(_headline(study, old)),
        "after": as_json(estimate),
        "moves": moves,
        "revisions": as_json(change.revised.to_dict("records")),
        "new_periods": [str(x) for x in change.new_periods],
        "new_units": [str(x) for x in change.new_units],
        "appeared": change.appeared,
        "withdrawn": change.withdrawn,
    }
    return document, _text(document, change)


def _panel(study: Study, session: Session, day: date) -> Panel:
    if study.panel.name is None:
        return steps.study_panel(study, session)
    return build_panel(study.panel.name, session.home, day, session.say)


def _headline(study: Study, panel: Panel) -> Term:
    model = fit_study(study, panel, study.models[0].id).models[0]
    return model.term(model.treatment[0])


def _code_moves(study: Study, session: Session, day: date, old: Panel) -> list[dict[str, Any]]:
    """What today's recipes and code change on the data of a run made by `day`, if there is one."""
    run = _run_known_by(study, session, day)
    if run is None:
        return []
    stored = read_panel(run.folder / "panel.parquet")
    published = run.headline()
    try:
        on_stored = _headline(study, stored).estimate
    except RegsiError:  # the study now asks for a column that the panel did not have then
        on_stored = published
    return [
        {"what": f"changed study or code since run {run.id}", "change": on_stored - published},
        {
            "what": "changed definition of the panel",
            "change": _headline(study, old).estimate - on_stored,
        },
    ]


def _run_known_by(study: Study, session: Session, day: date) -> Run | None:
    def known(run: Run) -> str:
        return str(run.manifest["as_of"] or run.manifest["created"][:10])

    mine = [r for r in finished_runs(session.home) if r.manifest["study"]["id"] == study.id]
    earlier = [r for r in mine if known(r) <= day.isoformat()]
    return earlier[-1] if earlier else None


def _text(document: dict[str, Any], change: PanelChange) -> str:
    before, after = document["before"], document["after"]
    first, last = document["between"]
    lines = [
        f"{document['study']}, model {document['model']}, {after['term']}:",
        f"  as of {first}: {before['estimate']:.6g} (standard error {before['std_error']:.3g})",
        f"  as of {last}: {after['estimate']:.6g} (standard error {after['std_error']:.3g})",
        "  moved by:",
    ]
    lines += [f"    {move['change']:+.6g}  {move['what']}" for move in document["moves"]]
    lines.append(
        f"  {len(change.revised):,} cells revised, {change.appeared:,} filled, "
        f"{change.withdrawn:,} withdrawn; new periods: {_listed(document['new_periods'])}; "
        f"new units: {_listed(document['new_units'])}"
    )
    if len(change.revised):
        lines.append("  largest revisions:")
        table = change.revised.head(SHOWN).to_string(index=False)
        lines += [f"    {line}" for line in table.splitlines()]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "none"
