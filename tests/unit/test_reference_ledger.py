"""The ledger of references: claims are earned, copies found, reasons looked up by path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import reference_ledger, reference_record
from tests.reference_ledger import Entry, Ledger, claimants, copies, ledger, numbers
from tests.reference_record import Reference, claiming

EXACT = Entry({"coef.x": 0.123456789012345, "df": 12.0}, 0.0)
PRINTED = Entry({"estimate.x": 0.1235}, 5e-5)


def test_numbers_have_paths() -> None:
    tree = {"a": {"b": [1, 2.5]}, "c": True, "d": "text", "e": None, "f": 3}
    assert dict(numbers(tree)) == {"a.b.0": 1.0, "a.b.1": 2.5, "f": 3.0}


def test_copies_match_to_the_digits_there_are() -> None:
    assert EXACT.matches(-0.123456789012345) == {"coef.x"}
    assert EXACT.matches(0.1234567890) == frozenset()
    assert PRINTED.matches(0.12345678) == {"estimate.x"}
    assert PRINTED.matches(0.1236) == frozenset()


def test_only_claimed_entries_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {"A.one": EXACT, "A.two": PRINTED}
    monkeypatch.setattr(reference_record, "entries", lambda: stored)
    monkeypatch.delenv(reference_record.FOLDER, raising=False)
    with claiming(["A.one"]) as found:
        Reference("R").agrees("x", 0.123456789012345, 0.123456789012345, rel=1e-9)
    assert found == {"A.one": {"coef.x"}}
    with claiming(["A.two"]) as found:
        Reference("R").agrees("x", 7.0, 7.0, rel=1e-9)
    assert found == {"A.two": set()}


def test_what_a_test_recomputes_earns_its_claim_and_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The page has its number in a column of its own, and the ledger a count apart."""
    for module in (reference_record, reference_ledger):
        monkeypatch.setattr(module, "entries", lambda: {"A.one": EXACT})
    monkeypatch.setattr(reference_record, "ledger", lambda: Ledger({}, {}, {}, {}))
    monkeypatch.setattr(reference_record, "claimants", lambda _: ["test_some.py"])
    monkeypatch.setenv(reference_record.FOLDER, str(tmp_path))
    with claiming(["A.one"]) as found:
        Reference("R", recomputed=True).agrees("x", 0.1234567890, 0.123456789012345, rel=1e-7)
        assert found == {"A.one": {"coef.x"}}
        Reference("R").agrees("df", 12.0, 12.0, rel=1e-9)
    lines = [line.split(" | ") for line in reference_record.page(tmp_path).splitlines()]
    (place,) = (line for line in lines if "ours" in line and "theirs" in line)
    ours, recomputed = place.index("ours"), place.index("recomputed")
    rows = [line for line in lines if len(line) == len(place) and "A.one" in line]
    shown = {(row[ours], row[recomputed]) for row in rows}
    assert shown == {("", "0.12345679"), ("12", "")}
    assert "| A.one | 1 | 1 | 2 | some |  |" in reference_record.page(tmp_path)


def test_claims_and_literals_of_a_module(tmp_path: Path) -> None:
    (tmp_path / "values.toml").write_text('["B.of.table"]\nse = [0.5]\n', "utf-8")
    module = tmp_path / "test_some.py"
    module.write_text(
        'import pytest\nVALUES = "values.toml"\n'
        '@pytest.mark.case("A.of.test")\ndef test() -> None:\n    assert 2.25\n',
        "utf-8",
    )
    found = reference_ledger.copies_in(module)
    assert found.claims == {"A.of.test", "B.of.table"}
    assert {0.5, 2.25} <= found.literals


def test_reasons_by_path() -> None:
    book = Ledger({}, {}, {r"\.p$": "derived"}, {"A.one": {"^year": "not listed"}})
    assert book.reason("A.one", "coef.p") == "derived"
    assert book.reason("A.one", "year.1980") == "not listed"
    assert book.reason("A.two", "year.1980") is None


def test_this_collections_ledger_can_be_read() -> None:
    assert len(copies()) > 20
    assert claimants("C.Wages.hausman_taylor") == ["test_hausman_taylor.py"]
    assert all(ledger().not_targeted.values())
