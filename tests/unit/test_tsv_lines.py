"""A TSV's lines are counted apart from DuckDB: none is lost, or made of another, in silence."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from data.errors import BadInput
from data.sources import tsv_lines
from data.sources.staged import SourceFile
from data.sources.tsv_lines import check_lines, read_header

HEAD = "unit,geo\\time\t2012 \t2011 "
LINES = (HEAD, "THS,AT11\t1 \t2 b", "THS,BE10\t3 \t: ", "THS,CZ01\t4 \t5 ")


def checked(folder: Path, text: str) -> bool:
    path = folder / "table.tsv"
    path.write_bytes(text.encode())
    file = SourceFile(path, "table.tsv", folder)
    with duckdb.connect() as con:
        return check_lines(con, file, read_header(file))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sound_file_passes_whatever_ends_its_lines(tmp_path: Path, end: str) -> None:
    assert not checked(tmp_path, end.join([*LINES, ""]))


def test_a_carriage_return_inside_a_line_makes_no_second_line_of_it(tmp_path: Path) -> None:
    """DuckDB would read two lines that both keep to the grammar."""
    text = "\r\n".join([*LINES, ""]).replace("3 \t: \r\n", "3 \t: \r ")
    with pytest.raises(BadInput, match="line 3: does not end as the first line does"):
        checked(tmp_path, text)


@pytest.mark.parametrize(("skip", "read"), [(2, 2), (0, 4)])
def test_a_line_that_the_database_loses_or_adds_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skip: int, read: int
) -> None:
    sound = tsv_lines.text_table

    def off(file: SourceFile, names: tuple[str, ...], delimiter: str) -> str:
        return sound(file, names, delimiter).replace("skip=1", f"skip={skip}")

    # all lines of the grammar, so that only their number is wrong
    monkeypatch.setattr(tsv_lines, "text_table", off)
    monkeypatch.setattr(tsv_lines, "grammar", lambda _: ".*")
    with pytest.raises(BadInput, match=f"followed by 3 lines, of which {read} can be read"):
        checked(tmp_path, "\n".join([*LINES, ""]))
