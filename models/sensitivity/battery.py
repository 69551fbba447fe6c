"""The sensitivity of one model's first treatment, as further tests of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from data.errors import BadInput
from models.design import Design
from models.estimators import load
from models.estimators.first_difference import differenced
from models.estimators.linear import CONSTANT, fit_screened
from models.inference.measure import measure
from models.least_squares import LinearFit
from models.results import ModelResult, Term, Test
from models.sensitivity.omitted import benchmark, robustness_value
from models.sensitivity.refits import leave_each_out, placebo_lead, placebo_outcome
from models.sensitivity.selection import oster_delta
from models.study import Inference, ModelSpec

POWER = 0.8


def with_sensitivity(result: ModelResult, design: Design, spec: ModelSpec) -> ModelResult:
    """The result with the analyses that the study's `sensitivity` asks for among its tests.

    Robustness values and Oster's delta (least squares only), the range without each parent and the
    minimum detectable coefficient come always; the others where their keys are given. Raises
    BadInput for a benchmark that is no control, or for instrumented models with benchmarks.
    """
    asked = spec.options.get("sensitivity")
    if asked is None:
        return result
    bare = replace(spec, options={k: v for k, v in spec.options.items() if k != "sensitivity"})
    term = result.term(design.terms[0])
    fit = load(spec.estimator).fit
    tests: list[Test] = []
    if spec.estimator == "iv-within":
        _refuse_least_squares_only(asked)
    else:
        tests.extend(omitted_tests(design, bare, asked))
    if asked.get("leave_out", True):
        tests.extend(leave_each_out(design, bare, fit, term))
    if "lead" in asked:
        tests.append(placebo_lead(design, bare, fit, asked["lead"]))
    if "placebo_outcome" in asked:
        tests.append(placebo_outcome(design, bare, fit, asked["placebo_outcome"]))
    tests.extend(_margins(term, asked))
    return replace(result, tests=(*result.tests, *tests))


def omitted_tests(design: Design, spec: ModelSpec, asked: Mapping[str, Any]) -> list[Test]:
    """Robustness values, benchmarks and Oster's delta of the first treatment."""
    linear, rows = _linear(design, spec)
    name = design.terms[0]
    df = float(linear.n_obs - len(linear.terms) - linear.n_absorbed)
    plain = measure(linear, rows, Inference(kind="classical"))
    j = linear.terms.index(name)
    statistic = float(plain.statistic[j])
    used = measure(linear, rows, _clustered(spec.inference))
    ratio = float(used.std_error[j] / plain.std_error[j])
    whole = robustness_value(statistic, df)
    edge = robustness_value(statistic, df, level=0.05, ratio=ratio)
    same = "partial R2 with treatment and outcome alike of an omitted variable that would"
    tests = [
        Test("robustness_value", whole, None, None, f"{same} take the estimate to zero"),
        Test("robustness_value_5pct", edge, None, None, f"{same} take it to the edge of 5 %"),
        *(_benchmark(linear, name, control, asked, df) for control in asked.get("benchmark", ())),
    ]
    if set(linear.terms) - {name, CONSTANT}:
        delta, r2_max = oster_delta(linear, name, asked.get("r2_max"))
        note = f"selection on the rest over that on controls for a zero, largest R2 {r2_max:.3f}"
        tests.append(Test("oster_delta", delta, None, None, note))
    return tests


def _benchmark(
    linear: LinearFit, name: str, control: str, asked: Mapping[str, Any], df: float
) -> Test:
    if control not in linear.terms or control == name:
        where, what = "sensitivity.benchmark", f"{control!r} is no control of this model"
        raise BadInput(where, what, f"name one of {', '.join(linear.terms[1:]) or 'its controls'}")
    times = float(asked.get("times", 1.0))
    found = benchmark(linear, name, control, times, df)
    note = (
        f"estimate left by an omitted variable {times:g} times as strong as {control} "
        f"(partial R2 {found.r2_treatment:.3f} with treatment, {found.r2_outcome:.3f} with outcome)"
    )
    if np.isnan(found.estimate):
        note = f"no variable can be {times:g} times as strong as {control}"
    return Test(f"benchmark {control}", found.estimate, None, None, note)


def _linear(design: Design, spec: ModelSpec) -> tuple[LinearFit, Design]:
    """The model's linear fit and the rows it rests on."""
    constant = not design.effects
    if spec.estimator == "first-difference":
        design = differenced(design)
        constant = constant and bool(spec.options.get("constant", True))
    linear, _ = fit_screened(design, design.effects, constant=constant)
    return linear, design


def _clustered(how: Inference) -> Inference:
    """Inference with a standard error: resampling kinds become clustered ones."""
    if how.kind in ("wild-cluster", "randomization"):
        return replace(how, kind="cluster", correction=None)
    return how


def _margins(term: Term, asked: Mapping[str, Any]) -> list[Test]:
    if not np.isfinite(term.std_error) or term.std_error <= 0.0:
        return []
    from models.sensitivity.margins import equivalence, minimum_detectable  # it loads slowly

    tests = [minimum_detectable(term, float(asked.get("power", POWER)))]
    if "margin" in asked:
        tests.append(equivalence(term, float(asked["margin"])))
    return tests


def _refuse_least_squares_only(asked: Mapping[str, Any]) -> None:
    for key in ("benchmark", "r2_max"):
        if key in asked:
            what = f"{key} compares least-squares fits, and this model has instruments"
            raise BadInput(f"sensitivity.{key}", what, "drop it, or ask it of the within model")
