"""Reading study files: TOML in, checked records out, each refusal with its file and line."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

from data.errors import BadInput
from data.expressions import parse
from data.suggestions import near
from models.study import ModelSpec, PanelReference, Study
from models.study.model import read_model
from models.study.multiverse import read_multiverse
from models.study.tables import Table
from models.study.text import StudyText

STUDIES = Path(__file__).parents[1] / "studies"
CLAIMS = Path(__file__).parents[1] / "claims"
TABLES = ("study", "panel", "variables", "sample", "model", "multiverse")
FILE_KEYS = ("file", "unit", "time", "parent", "sheet")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def study_ids() -> tuple[str, ...]:
    """The ids of the studies that come with the project."""
    return tuple(sorted(path.stem for path in STUDIES.glob("*.toml")))


def read_study(ref: str | Path) -> Study:
    """The study with this id, or in the file at this path.

    Raises BadInput, naming file and line, for anything the contract does not know: a table, a
    key, an estimator, a kind of inference, a value of the wrong type.
    """
    path = _find(ref)
    try:
        content = path.read_bytes()
        source = StudyText(path, content.decode("utf-8-sig"))
    except OSError as fault:
        raise BadInput(str(path), f"cannot read it ({fault.strerror})", "check the file") from None
    except UnicodeDecodeError:
        raise BadInput(str(path), "is not UTF-8 text", "save it as UTF-8") from None
    return _study(_document(source), source, hashlib.sha256(content).hexdigest())


def _document(source: StudyText) -> dict[str, Any]:
    """The file as TOML. Raises BadInput for text that is none, or more than one may write there."""
    where = str(source.path)
    long = BadInput(where, "holds a whole number beyond 64 bits", "write a smaller one")
    try:
        document = tomllib.loads(source.text)
        if _beyond_64_bits(document):
            raise long
    except tomllib.TOMLDecodeError as fault:
        line = re.search(r"\(at line (\d+)", str(fault))
        place = f"{where}:{line.group(1)}" if line else where
        raise BadInput(place, f"is not TOML: {fault}", "correct that line") from None
    except RecursionError:
        todo = "write lists and tables side by side"
        raise BadInput(where, "holds lists or tables nested too deep", todo) from None
    except ValueError:  # more digits than Python reads
        raise long from None
    return document


def _beyond_64_bits(value: object) -> bool:
    """Whether a whole number in it, however deep, is larger than TOML promises to hold."""
    if isinstance(value, dict | list):
        return any(map(_beyond_64_bits, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _find(ref: str | Path) -> Path:
    path = Path(ref)
    if path.suffix == ".toml" or path.is_file():
        if path.is_file():
            return path
        raise BadInput(str(ref), "no such study file", "check the path")
    named = STUDIES / f"{ref}.toml"
    if str(ref) not in study_ids():
        raise BadInput(
            str(ref), "no study has this id, and no file this name", near(str(ref), study_ids())
        )
    return named


def _study(document: dict[str, Any], source: StudyText, sha256: str) -> Study:
    _known_tables(document, source)
    head = _single(document, "study", source)
    head.allow(("id", "title", "question", "claims"))
    identifier = head.required("id")
    if not _IDENTIFIER.fullmatch(identifier):
        raise head.error("id", f"id is {identifier!r}", "use letters, digits, - _ and . only")
    variables = _single(document, "variables", source)
    sample = _single(document, "sample", source)
    sample.allow(("where",))
    for table in (variables, sample):
        for key in table.values:
            parse(table.required(key), f"{source.place(table.name, key)} {key}")
    models = _models(document, source)
    _existing_claims(head)
    _known_claims(models, head)
    multiverse = None
    if "multiverse" in document:
        multiverse = read_multiverse(_single(document, "multiverse", source), models)
    return Study(
        id=identifier,
        title=head.text("title") or identifier,
        question=head.text("question") or "",
        claims=head.texts("claims"),
        panel=_panel(_single(document, "panel", source)),
        variables={name: variables.required(name) for name in variables.values},
        where=sample.text("where"),
        models=models,
        multiverse=multiverse,
        sha256=sha256,
        path=source.path,
    )


def _known_tables(document: dict[str, Any], source: StudyText) -> None:
    for name, content in document.items():
        if name not in TABLES:
            place = source.place(name)
            raise BadInput(place, f"unknown table [{name}]", near(name, TABLES))
        wanted = list if name == "model" else dict
        if not isinstance(content, wanted):
            brackets = f"[[{name}]]" if name == "model" else f"[{name}]"
            raise BadInput(source.place(name), f"{name} is no table", f"write it as {brackets}")


def _single(document: dict[str, Any], name: str, source: StudyText) -> Table:
    return Table(document.get(name, {}), name, source)


def _panel(table: Table) -> PanelReference:
    table.allow(("name", *FILE_KEYS))
    name, file = table.text("name"), table.text("file")
    if (name is None) == (file is None):
        raise table.error(
            None, "a study needs one panel", 'give [panel] either name = "..." or file = "..."'
        )
    if name is not None:
        for key in FILE_KEYS[1:]:
            if key in table.values:
                raise table.error(key, f"{key} beside a named panel", "drop it: the panel knows")
        return PanelReference(name=name)
    return PanelReference(
        file=table.source.path.parent / str(file),
        unit=table.required("unit"),
        time=table.required("time"),
        parent=table.text("parent"),
        sheet=table.text("sheet"),
    )


def _existing_claims(head: Table) -> None:
    """A study lists claims that have a file."""
    known = sorted(path.stem for path in CLAIMS.glob("*.toml"))
    for claim in head.texts("claims"):
        if claim not in known:
            todo = f"name one of {', '.join(known)}, or add {CLAIMS.name}/{claim}.toml"
            raise head.error("claims", f"there is no claim {claim!r}", todo)


def _known_claims(models: tuple[ModelSpec, ...], head: Table) -> None:
    """A model decides claims that its study lists."""
    listed = head.texts("claims")
    for index, model in enumerate(models):
        for claim in model.decides:
            if claim not in listed:
                place = head.source.place("model", "decides", index)
                what = f"decides {claim!r}, which the study does not list"
                raise BadInput(place, what, f"add {claim!r} to claims in [study]")


def _models(document: dict[str, Any], source: StudyText) -> tuple[ModelSpec, ...]:
    entries = document.get("model", [])
    if not entries:
        raise BadInput(str(source.path), "has no [[model]]", "add at least one")
    models = tuple(
        read_model(Table(entry, "model", source, index)) for index, entry in enumerate(entries)
    )
    identifiers = [model.id for model in models]
    for index, identifier in enumerate(identifiers):
        if identifier in identifiers[:index]:
            place = source.place("model", "id", index)
            raise BadInput(place, f"a second model {identifier!r}", "give each model its own id")
    return models
