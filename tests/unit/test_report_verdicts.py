"""No verdict is stronger than its evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import BadInput
from models.engine.results import Curve
from models.study.results import StudyResults
from models.verdicts import CLAIMS, headline, judge, read_claim
from tests import report_case

Y1 = read_claim("Y1")
KNOWN = {"Q1", "Q2", "Q3", "Y1", "Y2", "F1", "R1", "R2", "R3", "N1"}


def with_headline(
    *estimates: tuple[float, float], outcome: str = "youth_unemp_rate"
) -> StudyResults:
    """A study whose models have these estimates and standard errors."""
    case = report_case.results()
    models = [
        replace(
            report_case.model(f"m{n}", (report_case.term("esf", b, se),), ("unit",)),
            outcome=outcome,
        )
        for n, (b, se) in enumerate(estimates)
    ]
    return replace(case, models=tuple(models))


def agreeing(share: float = 1.0, p: float = 0.01, unfit: bool = False) -> Curve:
    """A multiverse in which `share` of specifications are below zero."""
    curve = report_case.curve()
    size = len(curve.specs)
    below = round(share * size)
    specs = curve.specs.assign(estimate=[-1.0] * below + [1.0] * (size - below))
    audit = replace(curve.placebo_audit, warning="unfit" if unfit else None)
    return replace(curve, specs=specs, joint=replace(curve.joint, p_value=p), placebo_audit=audit)


@pytest.mark.parametrize(
    ("estimates", "curve", "ruling"),
    [
        (((-0.8, 0.3),), agreeing(), "supported"),
        (((-0.8, 0.3),), None, "inconclusive"),  # no multiverse was run
        (((-0.8, 0.3),), agreeing(share=0.7), "inconclusive"),
        (((-0.8, 0.3),), agreeing(p=0.2), "inconclusive"),
        (((-0.8, 0.3),), agreeing(unfit=True), "inconclusive"),
        (((-0.5, 0.3),), agreeing(), "inconclusive"),  # the interval holds zero
        (((0.8, 0.3),), agreeing(), "not supported"),
        (((-0.8, 0.3), (0.1, 0.3)), agreeing(), "inconclusive"),  # another model's sign
        (((-0.8, 0.3), (-0.1, 0.3)), agreeing(), "inconclusive"),  # one of two is clear
        (((-0.8, 0.3), (-0.9, 0.3), (-0.1, 0.3)), agreeing(), "supported"),
        (((-0.8, float("nan")),), agreeing(), "inconclusive"),
    ],
)
def test_a_claim_about_a_sign(
    estimates: tuple[tuple[float, float], ...], curve: Curve | None, ruling: str
) -> None:
    verdict = judge(Y1, with_headline(*estimates), curve)
    assert (verdict.ruling, verdict.grade) == (ruling, "association")
    assert verdict.reason


def test_the_direction_that_counts_as_better_depends_on_the_outcome() -> None:
    worse = with_headline((-0.8, 0.3), outcome="youth_emp_rate")
    assert judge(Y1, worse, agreeing()).ruling == "not supported"
    unknown = with_headline((-0.8, 0.3), outcome="gdp_pc")
    assert judge(Y1, unknown, agreeing()).ruling == "not testable here"


def test_overridden_inference_and_simulated_data_decide_nothing() -> None:
    case = with_headline((-0.8, 0.3))
    used = replace(case.models[0].inference, override="because")
    overridden = replace(case, models=(replace(case.models[0], inference=used),))
    assert judge(Y1, overridden, agreeing()).ruling == "inconclusive"
    simulated = replace(case, panel=replace(case.panel, simulated=True))
    verdict = judge(Y1, simulated, agreeing())
    assert (verdict.ruling, verdict.grade) == ("not testable here", "none")


@pytest.mark.parametrize("claim", sorted(KNOWN - {"Y1"}))
def test_a_claim_whose_test_is_not_run_is_not_testable_here(claim: str) -> None:
    verdict = judge(read_claim(claim), with_headline((-0.8, 0.3)), agreeing())
    assert (verdict.ruling, verdict.grade) == ("not testable here", "none")


def test_the_headline_is_found_in_models_that_name_their_terms_otherwise() -> None:
    case = report_case.results()
    response = report_case.model("lp", (report_case.term("esf h=0", -0.8, 0.3),), ("unit",))
    untreated = replace(
        report_case.model("mixed", (report_case.term("gdp", 0.8, 0.3),), ()), treatment=()
    )
    assert headline(replace(case, models=(response, *case.models)))[0].id == "two-way"
    assert headline(replace(case, models=(response, untreated)))[1].term == "esf h=0"
    assert headline(replace(case, models=(untreated,)))[1].term == "gdp"
    with pytest.raises(BadInput, match="no model has a coefficient"):
        headline(replace(case, models=(replace(untreated, terms=()),)))


def test_the_multiverse_names_the_headline() -> None:
    case = report_case.results()
    verse = replace(report_case.curve().study, id=case.study.id)
    assert verse.multiverse is not None
    chosen = replace(verse, multiverse=replace(verse.multiverse, model="controls"))
    assert headline(replace(case, study=chosen))[0].id == "controls"


def test_every_claim_of_the_mission_has_its_file() -> None:
    assert {path.stem for path in CLAIMS.glob("*.toml")} == KNOWN


def test_an_unknown_claim_is_refused_with_those_that_exist() -> None:
    with pytest.raises(BadInput, match=r"study\.claims: 'Z9': .*F1, N1, Q1"):
        read_claim("Z9")


@pytest.mark.parametrize("text", ["id = ", 'id = "X1"\nclaim = "only"\n'])
def test_a_broken_claim_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "X1.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"X1\.toml"):
        read_claim("X1", tmp_path)
