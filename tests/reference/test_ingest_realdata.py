"""The publishers' own files: every one through a recipe, with the figures their keepers state.

Numbers of rows, of known figures and of flags, and single figures, are those written down beside
the collection by those who compiled it, not by this program.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from data.inbox import files_below, matching, own_date
from data.ingest import ingest
from data.recipes import dataset_ids, dataset_recipe
from data.warehouse import Warehouse

pytestmark = pytest.mark.realdata

# those with stated figures; all of them are loaded in the slow test
STATED = (
    *("eurostat/lfst_r_lfu3pers", "eurostat/lfst_r_lfe2emp", "eurostat/lfst_r_lfe2en2"),
    *("eurostat/lfst_r_lfu3rt", "eurostat/nama_10r_2hhinc", "eurostat/tgs00010"),
    *("eurostat/demo_r_d2jan", "eurostat/edat_lfse_22", "eurostat/ilc_peps11"),
    *("eurostat/indicators_2020", "oecd/socx_agg", "manning/teen_employment"),
    *("bls/laus_state_year", "urban/state_spending_on_kids", "jrc/nuts_converter"),
    *("dgregio/erdf_payments", "dgregio/historic_eu_payments", "gisco/nuts2_2021"),
)


@pytest.fixture(scope="module")
def home(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of the datasets with stated figures."""
    folder = tmp_path_factory.mktemp("home")
    ingest(STATED, folder, realdata, None, lambda _: None)
    return folder


@pytest.fixture
def warehouse(home: Path) -> Iterator[Warehouse]:
    with Warehouse(home) as opened:
        yield opened


# what in the collection is no table of a publisher's, and why; a folder ends with a slash
EXEMPT = {
    "PROVENANCE.md": "the collection's own notes",
    "canonical_panels/": "panels of textbooks, for tests of estimators",
    "joined/": "panels that someone else built from these files: what ours are held against",
    "api_specimens/": "examples of formats and errors, for tests of readers and of the client",
    "us_states/csp_extract_dictionary.csv": "descriptions of variables",
    "us_states/tidykids_data_dictionary.csv": "descriptions of variables",
    "us_states/tidykids.csv.gz": "another party's copy of the workbook, which is read",
    "us_states/bls_laus_state_year.csv": "another party's copy of the workbook, which is read",
    "eurostat_toc_2020/eu_all_tables_toc.csv.gz": "another party's conversion of the table of"
    " contents, which has names and days, not figures; the client reads the publisher's own",
    "eurostat_toc_2020/eu_eurostat_variables.tsv": "names that a user gave to tables",
    "nuts/all_valid_nuts_codes.csv": "compiled by a package; the publisher's workbooks are read",
    "nuts/nuts_changes_1999_2021.csv": "compiled by a package; the publisher's workbooks are read",
    "nuts/eu-nuts2_2010.topo.json": "a user's drawing of boundaries for a picture",
    "cohesion_payments_2025_erdf/eligibility_categories_2014_2020.csv": "a user's extract: the"
    " same regions and categories as in running_variable_eligibility.csv, which is read",
}


def _publishers_files(realdata: Path) -> list[Path]:
    """All files of the collection but the exempt ones; each exemption must still have its file."""
    files = {path: path.relative_to(realdata).as_posix() for path in files_below(realdata)}
    exempt = {
        path: rule
        for path, name in files.items()
        for rule in EXEMPT
        if name.startswith(rule) or path.name == rule
    }
    assert set(exempt.values()) == set(EXEMPT)
    return [path for path in files if path not in exempt]


def test_every_file_of_a_publisher_has_a_recipe_and_a_day(realdata: Path) -> None:
    files = _publishers_files(realdata)
    assert len(files) > 80
    recipes = [dataset_recipe(id) for id in dataset_ids()]
    for path in files:
        mine = [(r, layout) for r in recipes if (layout := matching(r, path))]
        assert mine, f"{path} has no recipe"
        # else a panel made from it would be another one tomorrow
        assert own_date(mine[0][0], path, mine[0][1]), f"{path} is dated by the day of loading"


@pytest.mark.slow
def test_every_file_of_a_publisher_is_loaded(realdata: Path, tmp_path: Path) -> None:
    files = files_below(realdata)
    ids = [id for id in dataset_ids() if any(matching(dataset_recipe(id), f) for f in files)]
    taken = {done.file for done in ingest(ids, tmp_path, realdata, None, lambda _: None)}
    for path in _publishers_files(realdata):
        assert path.name in taken, path


@pytest.mark.parametrize(
    ("dataset", "rows", "known"),
    [
        ("eurostat/lfst_r_lfu3pers", 100_164, 83_821),
        ("eurostat/lfst_r_lfe2emp", 275_451, 239_820),
        ("eurostat/lfst_r_lfe2en2", 224_520, 161_235),
        ("eurostat/nama_10r_2hhinc", 82_965, 53_963),
        ("eurostat/tgs00010", 3_744, 3_744 - 36),
        ("eurostat/demo_r_d2jan", 13_701, 13_701),
        ("oecd/socx_agg", 32_602, None),
        ("manning/teen_employment", 2 * 8_362, None),
        ("bls/laus_state_year", 7 * 2_193, 7 * 2_193),
        ("urban/state_spending_on_kids", 3 * 23_460, 3 * (23_460 - 2 * 51)),
        ("jrc/nuts_converter", 6 * 15_103, None),
        ("dgregio/erdf_payments", 3 * 15_920, None),
        ("dgregio/historic_eu_payments", 4 * (28_372 - 612), None),
    ],
)
def test_as_many_figures_as_the_collection_says(
    warehouse: Warehouse, dataset: str, rows: int, known: int | None
) -> None:
    found = warehouse.observations(dataset).aggregate("count(*), count(value)").fetchall()[0]
    assert found[0] == rows
    assert known is None or found[1] == known


NEET = "\"table\" = 'tipslm90'"


def figure(
    warehouse: Warehouse, dataset: str, where: str, as_of: date | None = None
) -> tuple[float, str]:
    rows = warehouse.observations(dataset, as_of).filter(where).fetchall()
    assert len(rows) == 1, rows
    return rows[0][-2:]


@pytest.mark.parametrize(("geo", "rate"), [("ES", 55.48), ("EL", 58.29)])
def test_youth_unemployment_of_2013_from_counts(
    warehouse: Warehouse, geo: str, rate: float
) -> None:
    where = f"geo = '{geo}' AND age = 'Y15-24' AND sex = 'T' AND time = '2013'"
    out_of_work, _ = figure(warehouse, "eurostat/lfst_r_lfu3pers", where)
    at_work, _ = figure(warehouse, "eurostat/lfst_r_lfe2emp", where)
    assert round(100 * out_of_work / (out_of_work + at_work), 2) == rate


@pytest.mark.parametrize(("geo", "rate"), [("ES", 55.7), ("EL", 58.3), ("DE", 7.9), ("EU28", 23.4)])
def test_rates_as_first_published_in_2014(warehouse: Warehouse, geo: str, rate: float) -> None:
    where = f"geo = '{geo}' AND age = 'Y15-24' AND sex = 'T' AND time = '2013'"
    assert figure(warehouse, "eurostat/lfst_r_lfu3rt", where, date(2014, 12, 31))[0] == rate


def test_flags_of_the_edition_of_2014(warehouse: Warehouse) -> None:
    old = warehouse.observations("eurostat/lfst_r_lfu3rt", date(2014, 12, 31))
    assert old.aggregate("count(*), count(value)").fetchall() == [(84_060, 72_680)]
    flags = dict(old.filter("flags <> ''").aggregate("flags, count(*)").fetchall())
    assert flags["u"] == 11_622
    assert flags["b"] == 225


def test_the_later_extract_of_rates_leaves_the_earlier_ages_as_they_were(
    warehouse: Warehouse,
) -> None:
    now = warehouse.observations("eurostat/lfst_r_lfu3rt")
    ages = dict(now.aggregate("age, max(time)").fetchall())
    assert ages["Y15-24"] == "2013"
    assert ages["Y15-74"] == "2019"


@pytest.mark.parametrize(
    ("dataset", "where", "value"),
    [
        ("eurostat/edat_lfse_22", "geo = 'ITG1' AND age = 'Y15-29' AND time = '2014'", 40.3),
        ("eurostat/edat_lfse_22", "geo = 'ITF3' AND age = 'Y15-29' AND time = '2014'", 36.3),
        (
            "eurostat/indicators_2020",
            f"{NEET} AND unit = 'PC' AND geo = 'ES' AND time = '2013'",
            18.6,
        ),
    ],
)
def test_single_figures(warehouse: Warehouse, dataset: str, where: str, value: float) -> None:
    assert figure(warehouse, dataset, where)[0] == value


def test_the_middle_of_vienna_is_where_vienna_is(warehouse: Warehouse) -> None:
    for measure, degrees in (("longitude", 16.37), ("latitude", 48.21)):
        where = f"geo = 'AT13' AND measure = '{measure}'"
        assert abs(figure(warehouse, "gisco/nuts2_2021", where)[0] - degrees) < 0.05


@pytest.mark.parametrize(
    ("branch", "share"),
    [("Total", 0.253), ("Family", 0.0318), ("Active labour market programmes", 0.0096)],
)
def test_public_social_expenditure_of_sweden_in_2007(
    warehouse: Warehouse, branch: str, share: float
) -> None:
    where = f"geo = 'SE' AND time = '2007' AND source = 'Public' AND branch = '{branch}'"
    value, _ = figure(warehouse, "oecd/socx_agg", where)
    assert round(value, 3 if branch == "Total" else 4) == share


def test_payments_by_fund_with_their_mixed_codes(warehouse: Warehouse) -> None:
    paid = warehouse.observations("dgregio/historic_eu_payments").filter("measure = 'payment'")
    sums = dict(
        paid.filter("fund = 'ESF'").aggregate("programming_period, sum(value) / 1e9").fetchall()
    )
    assert round(sums["2000-2006"], 1) == 66.0
    assert round(sums["2007-2013"], 1) == 71.0
    codes = {row[0] for row in paid.aggregate("geo").fetchall()}
    assert len(codes) == 272
    # NUTS 2010 in France and London, NUTS 2013 in Greece and Slovenia
    assert {"FR91", "FR94", "UKI1", "UKI2", "FR21", "EL51", "EL65", "SI03", "SI04"} <= codes


def test_old_and_new_codes_stand_side_by_side_in_the_population(warehouse: Warehouse) -> None:
    people = warehouse.observations("eurostat/demo_r_d2jan").filter("length(geo) = 4")
    regions = dict(people.filter("value IS NOT NULL").aggregate("time, count(*)").fetchall())
    assert (regions["1990"], regions["2017"]) == (229, 375)


def test_confidence_limits_are_units_of_their_own(warehouse: Warehouse) -> None:
    rates = warehouse.observations("eurostat/ilc_peps11").filter("geo = 'AT' AND time = '2014'")
    assert {row[0] for row in rates.aggregate("unit").fetchall()} == {
        *("PC_POP", "PC_LW95", "PC_UP95")
    }


def test_gzip_under_the_name_of_plain_text(realdata: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    packed = realdata / "cohesion_payments_2018" / "tgs00006.tsv.gz"
    (source / "tgs00006.tsv").write_bytes(packed.read_bytes())
    done = ingest(["eurostat/tgs00006"], tmp_path / "home", source, None, lambda _: None)
    assert (done[0].rows, done[0].published) == (3_408, date(2018, 10, 24))


def test_loading_again_is_nothing_new(home: Path, realdata: Path) -> None:
    ids = ["eurostat/lfst_r_lfu3rt", "manning/teen_employment", "gisco/nuts2_2021"]
    again = ingest(ids, home, realdata, None, lambda _: None)
    assert len(again) == 5
    assert not any(outcome.new or outcome.changed for outcome in again)
