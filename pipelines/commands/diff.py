"""`regsi diff`: how a headline estimate moved between two dates, split by what moved it."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime
from typing import Any

from data.errors import BadInput, RegsiError
from data.panel import Panel
from data.panels.build import build_panel
from data.panels.diff import PanelChange, compare, stages
from data.panels.store import read_panel
from models.fitting import fit_study
from models.results import ModelResult, Term, as_json
from models.study import Study
from models.study.file import read_study
from models.verdicts import headline
from pipelines import steps
from pipelines.runs import Run, finished_runs
from pipelines.session import Session

SHOWN = 12


def run(args: argparse.Namespace, session: Session) -> tuple[Any, str]:
    """Fits the model that speaks for the study on both editions of its panel, and on each step."""
    study = read_study(args.study)
    first, last = sorted(args.between)
    earlier = _runs_by(study, session, first)
    old, new = _editions(study, session, first, last)
    same = next((r for r in reversed(earlier) if _same_editions(_stored(r), old)), None)
    change, (model, before) = compare(old, new), _speaking(study, old)
    published = _published(same, model.id, before.term)
    moves = _moves_since(published, study, model.id, old) if published else []
    after, between = _moves_between(study, model.id, before, old, new)
    document = {
        "study": study.id,
        "between": [first.isoformat(), last.isoformat()],
        "model": model.id,
        "published": published and {"run": published[0].id, "estimate": published[1]},
        "before": as_json(before),
        "after": as_json(after),
        "moves": [*moves, *between],
        **_cells(change),
    }
    return document, _text(document, change)


def _cells(change: PanelChange) -> dict[str, Any]:
    return {
        "revisions": as_json(change.revised.to_dict("records")),
        "new_periods": [str(x) for x in change.new_periods],
        "new_units": [str(x) for x in change.new_units],
        "lost_rows": change.lost_rows,
        "appeared": change.appeared,
        "withdrawn": change.withdrawn,
    }


def _published(run: Run | None, model: str, term: str) -> tuple[Run, float] | None:
    """The run and what it published for the headline; None if it had another."""
    estimate = None if run is None else run.estimate(model, term)
    return None if run is None or estimate is None else (run, estimate)


def _moves_between(
    study: Study, model: str, before: Term, old: Panel, new: Panel
) -> tuple[Term, list[dict[str, Any]]]:
    """The new headline, and what each step from the old panel to the new one did to it."""
    moves, estimate = [], before
    for what, panel in stages(old, new):
        after = _headline(study, model, panel)
        moves.append({"what": what, "change": after.estimate - estimate.estimate})
        estimate = after
    return estimate, moves


def _editions(study: Study, session: Session, first: date, last: date) -> tuple[Panel, Panel]:
    """The study's panel as of both days.

    A file of the user's own has no vintages: its editions are those that runs were made from, and
    the file as it is now.
    """
    name, say = study.panel.name, session.say
    if name is not None:
        with steps.warehouse_with(steps.datasets_for([study]), session) as warehouse:
            old, new = (build_panel(name, warehouse, day, say) for day in (first, last))
        return old, new
    editions = [_own_edition(study, session, day) for day in (first, last)]
    return editions[0], editions[1]


def _own_edition(study: Study, session: Session, day: date) -> Panel:
    if day >= datetime.now(UTC).date():
        return steps.study_panel(study, session)
    earlier = _runs_by(study, session, day)
    if not earlier:
        raise BadInput(
            f"study {study.id}",
            f"reads a file of your own, and no run of {day} or before keeps how it was",
            f"choose a later date, and `regsi run {study.path}` whenever the file changes",
        )
    return _stored(earlier[-1])


def _speaking(study: Study, panel: Panel) -> tuple[ModelResult, Term]:
    """The headline's model and coefficient; no more models are fitted than it takes to find it."""
    chosen = study.multiverse.model if study.multiverse else None
    order = sorted(study.models, key=lambda m: (m.id != chosen, m.role != "estimate"))
    for spec in order:
        model, term = headline(fit_study(study, panel, spec.id))
        if term.term in spec.treatment[:1]:
            return model, term
    return headline(fit_study(study, panel, order[0].id))


def _headline(study: Study, model: str, panel: Panel) -> Term:
    return headline(fit_study(study, panel, model))[1]


def _stored(run: Run) -> Panel:
    return read_panel(run.folder / "panel.parquet")


def _same_editions(one: Panel, other: Panel) -> bool:
    """Whether the datasets that both panels draw on came from the same editions."""
    used = [{(v.dataset, v.sha256) for v in panel.vintages} for panel in (one, other)]
    both = set.intersection(*({dataset for dataset, _ in each} for each in used))
    if not both:
        return one.sha256 == other.sha256
    mine, theirs = ({pair for pair in each if pair[0] in both} for each in used)
    return mine == theirs


def _moves_since(
    published: tuple[Run, float], study: Study, model: str, old: Panel
) -> list[dict[str, Any]]:
    """What today's code, study and recipes change on the data that an earlier run published."""
    run, estimate = published
    stored, moves, names = _stored(run), [], list[str]()
    for what, panel in (("code", stored), ("study", stored), ("definition of the panel", old)):
        names.append(what)
        try:
            then = read_study(str(run.folder / "study.toml")) if what == "code" else study
            after = _headline(then, model, panel).estimate
        except RegsiError:  # today's code no longer reads that study, or the panel lacked a column
            continue
        moves.append({"what": f"changed {' or '.join(names)}", "change": after - estimate})
        estimate, names = after, []
    return moves


def _runs_by(study: Study, session: Session, day: date) -> list[Run]:
    """The study's runs that show what was known by `day`, oldest first."""

    def known(run: Run) -> str:
        return str(run.manifest["as_of"] or run.manifest["created"][:10])

    mine = [r for r in finished_runs(session.home) if r.manifest["study"]["id"] == study.id]
    return [run for run in mine if known(run) <= day.isoformat()]


def _text(document: dict[str, Any], change: PanelChange) -> str:
    before, after = document["before"], document["after"]
    first, last = document["between"]
    lines = [
        f"{document['study']}, model {document['model']}, {after['term']}:",
        f"  as of {first}: {before['estimate']:.6g} (standard error {before['std_error']:.3g})",
        f"  as of {last}: {after['estimate']:.6g} (standard error {after['std_error']:.3g})",
    ]
    if published := document["published"]:
        lines.insert(1, f"  run {published['run']}: {published['estimate']:.6g}")
    lines.append("  moved by:")
    lines += [f"    {move['change']:+.6g}  {move['what']}" for move in document["moves"]]
    lines.append(
        f"  {len(change.revised):,} cells revised, {change.appeared:,} filled, "
        f"{change.withdrawn:,} withdrawn, {change.lost_rows:,} rows lost; "
        f"new periods: {_listed(document['new_periods'])}; "
        f"new units: {_listed(document['new_units'])}"
    )
    if len(change.revised):
        lines.append("  largest revisions:")
        table = change.revised.head(SHOWN).to_string(index=False)
        lines += [f"    {line}" for line in table.splitlines()]
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "none"
