"""No verdict is stronger than its evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import BadInput
from models.engine.results import Curve
from models.results import ModelResult, Test
from models.study import ModelSpec
from models.study.results import StudyResults
from models.verdicts import CLAIMS, RULED, comparable, headline, judge, read_claim
from models.verdicts.claim import RULES
from reports.briefs.answer import answer, standing
from reports.briefs.placebos import placebo_words
from reports.briefs.subject import Subject
from reports.briefs.text import plain
from tests import report_case, report_curve

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
    curve = report_curve.curve()
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
def test_a_claim_whose_test_is_not_run_is_not_testable_here_and_says_the_way_out(
    claim: str,
) -> None:
    known = read_claim(claim)
    verdict = judge(known, with_headline((-0.8, 0.3)), agreeing())
    assert (verdict.ruling, verdict.grade) == ("not testable here", "none")
    assert verdict.reason.endswith(known.way_out)


def test_each_rule_has_a_function_and_each_claim_a_rule() -> None:
    assert set(RULED) == set(RULES)
    assert {read_claim(claim).rule for claim in KNOWN} == set(RULES)


def with_role(case: StudyResults, role: str, model: str) -> StudyResults:
    """The study with one of its models declared a placebo or a known-bad twin."""
    spec = replace(case.study.models[0], id=model, role=role)
    return replace(case, study=replace(case.study, models=(*case.study.models, spec)))


@pytest.mark.parametrize("role", ["placebo", "known-bad"])
def test_models_shown_to_mislead_count_neither_for_nor_against(role: str) -> None:
    case = with_headline((-0.8, 0.3), (0.9, 0.3))
    assert judge(Y1, case, agreeing()).ruling == "inconclusive"
    quiet = replace(case.models[1].terms[0], p_value=0.4)
    case = replace(case, models=(case.models[0], replace(case.models[1], terms=(quiet,))))
    marked = with_role(case, role, "m1")
    assert judge(Y1, marked, agreeing()).ruling == "supported"
    assert [model.id for model, _ in comparable(marked, *headline(marked))] == ["m0"]
    assert headline(with_role(case, role, "m0"))[0].id == "m1"


def test_an_event_study_without_causal_reading_decides_nothing() -> None:
    case = with_headline((0.8, 0.1))
    cautioned = replace(case.models[0], warnings=("no causal reading: paths differed before",))
    verdict = judge(Y1, replace(case, models=(cautioned,)), agreeing())
    assert verdict.ruling == "inconclusive"


@pytest.mark.parametrize(("gap", "ruling"), [(-0.9, "supported"), (-0.2, "inconclusive")])
def test_investment_has_to_be_ahead_of_compensation_where_both_are_in_the_model(
    gap: float, ruling: str
) -> None:
    case = with_headline((-0.8, 0.3))
    terms = (*case.models[0].terms, report_case.term("esf - cash", gap, 0.3))
    both = replace(case, models=(replace(case.models[0], terms=terms),))
    verdict = judge(Y1, both, agreeing())
    assert (verdict.ruling, verdict.leaves_open) == (ruling, "")
    assert judge(Y1, case, agreeing()).leaves_open


def slopes(p: float, periods: int, swamy: float = 0.0, name: str = "mean-group") -> ModelResult:
    """A mean group of 100 units with tests of equal slopes."""
    tests = (
        Test("pesaran_yamagata_delta_adj", 3.0, None, p),
        Test("swamy_homogeneity", 300.0, 99, swamy),
    )
    fit = {"share_positive_bh esf": 0.2, "share_negative_bh esf": 0.1}
    model = report_case.model(name, (report_case.term("esf", -0.8, 0.3),), ("unit",))
    return replace(model, tests=tests, n_obs=100 * periods, n_units=100, fit=fit)


@pytest.mark.parametrize(
    ("models", "ruling"),
    [
        ((slopes(0.001, 20),), "supported"),
        ((slopes(0.4, 20),), "inconclusive"),  # no proof that they are equal
        ((slopes(0.001, 14),), "inconclusive"),  # too short
        ((slopes(0.001, 20), slopes(0.4, 20, name="cce")), "inconclusive"),
        ((slopes(0.001, 20), slopes(0.4, 14, name="cce")), "supported"),  # too short to be read
        ((slopes(0.001, 20, swamy=0.3),), "supported"),  # too short for Swamy's test
        ((slopes(0.001, 30, swamy=0.3),), "inconclusive"),  # from here it has to agree
    ],
)
def test_a_claim_that_slopes_differ(models: tuple[ModelResult, ...], ruling: str) -> None:
    case = replace(report_case.results(), models=models)
    verdict = judge(read_claim("F1"), case)
    assert (verdict.ruling, verdict.grade) == (ruling, "association")
    assert ("20 % of units have a clearly positive slope" in verdict.reason) == (
        models[0].n_obs > 1400
    )


def test_slopes_of_the_treatment_alone_go_before_those_of_controls() -> None:
    only = Test("pesaran_yamagata_treatment", 0.3, None, 0.7)
    model = slopes(0.001, 20)
    case = replace(report_case.results(), models=(replace(model, tests=(*model.tests, only)),))
    assert judge(read_claim("F1"), case).ruling == "inconclusive"


def interval(name: str, estimate: float, low: float, high: float) -> dict[str, float | None]:
    """A figure with its interval, as results hold it."""
    return {name: estimate, f"{name} low": low, f"{name} high": high}


YES, NO = (0.001, 20), (0.4, 20)


@pytest.mark.parametrize(
    ("share", "slope", "gain", "ruling"),
    [
        ((0.3, 0.2, 0.4), YES, (0.1, 0.05, 0.15), "supported"),
        ((0.3, 0.2, 0.4), NO, (0.1, 0.05, 0.15), "inconclusive"),  # levels do not imply slopes
        ((0.3, 0.2, 0.4), YES, (0.1, -0.05, 0.25), "inconclusive"),
        ((0.05, 0.02, 0.08), NO, (-0.1, -0.15, -0.05), "not supported"),
        ((0.11, 0.02, 0.3), (0.001, 12), (0.0, -0.1, 0.1), "inconclusive"),
    ],
)
def test_a_claim_that_regions_matter_needs_three_answers(
    share: tuple[float, float, float],
    slope: tuple[float, int],
    gain: tuple[float, float, float],
    ruling: str,
) -> None:
    levels = replace(slopes(*slope, name="levels"), tests=(), fit=interval("share unit", *share))
    own = replace(slopes(*slope), fit=interval("prediction_gain", *gain))
    case = replace(report_case.results(), models=(levels, own))
    assert judge(read_claim("R1"), case).ruling == ruling
    lacking = judge(read_claim("R1"), replace(case, models=(own,)))
    assert lacking.ruling == "not testable here"
    assert "lacks shares of variance" in lacking.reason


@pytest.mark.parametrize(
    ("share", "ruling"),
    [
        ((0.44, 0.3, 0.6), "supported"),
        ((0.05, 0.02, 0.09), "not supported"),
        ((0.97, 0.92, 0.99), "not supported"),  # then countries do not differ
        ((0.15, 0.05, 0.4), "inconclusive"),
    ],
)
def test_a_claim_about_differences_inside_countries(
    share: tuple[float, float, float], ruling: str
) -> None:
    levels = replace(slopes(0.1, 20), fit=interval("share inside parent", *share))
    verdict = judge(read_claim("R2"), replace(report_case.results(), models=(levels,)))
    assert (verdict.ruling, verdict.grade) == (ruling, "description")
    no_interval: dict[str, float | None] = dict.fromkeys(levels.fit)
    at_zero = replace(report_case.results(), models=(replace(levels, fit=no_interval),))
    assert judge(read_claim("R2"), at_zero).ruling == "inconclusive"


def deciding(claim: str, *models: ModelResult, margin: float | None = None) -> StudyResults:
    """A study whose headline is a model of the young, and which says what decides `claim`."""
    case = with_headline((-0.8, 0.3))
    options = {} if margin is None else {"sensitivity": {"margin": margin}}
    specs = tuple(
        ModelSpec(m.id, "within", m.outcome, m.treatment, decides=(claim,), options=options)
        for m in models
    )
    study = replace(case.study, models=(*case.study.models, *specs))
    return replace(case, study=study, models=(*case.models, *models))


def of_gap(name: str, estimate: float, error: float) -> ModelResult:
    """A model of the young's rate less that of older people."""
    model = report_case.model(name, (report_case.term("esf", estimate, error),), ("unit",))
    return replace(model, outcome="unemp_young_less_older")


@pytest.mark.parametrize(
    ("gaps", "own", "ruling"),
    [
        ((-0.8, -0.7), -0.8, "supported"),
        ((-0.8,), -0.8, "inconclusive"),  # one model is not enough
        ((-0.8, -0.1), -0.8, "inconclusive"),
        ((-0.1, -0.8), -0.8, "inconclusive"),
        ((0.8, -0.8), -0.8, "not supported"),
        ((-0.8, -0.7), 0.8, "inconclusive"),  # the gap closes from the wrong side
    ],
)
def test_a_claim_about_the_young_in_particular(
    gaps: tuple[float, ...], own: float, ruling: str
) -> None:
    models = [of_gap(f"gap{n}", gap, 0.2) for n, gap in enumerate(gaps)]
    case = deciding("Y2", *models)
    first = replace(case.models[0], terms=(report_case.term("esf", own, 0.3),))
    verdict = judge(read_claim("Y2"), replace(case, models=(first, *case.models[1:])))
    assert (verdict.ruling, verdict.grade) == (ruling, "association")


def test_error_bars_against_the_rule_decide_nothing_wherever_they_stand() -> None:
    """In the second model of a difference, and in most of the models of an outcome."""
    first, second = of_gap("gap0", -0.8, 0.2), of_gap("gap1", -0.7, 0.2)
    overridden = replace(second, inference=replace(second.inference, override="because"))
    assert judge(read_claim("Y2"), deciding("Y2", first, second)).ruling == "supported"
    verdict = judge(read_claim("Y2"), deciding("Y2", first, overridden))
    assert verdict.ruling == "inconclusive"
    assert "in 1 of 2 models" in verdict.reason

    case = with_headline((-0.8, 0.3))
    twin = replace(case.models[0], id="twin")
    by_rule = replace(twin.inference, override="because")
    both = replace(case, models=(case.models[0], replace(twin, inference=by_rule)))
    assert "zero in only 1 of the study" in judge(read_claim("Y1"), both).reason


@pytest.mark.parametrize("claim", ["Y1", "Y2"])
@pytest.mark.parametrize(
    ("outcome", "better"),
    [
        ("youth_unemp_rate", -1),
        ("youth_emp_rate", 1),
        ("teen_emp_rate", 1),
        ("neet_rate_15_29", -1),
        ("activity_rate_15_24", 1),
        ("participation_young_less_older", 1),
        ("inactivity_rate_young_less_older", -1),
        ("nonemployment_rate", -1),
        ("youth_nonemp", -1),
        ("not_in_employment", -1),
        ("non_participation", -1),
        ("involuntary_temp_emp_share", None),
        ("temporary_contracts", None),
        ("part_time_employment", None),
        ("population", None),
        ("underemployment_rate", -1),
        ("out_of_employment", -1),
        ("without_employment", -1),
        ("gender_employment_gap", None),
        ("emp_loss", None),
        ("informal_employment_share", None),
        ("youth_employment_temp", None),
        ("fixed_term_emp_rate", None),
        ("self_employment_rate", None),
        ("self_reported_unemp", -1),
        ("teen_emp_rate_less_all", 1),
        ("youth_employment", 1),
    ],
)
def test_which_way_an_outcome_improves(claim: str, outcome: str, better: int | None) -> None:
    assert read_claim(claim).improvement(outcome) == better


def trend(name: str, estimate: float, error: float, margin: float | None) -> ModelResult:
    """A model with a test of equivalence, as `sensitivity` makes it, where a margin is given."""
    from models.sensitivity.margins import equivalence

    term = report_case.term("trend", estimate, error)
    tests = () if margin is None else (equivalence(term, margin),)
    model = report_case.model(name, (term,), ("unit",))
    return replace(model, treatment=("trend",), tests=tests)


@pytest.mark.parametrize(
    ("estimates", "ruling"),
    [
        (((0.01, 0.01),), "supported"),
        (((0.01, 0.04),), "inconclusive"),  # not clear of zero, nor inside the margin
        (((0.0, 0.026),), "inconclusive"),  # inside at 90 %, not with the interval that is shown
        (((0.2, 0.02),), "not supported"),
        (((0.01, 0.01), (0.01, 0.04)), "inconclusive"),
        (((0.01, 0.01), (-0.2, 0.02)), "not supported"),
    ],
)
@pytest.mark.parametrize("claim", ["Q2", "Q3"])
def test_a_null_claim_needs_an_interval_inside_its_margin(
    claim: str, estimates: tuple[tuple[float, float], ...], ruling: str
) -> None:
    models = [trend(f"t{n}", b, se, 0.05) for n, (b, se) in enumerate(estimates)]
    verdict = judge(read_claim(claim), deciding(claim, *models, margin=0.05))
    assert (verdict.ruling, verdict.grade) == (ruling, "description")
    assert "±0.05" in verdict.reason
    without = judge(read_claim(claim), deciding(claim, trend("t", 0.01, 0.01, None)))
    assert without.ruling == "not testable here"


@pytest.mark.parametrize(
    ("estimate", "error", "ruling"),
    [(0.1, 0.05, "supported"), (0.6, 0.05, "not supported"), (0.25, 0.1, "inconclusive")],
)
def test_a_claim_that_something_grows_slowly(estimate: float, error: float, ruling: str) -> None:
    shrinking = replace(trend("spread", -0.1, 0.03, None), outcome="total_spread")
    case = deciding("Q1", trend("total", estimate, error, None), shrinking)
    assert judge(read_claim("Q1"), case).ruling == ruling


@pytest.mark.parametrize(
    ("slope", "ruling", "said"),
    [
        (-0.1, "supported", "shrinks"),
        (0.02, "inconclusive", "may grow or shrink"),
        (0.1, "not supported", "grows"),
    ],
)
def test_what_grows_slowly_must_not_drift_apart(slope: float, ruling: str, said: str) -> None:
    spread = replace(trend("spread", slope, 0.03, None), outcome="total_spread")
    total = trend("total", 0.1, 0.05, None)
    per_head = replace(trend("per-head", 0.9, 0.01, None), outcome="total_per_head")
    for models in ([total, spread], [spread, total], [total, per_head, spread]):
        verdict = judge(read_claim("Q1"), deciding("Q1", *models))
        assert verdict.ruling == ruling
        assert f"The spread between countries {said}: " in verdict.reason
    assert judge(read_claim("Q1"), deciding("Q1", total, per_head)).ruling == "not testable here"
    alone = deciding("Q1", trend("total", 0.1, 0.05, None))
    assert judge(read_claim("Q1"), alone).ruling == "not testable here"


def test_a_verdict_carries_the_warnings_of_what_decides_it() -> None:
    warned = replace(trend("total", 0.01, 0.01, 0.05), warnings=("errors are too small",))
    verdict = judge(read_claim("Q2"), deciding("Q2", warned, margin=0.05))
    assert verdict.reason.endswith(" To be read with it: errors are too small.")


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
    verse = replace(report_curve.curve().study, id=case.study.id)
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


def with_placebos(*p_values: float) -> StudyResults:
    """One clear headline, and placebo models with these p-values."""
    case = with_headline((-0.8, 0.3))
    made = []
    for n, p in enumerate(p_values):
        term = report_case.term("esf", 0.1, 0.3, p=p)
        model = report_case.model(f"placebo-{n}", (term,), ("unit",))
        made.append(replace(model, outcome="older_unemp_rate"))
    specs = [
        ModelSpec(model.id, "within", model.outcome, ("esf",), role="placebo") for model in made
    ]
    study = replace(case.study, models=(*case.study.models, *specs))
    return replace(case, study=study, models=(*case.models, *made))


@pytest.mark.parametrize(
    ("p_values", "ruling", "listed"),
    [
        ((0.30,), "supported", "none shows (one placebo)"),
        ((0.03,), "inconclusive", "one of one placebo shows one"),
        # one of two below 5 % is no surprise
        ((0.03, 0.60), "supported", "none shows (two placebos)"),
        ((0.02, 0.60), "inconclusive", "one of two placebos shows one"),
        ((0.02, 0.0001), "inconclusive", "two of two placebos show one"),
    ],
)
def test_a_placebo_that_shows_something_keeps_a_claim_from_being_supported(
    p_values: tuple[float, ...], ruling: str, listed: str
) -> None:
    subject = Subject.of(with_placebos(*p_values), "run", agreeing())
    (verdict,) = [v for v in subject.verdicts if v.claim.id == "Y1"]
    assert verdict.ruling == ruling
    assert ("placebo" in verdict.reason) == (ruling == "inconclusive")
    assert ("The placebo that fails" in plain(standing(subject))) == (ruling == "inconclusive")
    assert ("which a placebo shares" in plain(answer(subject))) == (ruling == "inconclusive")
    (said,) = (plain(text) for text in placebo_words(subject))
    assert listed in said


def test_a_placebo_among_the_headline_s_own_tests_counts_too() -> None:
    case = with_headline((-0.8, 0.3))
    note = "coefficient of esf on older_unemp_rate"
    test = Test("placebo_outcome", 3.1, 24.0, 0.004, note)
    case = replace(case, models=(replace(case.models[0], tests=(test,)),))
    subject = Subject.of(case, "run", agreeing())
    assert {v.ruling for v in subject.verdicts if v.claim.id == "Y1"} == {"inconclusive"}
    (said,) = (plain(text) for text in placebo_words(subject))
    assert f"one of one placebo shows one: {note} (p 0.004)" in said
    assert note in plain(standing(subject))
