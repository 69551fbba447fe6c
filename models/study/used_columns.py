"""Which columns of a panel a study uses, directly or through its derived variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from data.expressions import columns_of
from models.study import ModelSpec, Study


def sources(variables: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The panel columns behind each derived variable, through all the variables before it."""
    behind: dict[str, frozenset[str]] = {}
    for name, expression in variables.items():
        parts = [behind.get(part, frozenset([part])) for part in columns_of(expression)]
        behind[name] = frozenset().union(*parts)
    return behind


def panel_columns(study: Study, known: Iterable[str]) -> tuple[str, ...]:
    """The panel's columns that the study uses, in the panel's order."""
    behind = sources(study.variables)
    named = [name for spec in study.models for name in _named(spec)]
    if study.where is not None:
        named.extend(columns_of(study.where))
    if study.multiverse is not None:
        cells = study.multiverse
        named.extend((*cells.outcomes, *cells.treatments))
        named.extend((*cells.controls_always, *cells.controls_any_of))
        named.extend(name for name in cells.weights if name is not None)
        for expression in cells.samples.values():
            named.extend(columns_of(expression))
    used = {column for name in named for column in behind.get(name, frozenset([name]))}
    return tuple(column for column in known if column in used)


def _named(spec: ModelSpec) -> list[str]:
    named = [spec.outcome, *spec.treatment, *spec.controls]
    if spec.weights is not None:
        named.append(spec.weights)
    for name in spec.effects:
        named.extend(part.strip() for part in name.split("*"))
    named.extend(spec.inference.by)
    named.extend(texts(spec.options))
    return named


def texts(value: object) -> list[str]:
    """All pieces of text inside an option's value, however deep: some of them name columns."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, (list, tuple)):
        return [text for one in value for text in texts(one)]
    return []
