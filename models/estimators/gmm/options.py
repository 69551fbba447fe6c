"""What a study file may ask of difference and system GMM, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import BadInput
from models.calendar_grid import CalendarGrid
from models.design import Design, Floats
from models.estimators.gmm.equations import Transform
from models.estimators.gmm.instruments import GmmBlock
from models.study import ModelSpec

OPTIONS = frozenset(
    {"instruments", "lags", "steps", "transform", "collapse", "windmeijer", "h_matrix"}
)
FURTHEST = 10_000  # a lag window without an upper end


@dataclass(frozen=True)
class GmmChoices:
    """A [[model]] of `difference-gmm` or `system-gmm`, as the estimation reads it.

    lags of the outcome; steps 1 or 2; windmeijer corrects the two-step errors; h_matrix is the
    one-step weighting of a system, see `equations.errors_of`; robust is False for
    `inference = { kind = "classical" }`.
    """

    system: bool
    lags: tuple[int, ...]
    steps: int
    transform: Transform
    collapse: bool
    windmeijer: bool
    h_matrix: str
    time_effects: bool
    robust: bool


def read_choices(spec: ModelSpec, design: Design) -> GmmChoices:
    """The choices in `spec`. Raises BadInput for what these estimators cannot do."""
    options = spec.options
    refuse_effects(spec)
    refuse_inference(spec)
    steps = one_of(options, "steps", 2, (1, 2))
    return GmmChoices(
        system=spec.estimator == "system-gmm",
        lags=outcome_lags(options.get("lags", 1), int(design.times[-1] - design.times[0]) + 1),
        steps=steps,
        transform=one_of(options, "transform", "fd", ("fd", "fod")),
        collapse=bool(options.get("collapse", False)),
        windmeijer=bool(options.get("windmeijer", True)),
        h_matrix=one_of(options, "h_matrix", "full", ("full", "block")),
        time_effects="time" in spec.effects,
        robust=spec.inference.kind != "classical",
    )


def one_of(options: Mapping[str, Any], key: str, default: Any, allowed: tuple[Any, ...]) -> Any:
    """The value of an option. Raises BadInput if it is not among those allowed."""
    value = options.get(key, default)
    if value not in allowed:
        choices = " or ".join(repr(one) for one in allowed)
        raise BadInput(key, f"{key} is {value!r}", f"write {choices}")
    return value


def refuse_effects(spec: ModelSpec) -> None:
    """Raises BadInput for weights, and for effects other than unit and time."""
    if spec.weights is not None:
        raise BadInput("weights", f"{spec.estimator} takes none", "remove weights")
    other = [name for name in spec.effects if name not in ("unit", "time")]
    if other:
        what = f"{spec.estimator} removes unit and time effects, not {', '.join(other)}"
        raise BadInput("effects", what, 'use effects = ["unit", "time"]')


def refuse_inference(spec: ModelSpec) -> None:
    """Raises BadInput for kinds of inference that GMM does not have."""
    how = spec.inference
    if how.kind not in ("cluster", "classical"):
        what = f"GMM errors are clustered or classical, not {how.kind}"
        raise BadInput("inference", what, 'use kind = "cluster"')
    if len(how.by) > 1:
        raise BadInput("inference", "GMM clusters one way", "name one column in by")
    if how.correction is not None:
        what = f"GMM errors have no {how.correction} correction"
        raise BadInput("inference", what, "remove correction; see windmeijer")
    if how.kind == "classical" and spec.options.get("steps", 2) == 2:
        what = "two-step GMM has no classical errors: its weights are robust"
        raise BadInput("inference", what, 'use steps = 1 or kind = "cluster"')


def outcome_lags(value: Any, n_periods: int) -> tuple[int, ...]:
    """`lags = 2` means lags 1 and 2; `lags = [1, 3]` names them. Raises BadInput."""
    named = value if isinstance(value, (list, tuple)) else (value,)
    if not named or any(not isinstance(lag, int) or lag < 1 for lag in named):
        raise BadInput("lags", f"lags = {value!r}", "write a number of lags, 1 or more")
    if max(named) >= n_periods:
        what = f"too few periods: {n_periods} for lag {max(named):,} of the outcome"
        raise BadInput("lags", what, "use fewer lags, or a longer panel")
    return tuple(range(1, value + 1)) if isinstance(value, int) else tuple(sorted(set(named)))


def read_instruments(
    spec: ModelSpec, design: Design, grid: CalendarGrid
) -> tuple[tuple[GmmBlock, ...], tuple[str, ...], Floats]:
    """GMM-style blocks, and names and values (N, S, m) of plain instruments.

    Without `instruments`, the outcome from its second lag on and every regressor as its own.
    Raises BadInput.
    """
    entries = spec.options.get("instruments", ()) or (
        {"gmm": spec.outcome, "lags": [2]},
        *({"iv": name} for name in design.terms),
    )
    if not isinstance(entries, (list, tuple)):
        raise BadInput("instruments", f"instruments is {entries!r}", INSTRUMENT_LIST)
    blocks: list[GmmBlock] = []
    plain: list[str] = []
    for entry in entries:
        if not isinstance(entry, Mapping) or len({"gmm", "iv"} & set(entry)) != 1:
            raise BadInput("instruments", f"cannot read {entry!r}", INSTRUMENT_FORM)
        if "iv" in entry:
            plain.append(str(entry["iv"]))
        else:
            blocks.append(read_block(entry, spec, design, grid))
    values = [grid.spread(series(name, spec, design)) for name in plain]
    empty = np.empty((grid.n_units, grid.n_periods, 0))
    return tuple(blocks), tuple(plain), np.dstack([empty, *values])


INSTRUMENT_FORM = 'write { gmm = "y", lags = [2, 4] } or { iv = "x" }'
INSTRUMENT_LIST = 'write a list such as [{ gmm = "y", lags = [2, 4] }, { iv = "x" }]'


def read_block(
    entry: Mapping[str, Any], spec: ModelSpec, design: Design, grid: CalendarGrid
) -> GmmBlock:
    """One { gmm = NAME, lags = [first, last] }; without `last`, all that the panel holds."""
    name, window = str(entry["gmm"]), entry.get("lags", [2])
    whole = isinstance(window, (list, tuple)) and all(isinstance(lag, int) for lag in window)
    if not whole or not 1 <= len(window) <= 2:
        raise BadInput("instruments", f"lags = {window!r} for {name}", INSTRUMENT_FORM)
    first, last = window[0], window[1] if len(window) == 2 else FURTHEST
    least = 2 if name == spec.outcome else 1
    if first < least:
        what = f"lag {first} of {name} is correlated with the transformed error"
        raise BadInput("instruments", what, f"start at lag {least} or later, or use {{ iv = ... }}")
    if last < first:
        raise BadInput("instruments", f"lags = {window!r} for {name}", "write the smaller first")
    return GmmBlock(name, grid.spread(series(name, spec, design)), first, last)


def series(name: str, spec: ModelSpec, design: Design) -> Floats:
    """The (n,) column called `name`: the outcome, a regressor or a further column."""
    if name == spec.outcome:
        return design.y
    if name in design.terms:
        return design.X[:, design.terms.index(name)]
    if name in design.columns:
        return np.asarray(design.columns[name], dtype=np.float64)
    known = ", ".join((spec.outcome, *design.terms))
    raise BadInput("instruments", f"no column {name!r} in the model", f"name one of {known}")
