"""The lower half of a regression table: what was held fixed, weighed, counted and tested."""

from __future__ import annotations

from models.results import ModelResult
from models.study.results import StudyResults
from reports.numbers import fixed, p_value, result_id
from reports.tables.named_tests import name_in_words
from reports.tables.parts import Cell, Row
from reports.variables import RESPONSE, Variables, index_word, panel_word, plural

FIT_LABELS = {"r2_within": "Within R²", "r2": "R²"}
GAIN_LABEL = "squared error off by own slopes"
Models = tuple[ModelResult, ...]


def fact_rows(results: StudyResults, models: Models) -> tuple[Row, ...]:
    """Fixed effects, weights and inference in words; then counts, fit and tests in numbers."""
    words = (*_effect_rows(results, models), *_setting_rows(results, models))
    return (*words, *_count_rows(results, models), *_fit_rows(results, models))


def effect_label(results: StudyResults, effect: str) -> str:
    """What one fixed effect holds fixed: 'Region FE', 'Country × year FE'."""
    words = [panel_word(results.panel, part.strip()) for part in effect.split("*")]
    text = " × ".join(words)
    return f"{text[:1].upper()}{text[1:]} FE"


def _effect_rows(results: StudyResults, models: Models) -> list[Row]:
    effects = dict.fromkeys(effect for model in models for effect in model.effects)
    return [
        _words(
            effect_label(results, effect),
            ["yes" if effect in model.effects else "no" for model in models],
        )
        for effect in effects
    ]


def _setting_rows(results: StudyResults, models: Models) -> list[Row]:
    overridden = [bool(model.inference.override) for model in models]
    rule = _words("Level rule", ["overridden" if over else "kept" for over in overridden])
    roles = [role_words(results, model) for model in models]
    return [
        *([rule] if any(overridden) else []),
        *([_words("Counts for claims", [role or "yes" for role in roles])] if any(roles) else []),
        _words("Estimator", [model.estimator for model in models]),
        _words("Weights", [model.weights or "none" for model in models]),
        _words("Standard errors", [inference_name(results, m) for m in models]),
    ]


def role_words(results: StudyResults, model: ModelResult) -> str:
    """What a model that counts for no claim is shown as; empty for the others."""
    role = next((spec.role for spec in results.study.models if spec.id == model.id), "estimate")
    return {"estimate": "", "known-bad": "known-bad twin"}.get(role, role)


def rows_behind(model: ModelResult, term: str) -> tuple[int, str]:
    """The rows that a coefficient rests on, and the figure of that count: a response's are those of
    its own horizon.
    """
    response = RESPONSE.fullmatch(term)
    name = f"n_obs h={response[2]}" if response else ""
    count = model.fit.get(name)
    return (model.n_obs, "n_obs") if count is None else (int(count), f"fit/{name}")


def _words(label: str, words: list[str]) -> Row:
    return Row("word", label, tuple(Cell(word) for word in words))


def weights_label(results: StudyResults, model: ModelResult) -> str:
    """The weights in words, or by name; empty where each observation counts the same."""
    if not model.weights:
        return ""
    measure = Variables.of(results).measure(model.weights)
    return measure.label if measure.column or measure.words else model.weights


def inference_name(results: StudyResults, model: ModelResult) -> str:
    """The kind of inference in a few words."""
    used = model.inference
    name = used.correction if used.kind == "cluster" and used.correction else used.kind
    by = " × ".join(panel_word(results.panel, column) for column in used.by)
    return f"{name}{f' by {by}' if by else ''}"


def _count_rows(results: StudyResults, models: Models) -> list[Row]:
    panel, clusters = results.panel, [model.n_clusters for model in models]
    by = dict.fromkeys(name for counts in clusters for name in counts)
    counts: list[tuple[str, str, list[int | None]]] = [
        ("Observations", "n_obs", [model.n_obs for model in models]),
        (_title(panel.unit), "n_units", [model.n_units for model in models]),
        (f"Adopting {_title(panel.unit).lower()}", "fit/n_adopters", _adopters(models)),
        (_title(panel.time), "n_periods", [model.n_periods for model in models]),
        *(
            (f"Clusters ({panel_word(panel, k)})", f"n_clusters/{k}", [c.get(k) for c in clusters])
            for k in by
        ),
        ("Instruments", "n_instruments", [model.n_instruments for model in models]),
    ]
    rows = [
        _numbers(results, models, label, name, [None if n is None else f"{n:,}" for n in figures])
        for label, name, figures in counts
    ]
    return [row for row in rows if any(row.cells)]


def _adopters(models: Models) -> list[int | None]:
    """How many units adopt in each event study."""
    counts = [model.fit.get("n_adopters") for model in models]
    return [None if count is None else int(count) for count in counts]


def _fit_rows(results: StudyResults, models: Models) -> list[Row]:
    rows = [
        _numbers(results, models, label, f"fit/{name}", [_fit(model, name) for model in models])
        for name, label in FIT_LABELS.items()
    ]
    tests = dict.fromkeys(found.test for model in models for found in model.tests)
    rows += [
        _numbers(
            results, models, test_label(name), f"test/{name}", [_test(m, name) for m in models]
        )
        for name in tests
    ]
    return [row for row in rows if any(row.cells)]


def _numbers(
    results: StudyResults, models: Models, label: str, name: str, texts: list[str | None]
) -> Row:
    cells = (
        None if text is None else Cell(text, result_id(results.study.id, model.id, name))
        for model, text in zip(models, texts, strict=True)
    )
    return Row("number", label, tuple(cells))


def _fit(model: ModelResult, name: str) -> str | None:
    value = model.fit.get(name)
    return None if value is None else fixed(value, 3)


def _test(model: ModelResult, name: str) -> str | None:
    found = next((test for test in model.tests if test.test == name), None)
    return None if found is None or found.p_value is None else p_value(found.p_value)


def _title(column: str) -> str:
    return plural(index_word(column)).capitalize()


def fit_words(results: StudyResults, model: ModelResult) -> list[str]:
    """Instruments, fit and tests of one model, for a line of text."""
    words = [] if model.n_instruments is None else [f"{model.n_instruments:,} instruments"]
    fits = ((label, _fit(model, name)) for name, label in FIT_LABELS.items())
    words += [f"{label} {text}" for label, text in fits if text]
    words += share_words(results, model)
    shown = (test.test for test in model.tests if test.test != "prediction_gain")  # its interval is
    tests = ((name_in_words(name), _test(model, name)) for name in shown)
    tested = [f"{name} {text}" for name, text in tests if text]
    return words + ([f"p-values: {', '.join(tested)}"] if tested else [])


def share_words(results: StudyResults, model: ModelResult) -> list[str]:
    """Shares with their intervals, which decide claims about places."""
    unit, parent = (plural(panel_word(results.panel, role)) for role in ("unit", "parent"))
    labels = {
        "share parent": f"variance between {parent}",
        "share unit": f"{unit} of one",
        "share inside parent": "of both",
        "prediction_gain": GAIN_LABEL,
    }
    words = []
    for name, label in labels.items():
        middle, low, high = (model.fit.get(key) for key in (name, f"{name} low", f"{name} high"))
        if middle is not None and low is not None and high is not None:
            words.append(f"{label} {fixed(middle, 3)} [{fixed(low, 3)}, {fixed(high, 3)}]")
    return words


def test_label(name: str) -> str:
    """The heading of a row of p-values."""
    words = name_in_words(name)
    return f"{words[:1].upper()}{words[1:]}, p"
