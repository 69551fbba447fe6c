"""The studies that come with the project: each names what exists and asks what can be defended."""

from __future__ import annotations

import math

import pytest

from data.expressions import columns_of
from data.panels.recipe import panel_recipe
from models.study import Study
from models.study.file import read_study, study_ids

ALL = study_ids()


@pytest.fixture(params=ALL)
def study(request: pytest.FixtureRequest) -> Study:
    return read_study(request.param)


def known_columns(study: Study) -> set[str]:
    """What the panel's recipe gives, in its own and in the study's words."""
    recipe = panel_recipe(str(study.panel.name))
    names = {recipe.unit, recipe.time, *recipe.territory.attributes, "unit", "time"}
    names |= {pick.name for pick in recipe.picks} | {own.name for own in recipe.derived}
    return names | ({recipe.parent, "parent"} if recipe.parent else set())


def specifications(study: Study) -> int:
    """Cells of the multiverse before any is excluded."""
    axes = study.multiverse
    assert axes is not None
    choices = (axes.outcomes, axes.treatments, axes.effects, axes.samples, axes.weights)
    return 2 ** len(axes.controls_any_of) * math.prod(map(len, choices))


def test_they_are_there() -> None:
    european = {"eu-youth-esf", "eu-yei-rule", "eu-spending-trends", "eu-youth-simulated"}
    assert set(ALL) == european | {"us-children", "us-public-capital"}


def test_variables_use_columns_of_the_panel(study: Study) -> None:
    known = known_columns(study)
    for name, expression in study.variables.items():
        assert set(columns_of(expression)) <= known, name
        assert name not in known, f"{name} hides a column of the panel"
        known.add(name)
    conditions = [study.where] if study.where else []
    conditions += [*study.multiverse.samples.values()] if study.multiverse else []
    for condition in conditions:
        assert set(columns_of(condition)) <= known


def test_models_use_variables_that_exist(study: Study) -> None:
    known = known_columns(study) | set(study.variables)
    for model in study.models:
        effects = [part for effect in model.effects for part in effect.split("*")]
        named = (model.outcome, *model.treatment, *model.controls, *model.inference.by, *effects)
        assert set(named) <= known, model.id
        assert model.weights is None or model.weights in known


def test_every_variable_is_used(study: Study) -> None:
    used: set[str] = set()
    for model in study.models:
        used |= {model.outcome, *model.treatment, *model.controls, model.weights or ""}
        used |= {entry.get("iv", "") for entry in model.options.get("instruments", ())}
        used.add(model.options.get("cohort", ""))
    if study.multiverse:
        axes = study.multiverse
        used |= {*axes.outcomes, *axes.treatments, *axes.controls_always, *axes.controls_any_of}
        used |= {name or "" for name in axes.weights}
    for expression in study.variables.values():
        used |= set(columns_of(expression))
    assert set(study.variables) <= used


def test_regions_are_clustered_by_country() -> None:
    studies = [read_study(id) for id in ALL]
    nested = [study for study in studies if panel_recipe(str(study.panel.name)).parent is not None]
    assert {study.id for study in nested} == {"eu-youth-esf", "eu-yei-rule", "eu-youth-simulated"}
    assert {model.inference.by for study in nested for model in study.models} == {("parent",)}


@pytest.mark.parametrize("id", ["eu-youth-esf", "us-children"])
def test_the_multiverse_is_wide(id: str) -> None:
    assert specifications(read_study(id)) >= 2000
