"""What a brief says where its study is not a plain comparison: events, contrasts, many claims."""

from __future__ import annotations

import re
from dataclasses import replace

from data.panel import Column
from models.levels import COMMON
from models.study.results import StudyResults
from reports.briefs.content import brief_of
from reports.briefs.text import Brief, plain
from tests import report_case, report_curve


def words(brief: Brief) -> str:
    """All of a brief's text."""
    parts = [plain(brief.answer), plain(brief.standing)]
    for section in brief.sections:
        for block in section.blocks:
            parts += [plain(text) for text in block.texts]
            parts += [cell for row in block.rows for cell in row]
    return "\n".join(parts)


def unbroken(text: str) -> str:
    """The text with plain spaces."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def event_study() -> StudyResults:
    """An event study whose paths had parted before, and a second method that disagrees."""
    case = report_case.results()
    path = (report_case.term("event average", -1.2, 0.3), report_case.term("event -3", 0.4, 0.3))
    caution = ("no causal reading: units that adopt moved differently before they did",)
    first = replace(
        case.models[0], estimator="event-study", treatment=(), terms=path, warnings=caution
    )
    average = (report_case.term("event average", 2.0, 0.3),)
    second = replace(first, id="two-stage", estimator="did2s", terms=average, warnings=())
    return replace(case, models=(first, second))


def test_an_event_study_speaks_of_adoption_and_of_all_its_methods() -> None:
    said = words(brief_of(event_study(), "r"))
    answer = "from the year before adoption to the years after it"
    assert answer in said
    assert "in regions that adopted moved 1.20 percentage points lower than elsewhere" in said
    assert "inconclusive" in said
    assert "No causal reading: units that adopt moved differently" in said
    assert "models of this outcome, one has the headline’s sign" in said  # of two models
    for nonsense in (
        "when event", "by event", "event -3", "1 unit higher", "were changed", "got the money",
    ):  # fmt: skip
        assert nonsense not in said
    assert re.search(r"\b(effect|impact|caused)\b", said) is None


def test_investment_is_set_against_compensation_in_words() -> None:
    case = report_case.results()
    expressions = {"esf": "lag(log1p(esf_pc), 1)", "cash": "lag(log1p(cash_pc), 1)"}
    cash = replace(case.panel.columns[1], name="cash_pc", label="Cash benefits per head")
    first = case.models[0]
    gap = report_case.term("esf - cash", -1.05, 0.3)
    terms = (first.terms[0], report_case.term("cash", 0.22, 0.2), gap)
    told = replace(
        case,
        study=replace(case.study, variables=expressions),
        panel=replace(case.panel, columns=(*case.panel.columns, cash)),
        models=(replace(first, treatment=("esf", "cash"), terms=terms),),
    )
    said = words(brief_of(told, "r"))
    # -1.05 log(1.1) = -0.100
    assert "Set against the same step in cash benefits per head the difference is 0.100" in said
    assert "Whether investment does more" not in said
    assert "Held equal: cash benefits per head (log of 1 + x, 1 year earlier)." in said
    assert "Held equal: cash benefits per head (log of 1 + x, 1 year earlier); " not in said


def test_several_claims_stand_in_a_table_and_the_first_under_the_answer() -> None:
    case = report_case.results()
    claims = ("Y1", "F1", "R2")
    brief = brief_of(replace(case, study=replace(case.study, claims=claims)), "r")
    sure = next(s for s in brief.sections if s.heading == "How sure is this?")
    rows = next(block.rows for block in sure.blocks if block.kind == "plain_table")
    assert [row[0][:2] for row in rows[1:]] == ["Y1", "F1", "R2"]
    assert [row[1] for row in rows[1:]] == [
        "inconclusive (association)",
        "not testable here",
        "not testable here",
    ]
    assert all("What would change our mind" in row[2] for row in rows[1:])
    assert plain(brief.standing).count("Verdict on the claim") == 1


def test_a_trend_is_a_movement_from_year_to_year() -> None:
    case = report_case.results()
    first = replace(
        case.models[0], treatment=("trend",), terms=(report_case.term("trend", 0.15, 0.03),)
    )
    study = replace(case.study, variables={"trend": "year - 2007"}, claims=("Q1",))
    said = words(brief_of(replace(case, study=study, models=(first,)), "r"))
    assert "There is a trend: from one year to the next, the youth unemployment rate" in said
    assert "of a region moved, on average, 0.150 percentage points higher" in said
    assert "Why youth unemployment rate" in said
    assert "1 unit higher" not in said
    assert "were changed" not in said


def test_units_count_as_unrelated_only_where_nothing_else_is_a_cluster() -> None:
    case = report_case.results()
    unit, time = case.panel.unit, case.panel.time
    said = {}
    for clusters in ({unit: 252}, {unit: 252, time: 12}):
        models = (replace(case.models[0], n_clusters=clusters),)
        said[len(clusters)] = words(brief_of(replace(case, models=models), "r"))
    assert "told over time; it takes one region as unrelated to the next." in said[1]
    assert "each region one story told over time." in said[2]
    assert "regions of one year share its fortunes" in said[2]
    assert "unrelated to the next" not in said[2]


def test_the_years_are_those_of_the_sample_not_of_the_panel() -> None:
    case = report_case.results()
    kept = tuple(
        replace(row, by_period=tuple(s for s in row.by_period if 2002 <= s.group <= 2013))
        for row in case.missingness
    )
    told = replace(case, missingness=kept)
    said = words(brief_of(told, "r"))
    assert "252 regions in 12 years, 2002 to 2013." in said
    assert "(2002 to 2013 at most)" in said
    fewer = replace(told, models=(replace(case.models[0], n_periods=11),))
    assert "252 regions in 11 years between 2002 and 2013." in words(brief_of(fewer, "r"))
    bare = replace(case, missingness=())
    assert "(2000 to 2015 at most)" in words(brief_of(bare, "r"))


def test_one_year_is_not_said_as_from_and_to() -> None:
    case = report_case.results()
    kept = tuple(
        replace(row, by_period=tuple(s for s in row.by_period if s.group == 2005))
        for row in case.missingness
    )
    one = replace(case.models[0], n_periods=1)
    said = words(brief_of(replace(case, missingness=kept, models=(one,)), "r"))
    assert "252 regions in 1 year, 2005." in said
    assert "compared (2005), or about single" in said


def ruled() -> StudyResults:
    """The event study of a rule: all that carry a mark adopt in 2009."""
    case = event_study()
    mark = Column("above", "Rate above 25 percent in 2008", "1 if so, else 0", "regional", ("lfs",))
    spec = replace(case.study.models[0], id=case.models[0].id, options={"cohort": "first"})
    study = replace(case.study, variables={"first": "where(above, 2009, 0)"}, models=(spec,))
    panel = replace(case.panel, columns=(*case.panel.columns, mark))
    return replace(case, study=study, panel=panel)


def test_adopters_by_a_rule_are_named_with_their_years() -> None:
    case = ruled()
    said = words(brief_of(case, "r"))
    assert (
        "from 2008 to the average of 2009 to 2015, the youth unemployment rate, age 15–24, in "
        "regions counted as adopters (rate above 25 percent in 2008) moved 1.20 percentage points"
    ) in said
    assert "As adopters count, from 2009 on, the regions with this mark: rate above 25" in said
    model = case.models[0]
    steps = tuple(report_case.term(f"event {step}", -1.0, 0.3) for step in range(5))
    until = replace(case, models=(replace(model, terms=(*model.terms, *steps)),))
    assert "from 2008 to the average of 2009 to 2013, the" in words(brief_of(until, "r"))
    other = replace(case, study=replace(case.study, variables={"first": "above * 2009"}))
    assert "counted as adopters" not in words(brief_of(other, "r"))
    assert "As adopters count" not in words(brief_of(other, "r"))


def test_a_method_with_another_base_is_kept_apart_from_the_range() -> None:
    case = ruled()
    said = words(brief_of(case, "r"))
    assert (
        "The headline sets what followed against the last year before, “country-year” against the "
        "average of all years before adoption"
    ) in said.replace(case.models[1].id, "country-year")
    assert "other model puts it at" not in said
    of_all = tuple(replace(one, estimator="did2s") for one in case.models)
    alike = words(brief_of(replace(case, models=of_all), "r"))
    assert "from the average before 2009 to the average of 2009 to 2015" in alike
    assert "The study’s other model puts it at" in alike
    third = replace(case.models[0], id="third")
    both = words(brief_of(replace(case, models=(*case.models, third)), "r"))
    assert "The study’s other model with the same base puts it at 1.20 lower" in both
    assert "The headline sets what followed" not in alike


def test_a_doubt_about_the_interval_stands_with_the_interval() -> None:
    case = report_case.results()
    warned = (f"esf {COMMON}: its error rests on 12 periods",)
    for one in (case, report_case.undecided()):
        model = replace(one.models[0], warnings=warned)
        said = plain(brief_of(replace(one, models=(model,)), "r").answer)
        assert "95 % interval, too narrow if shocks that all regions share last" in unbroken(said)
    assert "too narrow" not in plain(brief_of(case, "r").answer)


def test_the_multiverse_says_what_it_varied_and_how_many_are_of_this_outcome() -> None:
    curve = report_curve.curve()
    case = report_case.results()
    said = unbroken(words(brief_of(case, "r", curve)))
    assert "were run, with other controls, samples, weights or things held fixed; 94 % have" in said
    other = curve.specs.assign(outcome=["other"] * 4 + [*curve.specs["outcome"][4:]])
    axes = {**curve.axes, "outcome": ("youth_unemp_rate", "other"), "treatment": ("esf", "b")}
    joint = replace(curve.joint, p_value=0.001, draws=999)
    told = replace(curve, specs=other, axes=axes, joint=joint)
    said = unbroken(words(brief_of(case, "r", told)))
    assert "weights, treatments or their timing, things held fixed or outcomes; " in said
    assert f"of the {len(other) - 4} of this outcome have the headline’s sign" in said
    assert "probability 0.001 (the smallest that can come of 999 resamplings)" in said


def test_words_of_verdicts_are_explained_and_no_others() -> None:
    case = report_case.results()
    bare = words(brief_of(report_case.undecided(), "r"))
    for word in ("Evidence grade", "Placebo", "Specification", "True null", "Slope", "NEET"):
        assert f"\n{word}\n" not in bare
    told = words(brief_of(case, "r", report_curve.curve()))
    for word in ("Evidence grade", "Placebo", "Specification", "True null"):
        assert f"\n{word}\n" in told
    neet = Column("neet_rate", "NEET rate, 15 to 29", "percent", "regional", ("lfs",))
    panel = replace(case.panel, columns=(*case.panel.columns, neet))
    models = (*case.models, replace(case.models[0], id="neet", outcome="neet_rate"))
    assert "\nNEET\n" in words(brief_of(replace(case, panel=panel, models=models), "r"))


def test_a_gap_between_two_groups_is_said_in_the_headline_s_step() -> None:
    case = report_case.results()
    unit = "difference of two shares of population"
    gap = Column("gap_emp_rate", "Gap", unit, "regional", ("lfs",))
    panel = replace(case.panel, columns=(*case.panel.columns, gap))
    small = (report_case.term("esf", 0.024, 0.0173),)
    model = replace(case.models[0], id="gap", outcome="gap_emp_rate", terms=small)
    spec = replace(case.study.models[0], id="gap", outcome="gap_emp_rate", decides=("Y2",))
    study = replace(case.study, claims=("Y2",), models=(*case.study.models, spec))
    told = replace(case, study=study, panel=panel, models=(*case.models, model))
    said = unbroken(words(brief_of(told, "r")))
    assert "is 0.024 (95 % interval −0.012 to 0.060" in said  # two digits of the error
    # 0.024 log(1.1) = 0.0023 of a share
    assert "10 % higher, gap is 0.23 percentage points higher (0.11 lower to 0.57 higher)" in said
