"""What a study file may ask of difference and system GMM, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from data.errors import BadInput
from models.calendar_grid import CalendarGrid
from models.design import Design, Floats
from models.estimators.gmm_equations import Transform
from models.estimators.gmm_instruments import GmmBlock
from models.study import ModelSpec

OPTIONS = frozenset(
    {"instruments", "lags", "steps", "transform", "collapse", "windmeijer", "h_matrix"}
)
FURTHEST = 10_000  # a lag window without an upper end


@dataclass(frozen=True)
class GmmChoices:
    """A [[model]] of `difference-gmm` or `system-gmm`, as the estimation reads it.

    lags of the outcome; steps 1 or 2; windmeijer corrects the two-step errors; h_matrix is the
    one-step weighting of a system, see `gmm_equations.errors_of`; robust is False for
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


def read_choices(spec: ModelSpec) -> GmmChoices:
    """The choices in `spec`. Raises BadInput for what these estimators cannot do."""
    options, where = spec.options, f"model '{spec.id}'"
    refuse_foreign(spec, where)
    steps = int(options.get("steps", 2))
    transform = options.get("transform", "fd")
    h_matrix = options.get("h_matrix", "full")
    if steps not in (1, 2):
        raise BadInput(where, f"steps = {steps}", "write 1 or 2")
    if transform not in ("fd", "fod"):
        raise BadInput(where, f"transform = {transform!r}", 'write "fd" or "fod"')
    if h_matrix not in ("full", "block"):
        raise BadInput(where, f"h_matrix = {h_matrix!r}", 'write "full" or "block"')
    return GmmChoices(
        system=spec.estimator == "system-gmm",
        lags=outcome_lags(options.get("lags", 1), where),
        steps=steps,
        transform=cast("Literal['fd', 'fod']", transform),
        collapse=bool(options.get("collapse", False)),
        windmeijer=bool(options.get("windmeijer", True)),
        h_matrix=h_matrix,
        time_effects="time" in spec.effects,
        robust=spec.inference.kind != "classical",
    )


def refuse_foreign(spec: ModelSpec, where: str) -> None:
    """Raises BadInput for weights, effects and inference kinds that have no meaning here."""
    if spec.weights is not None:
        raise BadInput(where, "GMM takes no weights", "remove weights")
    other = [name for name in spec.effects if name not in ("unit", "time")]
    if other:
        what = f"GMM removes unit and time effects, not {', '.join(other)}"
        raise BadInput(where, what, 'use effects = ["unit", "time"]')
    if spec.inference.kind not in ("cluster", "classical"):
        what = f"GMM errors are clustered or classical, not {spec.inference.kind}"
        raise BadInput(where, what, 'use inference = { kind = "cluster", by = ["unit"] }')
    if len(spec.inference.by) > 1:
        raise BadInput(where, "GMM clusters one way", "name one column in inference.by")
    if spec.inference.kind == "classical" and spec.options.get("steps", 2) == 2:
        what = "two-step GMM has no classical errors: its weights are robust"
        raise BadInput(where, what, 'use steps = 1 or kind = "cluster"')


def outcome_lags(value: Any, where: str) -> tuple[int, ...]:
    """`lags = 2` means lags 1 and 2; `lags = [1, 3]` names them. Raises BadInput."""
    lags = tuple(range(1, value + 1)) if isinstance(value, int) else tuple(value)
    if not lags or any(not isinstance(lag, int) or lag < 1 for lag in lags):
        raise BadInput(where, f"lags = {value!r}", "write a number of lags, 1 or more")
    return tuple(sorted(set(lags)))


def read_instruments(
    spec: ModelSpec, design: Design, grid: CalendarGrid
) -> tuple[tuple[GmmBlock, ...], tuple[str, ...], Floats]:
    """GMM-style blocks, and names and values (N, S, m) of plain instruments.

    Without `instruments`, the outcome from its second lag on and every regressor as its own.
    Raises BadInput.
    """
    where = f"model '{spec.id}', instruments"
    entries: tuple[Mapping[str, Any], ...] = spec.options.get("instruments") or (
        {"gmm": spec.outcome, "lags": [2]},
        *({"iv": name} for name in design.terms),
    )
    blocks: list[GmmBlock] = []
    plain: list[str] = []
    for entry in entries:
        if not isinstance(entry, Mapping) or len({"gmm", "iv"} & set(entry)) != 1:
            raise BadInput(where, f"cannot read {entry!r}", INSTRUMENT_FORM)
        if "iv" in entry:
            plain.append(str(entry["iv"]))
        else:
            blocks.append(read_block(entry, spec, design, grid, where))
    values = [grid.spread(series(name, spec, design, where)) for name in plain]
    empty = np.empty((grid.n_units, grid.n_periods, 0))
    return tuple(blocks), tuple(plain), np.dstack([empty, *values])


INSTRUMENT_FORM = 'write { gmm = "y", lags = [2, 4] } or { iv = "x" }'


def read_block(
    entry: Mapping[str, Any], spec: ModelSpec, design: Design, grid: CalendarGrid, where: str
) -> GmmBlock:
    """One { gmm = NAME, lags = [first, last] }; without `last`, all that the panel holds."""
    name, window = str(entry["gmm"]), list(entry.get("lags", [2]))
    if not 1 <= len(window) <= 2 or any(not isinstance(lag, int) for lag in window):
        raise BadInput(where, f"lags = {window!r} for {name}", INSTRUMENT_FORM)
    first, last = window[0], window[1] if len(window) == 2 else FURTHEST
    least = 2 if name == spec.outcome else 1
    if first < least:
        what = f"lag {first} of {name} is correlated with the transformed error"
        raise BadInput(where, what, f"start at lag {least} or later, or use {{ iv = ... }}")
    if last < first:
        raise BadInput(where, f"lags = {window!r} for {name}", "write the smaller lag first")
    return GmmBlock(name, grid.spread(series(name, spec, design, where)), first, last)


def series(name: str, spec: ModelSpec, design: Design, where: str) -> Floats:
    """The (n,) column called `name`: the outcome, a regressor or a further column."""
    if name == spec.outcome:
        return design.y
    if name in design.terms:
        return design.X[:, design.terms.index(name)]
    if name in design.columns:
        return np.asarray(design.columns[name], dtype=np.float64)
    known = ", ".join((spec.outcome, *design.terms))
    raise BadInput(where, f"no column {name!r} in the model", f"name one of {known}")
