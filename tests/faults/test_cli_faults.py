"""What a user meets when a file, key or folder is wrong: one message, and the data as before."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data import recipes
from data.simulated import write_simulated
from data.warehouse import Warehouse
from pipelines.cli import main
from pipelines.session import Session
from pipelines.steps import refreshable

DATASET = "testland/sim_r_lfu3pers"
FILE = "sim_r_lfu3pers.tsv.gz"
BLOCK = 262_144  # bytes, after three headers of 4,096
HEAD = f"""publisher = "Testland"
licence = "free"
level = "regional"
[[file]]
names = ["{FILE}"]
reader = "eurostat_tsv"
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated world's unemployment table, as its publisher would send it."""
    folder = tmp_path_factory.mktemp("published")
    write_simulated(folder, only="sim_r_lfu3pers")
    return folder / FILE


@pytest.fixture(autouse=True)
def home(
    tmp_path: Path,
    published: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Path]:
    """A home with the sound file loaded; afterwards it must answer as before."""
    recipe = (recipes.CATALOGUE / "simulated" / "sim_r_lfu3pers.toml").read_text("utf-8")
    shown, contract = recipe.split("[contract]", 1)
    folder = tmp_path / "catalogue" / "testland"
    folder.mkdir(parents=True)
    (folder / "sim_r_lfu3pers.toml").write_text(f"{shown}{HEAD}[contract]{contract}", "utf-8")
    monkeypatch.setattr(recipes, "CATALOGUE", folder.parent)
    recipes.dataset_recipe.cache_clear()
    (tmp_path / "source").mkdir()
    shutil.copy2(published, tmp_path / "source" / FILE)
    assert _ingest(tmp_path) == 0
    capsys.readouterr()
    before = _state(tmp_path / "home")
    yield tmp_path / "home"
    assert _state(tmp_path / "home") == before
    recipes.dataset_recipe.cache_clear()


def _state(home: Path) -> tuple[object, ...]:
    with Warehouse(home) as warehouse:
        observed = warehouse.observations(DATASET)
        sums = observed.aggregate("count(*), count(value), sum(value), sum(length(flags))")
        editions = [(v.published, v.sha256, v.rows, v.raw) for v in warehouse.vintages()]
        return (*sums.fetchall(), *editions)


def _ingest(folder: Path, dataset: str = DATASET) -> int:
    place = ["--home", str(folder / "home"), "--from", str(folder / "source")]
    return main(["ingest", dataset, *place, "--quiet"])


def _refused(code: int, expected: int, capsys: pytest.CaptureFixture[str], message: str) -> None:
    out, err = capsys.readouterr()
    assert code == expected, err
    assert out == ""
    assert re.fullmatch(r"error: [^\n]+: [^\n]+; [^\n]+\n", err), err
    assert re.search(message, err), err


def _edited(edit: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    """Unpacks a file, edits its lines and packs it again."""

    def damage(content: bytes) -> bytes:
        lines = gzip.decompress(content).decode().split("\n")
        return gzip.compress("\n".join(edit(lines)).encode(), 6, mtime=1_800_000_000)

    return damage


def _line(number: int, old: str, new: str) -> Callable[[bytes], bytes]:
    def edit(lines: list[str]) -> list[str]:
        changed = re.sub(old, new, lines[number - 1], count=1)
        assert changed != lines[number - 1]
        return [*lines[: number - 1], changed, *lines[number:]]

    return _edited(edit)


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], int, str]] = {
    "truncated gz": (lambda content: content[:-2000], 2, f"{FILE}: .*cut short"),
    "damaged gz": (lambda c: c[:9000] + b"\0" * 64 + c[9064:], 2, f"{FILE}: .*damaged"),
    "empty file": (lambda _: b"", 2, f"{FILE}: is an empty file"),
    "wrong column": (_line(1, "age", "agee"), 2, f"{FILE}, line 1: column age is missing"),
    "wrong delimiter": (
        _edited(lambda lines: [line.replace("\t", ";") for line in lines]),
        2,
        f"{FILE}, line 1: ",
    ),
    "latin-1": (
        lambda content: gzip.compress(gzip.decompress(content).replace(b"F,QM\t", b"F,Q\xe9\t")),
        2,
        f"{FILE}, line 2: is not UTF-8",
    ),
    "duplicated key": (
        _edited(lambda lines: [*lines[:-1], lines[3], ""]),
        2,
        rf"{FILE}, line 2558: key \(THS,Y15-24,F,\w+\) is there twice",
    ),
    "text where a number belongs": (
        _line(2, r"\t41\.2 ", "\tforty "),
        2,
        f"{FILE}, line 2, column 2019: 'forty'",
    ),
    "a digit too many": (_line(2, r"\t41\.2 ", "\t412.0 "), 3, f"rule additive, file {FILE}"),
    "below zero": (_line(2, r"\t41\.2 ", "\t-41.2 "), 3, f"{DATASET}, rule .*THS"),
    "unknown flag": (_line(2, r"\t41\.2 ", "\t41.2 q"), 3, "rule flags, .*unknown flag"),
    "cut between lines": (
        _edited(lambda lines: [*lines[:500], ""]),
        3,
        f"{DATASET}, rule \\w+, file {FILE}",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_file_is_refused_with_its_place(
    case: str, tmp_path: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, code, message = DAMAGES[case]
    (tmp_path / "source" / FILE).write_bytes(damage(published.read_bytes()))
    _refused(_ingest(tmp_path), code, capsys, message)


def test_after_a_refusal_the_sound_file_loads(
    tmp_path: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source" / FILE).write_bytes(published.read_bytes()[:-9])
    assert _ingest(tmp_path) == 2
    shutil.copy2(published, tmp_path / "source" / FILE)
    capsys.readouterr()
    assert _ingest(tmp_path) == 0
    assert "nothing new" in capsys.readouterr().out


def test_a_missing_file_a_folder_in_its_place_and_a_missing_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source" / FILE).unlink()
    _refused(_ingest(tmp_path), 2, capsys, f"source: holds no file of dataset {DATASET}; .*{FILE}")
    (tmp_path / "source" / FILE).mkdir()
    _refused(_ingest(tmp_path), 2, capsys, f"holds no file of dataset {DATASET}")
    shutil.rmtree(tmp_path / "source")
    _refused(_ingest(tmp_path), 2, capsys, "source: is not a folder")


@pytest.mark.parametrize("dataset", ["testland/sim_r_lfu3per", "nobody/x", "", "/", "a/../x"])
def test_an_unknown_dataset_is_named(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _refused(_ingest(tmp_path, dataset), 2, capsys, f"source {re.escape(dataset)}: no such")


@pytest.mark.parametrize("key", ["titel", "clustered"])
def test_an_unknown_study_key_is_named_with_its_line(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "own.toml"
    study.write_text(f'[study]\nid = "own"\ntitle = "t"\n{key} = "x"\n\n[panel]\nname = "n"\n')
    _refused(main(["fit", str(study)]), 2, capsys, f"own.toml.*4.*{key}")


def test_a_file_in_the_place_of_home_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "file"
    place.write_text("x")
    for command in (["list", "vintages"], ["ingest", DATASET], ["doctor"], ["panel", "us-states"]):
        code = main([*command, "--home", str(place)])
        _refused(code, 2, capsys, "file: is not a folder; give --home")


@pytest.mark.parametrize(
    ("name", "message"),
    [("what?", r"what\?: .*DuckDB"), ("back\\slash", "DuckDB"), ("x/" * 1980, "is too long")],
)
def test_a_home_whose_path_is_of_no_use_is_named(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["list", "vintages"], ["publish", "us-public-capital"]):
        code = main([*command, "--home", str(tmp_path / name)])
        _refused(code, 2, capsys, f"{message}.*; give --home")


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "blocked"
    (blocked / ".writer").mkdir(parents=True)  # stands for a home that may not be written
    source = ["--from", str(tmp_path / "source"), "--quiet"]
    code = main(["ingest", DATASET, "--home", str(blocked), *source])
    _refused(code, 2, capsys, r"blocked/\.writer: the system says: Is a directory; name another")


def test_a_damaged_block_met_by_a_load_is_told_with_the_way_out(
    tmp_path: Path, home: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "warehouse.duckdb"
    sound = file.read_bytes()
    # the first 12 KiB hold the headers: the file opens, and its tables are junk
    file.write_bytes(sound[:12_288] + bytes(len(sound) - 12_288))
    revised = _line(2, r"\t41\.2 ", "\t41.2 u")(published.read_bytes())
    (tmp_path / "source" / FILE).write_bytes(revised)
    _refused(_ingest(tmp_path), 2, capsys, r"duckdb: cannot be read \(.*move it away, then: regsi")
    file.write_bytes(sound)


def test_the_doctor_finds_a_damaged_block_of_any_table(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.commands.doctor._sources", list)
    file = home / "warehouse.duckdb"
    sound = file.read_bytes()
    for block in blocks_of_values(home):
        start = 12_288 + block * BLOCK + 5_000
        file.write_bytes(sound[:start] + bytes(range(250)) + sound[start + 250 :])
        assert main(["doctor", "--home", str(home), "--json"]) == 0
        found = {x["check"]: x for x in json.loads(capsys.readouterr().out)}["warehouse"]
        assert "cannot be read" in found["finding"], block
        assert "move it away" in found["todo"]
    file.write_bytes(sound)


def blocks_of_values(home: Path) -> list[int]:
    """The blocks of the file in which the tables' values are."""
    with Warehouse(home) as warehouse:
        names = "SELECT format('{}.{}', schema_name, table_name) FROM duckdb_tables()"
        found = set()
        for (name,) in warehouse.connection.sql(names).fetchall():
            kept = warehouse.connection.sql(f"SELECT block_id FROM pragma_storage_info('{name}')")
            found |= {block for (block,) in kept.fetchall() if block >= 0}
        return sorted(found)


@pytest.mark.parametrize("content", [b"", b"junk\n", None], ids=["empty", "junk", "cut"])
def test_a_damaged_warehouse_is_told_from_one_in_use_and_made_anew(
    content: bytes | None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "warehouse.duckdb"
    file.write_bytes(file.read_bytes()[:300_000] if content is None else content)
    command = ["list", "vintages", "--home", str(home)]
    _refused(main(command), 2, capsys, r"regsi ingest testland --from .*home/raw$")
    file.unlink()
    again = ["ingest", "testland", "--home", str(home), "--from", str(home / "raw"), "--quiet"]
    assert main(again) == 0
    capsys.readouterr()


def test_a_damaged_raw_file_is_mended_by_the_same_bytes(
    tmp_path: Path, home: Path, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = next((home / "raw").rglob(FILE))
    kept.write_bytes(b"junk")
    assert _ingest(tmp_path) == 0
    assert kept.read_bytes() == published.read_bytes()
    capsys.readouterr()


@pytest.mark.parametrize("content", ["{}", '{"id"', "[]"])
def test_a_damaged_manifest_is_named(
    content: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = home / "runs" / "own-0123456789ab"
    run.mkdir(parents=True)
    (run / "run.json").write_text(content)
    for command in (["list", "runs"], ["verify", run.name]):
        code = main([*command, "--home", str(home)])
        _refused(code, 2, capsys, r"run\.json: is damaged; remove .*own-0123456789ab")


def test_what_has_no_address_is_refreshed_from_a_folder_or_stays(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refreshable([DATASET], Session(home)) == ()
    assert f"{DATASET}: kept as loaded" in capsys.readouterr().err
    assert refreshable([DATASET], Session(home, from_dir=tmp_path)) == (DATASET,)
    elsewhere = tmp_path / "elsewhere"
    assert refreshable([DATASET], Session(elsewhere)) == (DATASET,)
    code = main(["ingest", DATASET, "--home", str(elsewhere)])
    _refused(code, 4, capsys, f"dataset {DATASET}: .*no address; .*--from")
