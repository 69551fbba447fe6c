"""`regsi fit` as an economist runs it: her own table, a study file beside it, numbers in print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main

HEADER = '[study]\nid = "own"\ntitle = "Own"\nquestion = "?"\n\n'


def _fit(study: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    code = main(["fit", str(study), "--json", "--home", str(study.parent / "var"), *options])
    out = capsys.readouterr()
    assert code == 0, out.err
    document: dict[str, Any] = json.loads(out.out)
    return document


def _terms(document: dict[str, Any], model: int = 0) -> dict[str, dict[str, float]]:
    return {term["term"]: term for term in document["models"][model]["terms"]}


def _study(folder: Path, file: Path, index: str, rest: str) -> Path:
    path = folder / "own.toml"
    path.write_text(f'{HEADER}[panel]\nfile = "{file}"\n{index}\n{rest}', "utf-8")
    return path


MODEL = """
[[model]]
id = "{id}"
estimator = "{estimator}"
outcome = "{outcome}"
treatment = "{treatment}"
controls = {controls}
effects = {effects}
inference = {inference}
{more}
"""


def _cluster(by: str, correction: str) -> str:
    return f'{{ kind = "cluster", by = ["{by}"], correction = "{correction}" }}'


def _model(**given: str) -> str:
    fields = {"id": "m", "estimator": "within", "controls": "[]", "effects": "[]", "more": ""}
    return MODEL.format(**{**fields, "inference": '{ kind = "classical" }', **given})


@pytest.mark.realdata
def test_grunfeld_within_and_two_way(
    realdata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # R plm 2.6, printed to six digits
    common = {"outcome": "inv", "treatment": "value", "controls": '["capital"]'}
    study = _study(
        tmp_path,
        realdata / "canonical_panels" / "rdatasets_plm_Grunfeld.csv",
        'unit = "firm"\ntime = "year"',
        _model(id="one", effects='["unit"]', **common)
        + _model(id="two", effects='["unit", "time"]', **common),
    )
    document = _fit(study, capsys)
    one, two = _terms(document, 0), _terms(document, 1)
    assert one["value"]["estimate"] == pytest.approx(0.110124, abs=5e-6)
    assert one["capital"]["estimate"] == pytest.approx(0.310065, abs=5e-6)
    assert one["value"]["std_error"] == pytest.approx(0.011857, abs=5e-6)
    assert one["capital"]["std_error"] == pytest.approx(0.017355, abs=5e-6)
    assert document["models"][0]["fit"]["rss"] == pytest.approx(523478.1, abs=0.05)
    assert two["value"]["estimate"] == pytest.approx(0.117716, abs=5e-6)
    assert two["capital"]["std_error"] == pytest.approx(0.022719, abs=5e-6)


@pytest.mark.realdata
def test_munnell_within(
    realdata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Baltagi's textbook; R plm
    study = _study(
        tmp_path,
        realdata / "canonical_panels" / "rdatasets_plm_Produc.csv",
        'unit = "state"\ntime = "year"\n[variables]\nlgsp = "log(gsp)"\nlpcap = "log(pcap)"\n'
        'lpc = "log(pc)"\nlemp = "log(emp)"',
        _model(
            outcome="lgsp", treatment="lpcap", controls='["lpc", "lemp", "unemp"]',
            effects='["unit"]',
        ),
    )
    terms = _terms(_fit(study, capsys))
    wanted = {"lpcap": (-0.02615, 0.02900), "lpc": (0.29201, 0.02512), "lemp": (0.76816, 0.03009)}
    for name, (estimate, std_error) in {**wanted, "unemp": (-0.00530, 0.00099)}.items():
        assert terms[name]["estimate"] == pytest.approx(estimate, abs=5e-6)
        assert terms[name]["std_error"] == pytest.approx(std_error, abs=5e-6)


@pytest.mark.realdata
def test_mortality_rates_cr2_with_satterthwaite(
    realdata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # R clubSandwich's published example: CR1 2.01, CR2 2.13 with 8.52 degrees of freedom
    common = {
        "outcome": "mrate",
        "treatment": "legal",
        "controls": '["beertaxa"]',
        "effects": '["unit", "time"]',
        "more": 'weights = "pop"',
    }
    study = _study(
        tmp_path,
        realdata / "canonical_panels" / "clubsandwich_MortalityRates.csv",
        'unit = "state"\ntime = "year"\n[sample]\n'
        "where = \"cause == 'Motor Vehicle' and year <= 1983 and not isna(beertaxa)\"",
        _model(id="cr1", inference=_cluster("state", "CR1"), **common)
        + _model(id="cr2", inference=_cluster("state", "CR2"), **common),
    )
    document = _fit(study, capsys)
    cr1, cr2 = _terms(document, 0)["legal"], _terms(document, 1)["legal"]
    assert cr1["estimate"] == pytest.approx(7.78, abs=5e-3)
    # the published CR1 has the factor G/(G-1) alone; ours also (N-1)/(N-K), with K = 2 slopes,
    # 13 year effects, which are not nested in states, and the constant
    alone = cr1["std_error"] * ((700 - 16) / (700 - 1)) ** 0.5
    assert alone == pytest.approx(2.01, abs=5e-3)
    assert cr2["std_error"] == pytest.approx(2.13, abs=5e-3)
    assert cr2["df"] == pytest.approx(8.52, abs=5e-3)


@pytest.mark.realdata
def test_petersen_standard_errors(
    realdata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Petersen (2009) and R sandwich: one slope, three error bars
    common = {"estimator": "pooled", "outcome": "y", "treatment": "x"}
    study = _study(
        tmp_path,
        realdata / "canonical_panels" / "rdatasets_sandwich_PetersenCL.csv",
        'unit = "firm"\ntime = "year"',
        _model(id="classical", **common)
        + _model(id="firm", inference=_cluster("firm", "CR1"), **common),
    )
    document = _fit(study, capsys)
    assert _terms(document, 0)["x"]["estimate"] == pytest.approx(1.034833, abs=5e-6)
    assert _terms(document, 0)["x"]["std_error"] == pytest.approx(0.028583, abs=5e-6)
    assert _terms(document, 1)["x"]["std_error"] == pytest.approx(0.050596, abs=5e-6)
