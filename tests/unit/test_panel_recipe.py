"""Panel recipes: the bundled ones hold together, and a wrong key is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.classification import definition, definition_ids
from data.errors import BadInput
from data.expressions import columns_of
from data.panels.recipe import panel_names, panel_recipe, read_panel_recipe

SMALL = """
[panel]
id = "small"
title = "Small"

[index]
unit = "geo"
time = "year"
first = 2000
last = 2001

[[source]]
dataset = "eurostat/x"
where = {{ unit = "THS", sex = "T" }}
level = "regional"
unit = "thousand persons"

[source.columns]
a = {{ where = {{ age = ["Y15-24", "Y25-64"] }}, label = "A", over = ["age"]{more} }}
b = {{ label = "B", flag = true }}

[derived]
c = {{ expression = "a / b", label = "C", unit = "ratio", level = "regional" }}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", panel_names())
def test_bundled_recipes_name_only_columns_they_have(name: str) -> None:
    recipe = panel_recipe(name)
    known = {pick.name for pick in recipe.picks} | {recipe.unit, recipe.time, recipe.parent}
    for column in recipe.derived:
        assert set(columns_of(column.expression)) <= known, column.name
        known.add(column.name)
    assert all(pick.label and pick.unit for pick in recipe.picks)
    assert all(column.label and column.unit for column in recipe.derived)


@pytest.mark.parametrize("name", panel_names())
def test_what_is_computed_from_modelled_figures_is_modelled(name: str) -> None:
    recipe = panel_recipe(name)
    levels = {pick.name: pick.level for pick in recipe.picks}
    for column in recipe.derived:
        inputs = {levels[named] for named in columns_of(column.expression) if named in levels}
        assert column.level == "modelled" or "modelled" not in inputs, column.name
        assert column.level == "national" or inputs != {"national"}, column.name
        levels[column.name] = column.level


def test_columns_take_over_what_their_source_says(tmp_path: Path) -> None:
    a, b = read_panel_recipe(written(tmp_path, SMALL.format(more=""))).picks
    assert a.where == {"unit": ("THS",), "sex": ("T",), "age": ("Y15-24", "Y25-64")}
    assert (b.kind, b.level, b.flag) == ("count", "regional", True)


def test_an_extending_recipe_adds_to_the_one_below(tmp_path: Path) -> None:
    below = read_panel_recipe(written(tmp_path, SMALL.format(more="")))
    above = tmp_path / "above.toml"
    above.write_text(
        '[panel]\nid = "above"\ntitle = "Above"\nextends = "small"\n[index]\nlast = 2009\n'
    )
    recipe = read_panel_recipe(above)
    assert (recipe.first, recipe.last, recipe.title) == (2000, 2009, "Above")
    assert recipe.picks == below.picks
    assert recipe.sha256 != below.sha256


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "Small"', 'titel = "Small"', "unknown key 'titel'; did you mean title"),
        ("first = 2000", "", "key 'first' is missing"),
        ("first = 2000", "first = 2002", "first is after last"),
        ('level = "regional"\nunit', 'level = "local"\nunit', "level is 'local'; say regional"),
        ("b = {", "a_flag = {", "'a_flag' is defined twice"),
        ("b = {", '"b c" = {', "column name 'b c'"),
        ('id = "small"', 'id = "smal"', "id is 'smal'; name it 'small'"),
        ("[index]", "[idx]", "unknown key 'idx'"),
        ("[index]", "[index", "is not valid TOML"),
        ("[[source]]", "[source]", r"source is no list of tables; head each of them \[\[source"),
        ('where = { unit = "THS", sex = "T" }', 'where = "THS"', "where is THS; make it a table"),
        ("b = {", "d = 'x'\nb = {", r"d is x; make it a table"),
        ("[derived]", "[derived]\nd = 'a'", r"\[derived\]: d is a; make it a table"),
        ("[derived]", "[regions]\npattern = '['\n[derived]", "pattern .* no regular expression"),
        ("[derived]", "[regions]\nversion = 2013\n[derived]", "version is 2013; say a text"),
        ("[derived]", "[derived]\nd = { definition = 'broad' }", "key 'scheme' is missing"),
        ("first = 2000", "first = '2000'", "first is '2000'; say a whole number"),
        ("[source.columns]", "each = { labels = 'x' }\n[source.columns]", "'dimension' is miss"),
    ],
)
def test_faults_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = SMALL.format(more=", flag = true")
    assert old in text
    with pytest.raises(BadInput, match=message):
        read_panel_recipe(written(tmp_path, text.replace(old, new, 1)))


def test_an_unknown_panel_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="did you mean us-states"):
        panel_recipe("us-state")


def test_the_broad_definition_is_that_of_the_mission() -> None:
    broad = definition("broad")
    assert set(broad.codes("us_children", "invest")) == {
        *("PK12ed", "highered", "HeadStartPriv", "edservs", "lib"),
    }
    assert set(broad.codes("us_children", "compensate")) == {
        *("TANFbasic", "othercashserv", "SNAP", "fedEITC", "stateEITC"),
        *("CTC", "fedSSI", "unemp", "wcomp", "socsec"),
    }
    assert broad.codes("socx", "invest") == ("5.2.1", "6", "5.2.2", "5.2.3", "3.2.2")
    assert broad.codes("lmp", "compensate") == ("8", "9")


def test_definitions_differ_where_they_say() -> None:
    codes = {id: set(definition(id).codes("socx", "invest")) for id in definition_ids()}
    assert codes["narrow"] == {"5.2.1", "6"}
    assert codes["broad-plus-contested"] - codes["broad"] == {"1.2.1", "3.2.1", "5.1.2"}
    assert definition("broad").codes("socx", "contested") == ("1.2.1", "3.2.1", "5.1.2")


def test_a_code_that_holds_more_than_its_domain_is_never_added_up() -> None:
    for id in definition_ids():
        for role in ("invest", "contested", "compensate"):
            assert not {"GF1004", "GF0401"} & set(definition(id).codes("cofog", role))


def test_no_code_is_added_up_twice() -> None:
    for id in definition_ids():
        for scheme in ("esspros", "socx", "cofog", "lmp", "us_children"):
            whole = [
                code
                for role in ("invest", "contested", "compensate", "health")
                for code in definition(id).codes(scheme, role)
            ]
            assert len(whole) == len(set(whole)), (id, scheme)
