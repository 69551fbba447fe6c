"""What stands under a regression table: conventions, overrides, warnings, definitions, source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from models.engine.results import Curve
from models.results import ModelResult
from models.study.results import PanelSummary, StudyResults
from reports.sources import source_line
from reports.tables.facts import weights_label
from reports.variables import Variables, in_sentence, panel_word

NoteKind = Literal["simulated", "override", "warning", "layout", "convention", "plain"]

SIMULATED = "SIMULATED DATA: made by a seeded generator, these numbers say nothing of the world."


@dataclass(frozen=True)
class Note:
    """One note. The first three kinds must be impossible to overlook.

    A layout note explains the side-by-side table; a stacked one says conventions with each model.
    """

    kind: NoteKind
    text: str


def table_notes(
    results: StudyResults,
    models: tuple[ModelResult, ...],
    variables: Variables,
    curve: Curve | None = None,
) -> tuple[Note, ...]:
    """The notes in the order in which a reader needs them."""

    def overrides(model: ModelResult) -> tuple[str, ...]:
        return (override_text(results.panel, model),) if model.inference.override else ()

    notes = [Note("simulated", SIMULATED)] if results.panel.simulated else []
    notes += [Note("override", text) for text in _grouped(models, overrides)]
    notes += [Note("warning", text) for text in _grouped(models, lambda model: model.warnings)]
    notes += _audited(results, models, curve) if curve else []
    notes.append(Note("layout", "Standard errors in parentheses, 95 % intervals in brackets."))
    notes += [Note("convention", text) for text in _grouped(models, _convention)]
    notes += [Note("plain", text) for text in _levels(models, variables)]
    names = dict.fromkeys(
        name for model in models for name in (model.outcome, *(t.term for t in model.terms))
    )
    notes += [Note("plain", f"{text}.") for text in variables.definitions(names)]
    notes += [Note("layout", text) for text in _weights(results, models)]
    if results.study.where:
        notes.append(Note("plain", f"Sample: {results.study.where}."))
    return (*notes, Note("plain", source_line(results.panel)))


def _audited(
    results: StudyResults, models: tuple[ModelResult, ...], curve: Curve
) -> list[Note]:
    """What the placebo audit says of the error bars of the model that the multiverse varies."""
    audit, varied = curve.placebo_audit, results.study.multiverse
    number = next((k for k, m in enumerate(models, 1) if varied and m.id == varied.model), None)
    if number is None:
        return []
    kind: NoteKind = "warning" if audit.warning else "plain"
    return [Note(kind, f"({number}) {sentence(audit.warning or audit.sentence)}")]


def override_text(panel: PanelSummary, model: ModelResult) -> str:
    """What a table and a brief say when the level rule was set aside."""
    by = " × ".join(panel_word(panel, column) for column in model.inference.by)
    instrumented = model.estimator == "iv-within" and "national" not in model.level.values()
    source = "the instruments are" if instrumented else "the treatment is"
    return (
        f"OVERRIDE: uncertainty was measured by {by or model.inference.kind}, below the level at "
        f"which {source} recorded; these intervals may be far too narrow. Reason given: "
        f"{model.inference.override}"
    )


def curve_override_text(curve: Curve) -> str:
    """What a curve says when the level rule was set aside for one of its treatments."""
    return (
        f"OVERRIDE: rows are clustered by {curve.joint.cluster}, below the level at which a "
        "treatment is recorded; their intervals and p-values may be far too narrow. Reason given: "
        f"{curve.override}"
    )


def _convention(model: ModelResult) -> tuple[str, ...]:
    return (model.inference.convention,) if model.inference.convention else ()


def _grouped(
    models: tuple[ModelResult, ...], texts: Callable[[ModelResult], tuple[str, ...]]
) -> list[str]:
    """Each text once, headed by the numbers of its columns unless it holds for all of them."""
    columns: dict[str, list[int]] = {}
    for index, model in enumerate(models, start=1):
        for text in dict.fromkeys(texts(model)):
            columns.setdefault(text, []).append(index)
    return [
        sentence(text)
        if len(where) == len(models)
        else f"({', '.join(map(str, where))}) {sentence(text)}"
        for text, where in columns.items()
    ]


def sentence(text: str) -> str:
    """`text` on one line, with a capital and a full stop."""
    text = " ".join(text.split())
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _weights(results: StudyResults, models: tuple[ModelResult, ...]) -> list[str]:
    """What stands behind the names of weights, where that is known."""
    named = {m.weights: weights_label(results, m) for m in models if m.weights}
    return [f"Weights {name}: {in_sentence(said)}." for name, said in named.items() if said != name]


def _levels(models: tuple[ModelResult, ...], variables: Variables) -> list[str]:
    """Treatments that were not recorded for the unit itself."""
    levels = {name: level for model in models for name, level in model.level.items()}
    said = {
        "national": "recorded for whole countries, not for the unit itself",
        "modelled": "spread over regions by a model, not recorded there",
    }
    by_level: dict[str, list[str]] = {}
    for name, level in levels.items():
        if level in said:
            by_level.setdefault(said[level], []).append(variables.measure(name).label)
    return [f"{'; '.join(dict.fromkeys(names))}: {words}." for words, names in by_level.items()]
