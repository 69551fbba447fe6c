"""The numbers themselves, at full precision, as CSV: a row for each result that is published."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

from models.engine.results import Curve
from models.results import ModelResult, as_json
from models.study.results import StudyResults
from models.verdicts import headline, multiverse_share
from reports.numbers import CURVE, MISSING, PANEL, result_id
from reports.variables import Variables

COEFFICIENTS = (
    "result",
    "study",
    "model",
    "estimator",
    "outcome",
    "term",
    "label",
    "is_treatment",
    "estimate",
    "std_error",
    "statistic",
    "df",
    "p_value",
    "conf_low",
    "conf_high",
    "effects",
    "weights",
    "inference",
    "clustered_by",
    "correction",
    "override",
    "simulated",
    "run",
)
FIGURES = ("result", "study", "subject", "figure", "value", "df", "p_value", "simulated", "run")
GROUPS = (
    "result", "study", "model", "outcome", "kind", "group", "effect", "estimate", "std_error",
    "conf_low", "conf_high", "simulated", "run",
)  # fmt: skip
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def coefficients_csv(results: StudyResults, run_id: str) -> str:
    """One row for each coefficient of each model, in the order of the study."""
    variables = Variables.of(results)
    rows = (
        {
            **_model_columns(results, model),
            "result": result_id(results.study.id, model.id, term.term),
            "term": term.term,
            "label": variables.label(term.term),
            "is_treatment": term.term in model.treatment,
            "estimate": term.estimate,
            "std_error": term.std_error,
            "statistic": term.statistic,
            "df": term.df,
            "p_value": term.p_value,
            "conf_low": term.conf_low,
            "conf_high": term.conf_high,
            "run": run_id,
        }
        for model in results.models
        for term in model.terms
    )
    return _csv(COEFFICIENTS, rows)


def figures_csv(results: StudyResults, run_id: str, curve: Curve | None = None) -> str:
    """One row for each count, fit measure and test of each model, then panel, gaps and curve."""
    all_figures = [
        *((model.id, figure) for model in results.models for figure in _figures(model)),
        *((PANEL, figure) for figure in _panel_figures(results)),
        *((MISSING, figure) for figure in _missing_figures(results)),
        *((CURVE, figure) for figure in (_curve_figures(results, curve) if curve else ())),
    ]
    rows = (
        {
            "result": result_id(results.study.id, group, name),
            "study": results.study.id,
            "subject": group,
            "figure": name,
            "value": value,
            "df": df,
            "p_value": p,
            "simulated": results.panel.simulated,
            "run": run_id,
        }
        for group, (name, value, df, p) in all_figures
    )
    return _csv(FIGURES, rows)


def groups_csv(results: StudyResults, run_id: str) -> str:
    """One row for each group's own level or slope, from the models in which groups differ."""
    rows = (
        {
            **as_json(effect),
            "result": result_id(
                results.study.id, model.id, "group", effect.kind, effect.group, effect.effect
            ),
            "study": results.study.id,
            "model": model.id,
            "outcome": model.outcome,
            "simulated": results.panel.simulated,
            "run": run_id,
        }
        for model in results.models
        for effect in model.groups
    )
    return _csv(GROUPS, rows)


def curve_csv(curve: Curve, run_id: str) -> str:
    """One row for each specification of the multiverse, the choices first."""
    columns = [name for name in curve.specs.columns if name not in {"result", "simulated", "run"}]
    rows = (
        {
            **row,
            "result": result_id(curve.study.id, CURVE, "spec", str(number)),
            "simulated": curve.simulated,
            "run": run_id,
        }
        for number, row in enumerate(curve.specs[columns].to_dict(orient="records"))
    )
    return _csv(("result", *columns, "simulated", "run"), rows)


Figure = tuple[str, float | None, str, float | None]


def _figures(model: ModelResult) -> Iterable[Figure]:
    counts = {"n_obs": model.n_obs, "n_units": model.n_units, "n_periods": model.n_periods}
    yield from ((name, count, "", None) for name, count in counts.items())
    for name, count in model.n_clusters.items():
        yield f"n_clusters/{name}", count, "", None
    if model.n_instruments is not None:
        yield "n_instruments", model.n_instruments, "", None
    for name, value in model.fit.items():
        yield f"fit/{name}", value, "", None
    for test in model.tests:
        df = test.df if isinstance(test.df, tuple) else (test.df,)
        words = " ".join(f"{part:.17g}" for part in df if part is not None)
        yield f"test/{test.test}", test.statistic, words, test.p_value


def _panel_figures(results: StudyResults) -> Iterable[Figure]:
    for name in ("rows", "units", "periods", "first", "last"):
        yield name, getattr(results.panel, name), "", None


def _missing_figures(results: StudyResults) -> Iterable[Figure]:
    """Shares missing: overall, by quintile and by period."""
    for row in results.missingness:
        yield row.column, row.missing / row.rows if row.rows else None, "", None
        for share in row.by_quintile:
            yield f"{row.column}/quintile/{share.group}", share.share, "", None
        for share in row.by_period:
            yield f"{row.column}/period/{share.group}", share.share, "", None


def _curve_figures(results: StudyResults, curve: Curve) -> Iterable[Figure]:
    model, term = headline(results)
    share = multiverse_share(curve, term, model.outcome)
    yield "specs", len(curve.specs), "", None
    yield "share_same_sign", share, "", None
    yield "share_positive_significant", curve.summary.share_positive_significant, "", None
    yield "share_negative_significant", curve.summary.share_negative_significant, "", None
    yield "joint_p_value", curve.joint.p_value, "", None
    for rate in curve.placebo_audit.rates:
        yield f"audit/{rate.name}", rate.rejection_rate, "", None


def _model_columns(results: StudyResults, model: ModelResult) -> dict[str, object]:
    return {
        "study": results.study.id,
        "model": model.id,
        "estimator": model.estimator,
        "outcome": model.outcome,
        "effects": " + ".join(model.effects),
        "weights": model.weights,
        "inference": model.inference.kind,
        "clustered_by": " + ".join(model.inference.by),
        "correction": model.inference.correction,
        "override": model.inference.override,
        "simulated": results.panel.simulated,
    }


def _csv(columns: tuple[str, ...], rows: Iterable[Mapping[Any, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _value(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _value(value: object) -> str:
    """Numbers in full, nothing for what does not exist, and text no spreadsheet would execute."""
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
