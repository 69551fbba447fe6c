"""From a panel to one model's sample: derived columns, complete cases, arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import BadInput
from data.expressions import condition, evaluate
from data.expressions.calendar_lags import whole_numbers
from data.expressions.columns import column_values
from data.panel import Panel
from data.suggestions import near
from models.design import Codes, Design, Floats
from models.estimators import KEEPING_GAPS
from models.least_squares import collinear_columns
from models.study import ModelSpec, Study
from models.study.text import StudyText
from models.study.used_columns import texts

COORDINATES = ("lat", "lon")  # degrees, for distances between units
# Sums of squares of numbers beyond these overflow, or vanish, in double precision.
LARGEST, SMALLEST = 1e100, 1e-100
ALIKE = 1e-12  # numbers that differ by less than this share of their size are one number


def derived_frame(study: Study, panel: Panel) -> pd.DataFrame:
    """The panel's rows with the study's variables, computed before any sample is drawn.

    Raises BadInput, placed at the variable's line in the study file, also for one that would take
    the place of the panel's unit, time or parent.
    """
    source = StudyText.of(study.path)
    frame = panel.frame.reset_index(drop=True)
    for name, expression in study.variables.items():
        place = f"{source.place('variables', name)} {name}"
        if name in (panel.unit, panel.time, panel.parent):
            what = "tells the panel's rows apart: lags, clusters and the level rule go by it"
            raise BadInput(place, what, "give the variable a name of its own")
        values = evaluate(expression, frame, panel.unit, panel.time, place)
        frame = frame.assign(**{name: values})
    return frame


def sample_rows(study: Study, panel: Panel, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that the study's `where` keeps. Raises BadInput if it keeps none."""
    if study.where is None:
        return frame
    place = f"{StudyText.of(study.path).place('sample', 'where')} where"
    kept = frame[condition(study.where, frame, panel.unit, panel.time, place)]
    if kept.empty:
        raise BadInput(place, "keeps no row of the panel", "widen the condition")
    return kept.reset_index(drop=True)


def build_design(frame: pd.DataFrame, panel: Panel, spec: ModelSpec, where: str) -> Design:
    """The complete cases of one model as arrays, sorted by unit and time.

    `frame` holds the panel's rows with derived columns; `where` is the place for messages. Columns
    that estimator options name travel in `Design.columns` (text as codes) and may be missing.
    Raises BadInput for a column that does not exist or is text, infinite values, weights that are
    not positive, two rows for a unit and time, a single cluster, a treatment without variation.
    """
    return _Sample(frame, panel, spec, where).design()


class _Sample:
    """One model's way from table to arrays."""

    def __init__(self, frame: pd.DataFrame, panel: Panel, spec: ModelSpec, where: str) -> None:
        self.panel, self.spec, self.where = panel, spec, where
        self.clusters = tuple(self.column_name(name) for name in spec.inference.by)
        self.options = tuple(name for name in texts(spec.options) if name in frame.columns)
        self.frame = self._complete(frame)

    def design(self) -> Design:
        spec, frame = self.spec, self.frame
        units, unit = _coded(frame[self.panel.unit])
        calendar = whole_numbers(frame[self.panel.time], self.where)
        times, time = np.unique(calendar, return_inverse=True)
        names = (*spec.treatment, *spec.controls)
        X = np.column_stack([self.numbers(name) for name in names] or [np.empty((len(frame), 0))])
        kept, warnings = self._varying(X, names)
        parent = self.panel.parent
        return Design(
            y=self._outcome(),
            X=np.ascontiguousarray(X[:, kept]),
            terms=tuple(names[j] for j in kept),
            n_treatments=len(spec.treatment),
            weights=self._weights(),
            unit=unit,
            time=time.astype(np.int64),
            units=units,
            times=times,
            parent=None if parent is None else _coded(frame[parent])[1],
            effects=tuple(self.effect(name) for name in spec.effects),
            effect_names=spec.effects,
            columns={**self._option_columns(), **self._cluster_columns()},
            warnings=warnings,
        )

    def column_name(self, name: str) -> str:
        """The panel's own name for "unit", "time" and "parent"; other names as they are."""
        if name == "parent" and self.panel.parent is None:
            raise BadInput(
                self.where,
                "the panel has no level above the unit",
                'declare parent = "..." in [panel], or name a column instead of "parent"',
            )
        index = {"unit": self.panel.unit, "time": self.panel.time, "parent": self.panel.parent}
        return index.get(name) or name

    def numbers(self, name: str) -> Floats:
        """A column of the sample as floats. Raises BadInput for text or infinite values."""
        values = column_values(self.frame, name, self.where)
        if values.dtype == object:
            raise BadInput(
                self.where, f"{name!r} is text", "use a number, such as a condition: x == 'a'"
            )
        numbers = values.astype(np.float64, copy=False)
        size = float(np.nanmax(np.abs(numbers), initial=0.0))
        if size > LARGEST or 0.0 < size < SMALLEST:
            what = f"{name!r} reaches {size:.3g}, too far from one for sums of squares"
            raise BadInput(self.where, what, "use another unit of measurement")
        return numbers

    def _outcome(self) -> Floats:
        y = self.numbers(self.spec.outcome)
        if np.ptp(y) <= ALIKE * np.abs(y).max():
            what = f"outcome {self.spec.outcome!r} is {y[0]:g} in all {len(y)} rows of this sample"
            raise BadInput(self.where, what, "widen the sample, or name an outcome that varies")
        return y

    def effect(self, name: str) -> Codes:
        """Codes of a fixed effect: one column, or the combinations of several joined by *."""
        columns = [self.frame[self.column_name(part.strip())] for part in name.split("*")]
        codes = np.zeros(len(self.frame), dtype=np.int64)
        for column in columns:
            labels, one = _coded(column)
            codes = np.unique(codes * len(labels) + one, return_inverse=True)[1].astype(np.int64)
        return codes

    def _needed(self) -> Iterator[str]:
        spec = self.spec
        yield from (self.panel.unit, self.panel.time)
        yield spec.outcome
        if spec.estimator not in KEEPING_GAPS:
            yield from (*spec.treatment, *spec.controls)
        if spec.weights is not None:
            yield spec.weights
        for name in spec.effects:
            yield from (self.column_name(part.strip()) for part in name.split("*"))
        yield from self.clusters
        if self.panel.parent is not None:
            yield self.panel.parent
        if spec.estimator == "iv-within":
            asked = texts(spec.options.get("sensitivity"))  # these may be missing
            yield from (name for name in self.options if name not in asked)
        if spec.inference.kind == "conley":
            yield from COORDINATES

    def _complete(self, frame: pd.DataFrame) -> pd.DataFrame:
        needed = list(dict.fromkeys(self._needed()))
        used = dict.fromkeys((*needed, *self.spec.treatment, *self.spec.controls, *self.options))
        for name in used:
            if name not in frame.columns:
                raise BadInput(self.where, f"no column {name!r}", near(name, map(str, frame)))
        missing = frame[needed].isna()
        complete = frame.loc[~missing.any(axis=1), list(used)]
        if complete.empty:
            worst = missing.sum().nlargest(3)
            counts = ", ".join(f"{name} in {count}" for name, count in worst.items() if count)
            raise BadInput(
                self.where,
                f"no complete row among {len(frame)} (missing: {counts})",
                "drop a column, or look for gaps in the calendar that lags cannot cross",
            )
        complete = complete.sort_values([self.panel.unit, self.panel.time], kind="stable")
        self._unique(complete)
        return complete.reset_index(drop=True)

    def _unique(self, frame: pd.DataFrame) -> None:
        """Raise BadInput for a unit with two rows for a time; `frame` is sorted by both."""
        index = [self.panel.unit, self.panel.time]
        units, times = (frame[name].to_numpy() for name in index)
        twice = np.flatnonzero((units[1:] == units[:-1]) & (times[1:] == times[:-1]))
        if len(twice):
            unit, time = units[twice[0]], times[twice[0]]
            raise BadInput(
                f"{self.panel.name}, {index[0]} {unit}, {index[1]} {time}",
                f"two rows for one {index[0]} and {index[1]} ({len(twice)} rows are such repeats)",
                "keep one row for each, or narrow [sample] where",
            )

    def _weights(self) -> Floats | None:
        if self.spec.weights is None:
            return None
        weights = self.numbers(self.spec.weights)
        wrong = int((weights <= 0).sum())
        if wrong:
            raise BadInput(
                self.where,
                f"weights {self.spec.weights!r} are zero or negative in {wrong} rows",
                "drop those rows with [sample] where",
            )
        return weights

    def _varying(self, X: Floats, names: tuple[str, ...]) -> tuple[list[int], tuple[str, ...]]:
        """Columns to keep, and a warning for each control that others and a constant span."""
        known = X[~np.isnan(X).any(axis=1)]
        if len(known) == 0:
            what = f"no row among {len(X)} has all of {', '.join(names)}"
            raise BadInput(self.where, what, "drop a regressor, or look for lags beyond the panel")
        with_constant = np.hstack([np.ones((len(known), 1)), known])
        spare = [j - 1 for j in collinear_columns(with_constant, None) if j > 0]
        for j in spare:
            if j < len(self.spec.treatment):
                raise BadInput(
                    self.where,
                    f"treatment {names[j]!r} is constant or a combination of other treatments "
                    f"in this sample of {len(known)} rows",
                    "widen the sample, or drop it",
                )
        warnings = tuple(
            f"control {names[j]} dropped: constant, or a combination of the columns before it"
            for j in spare
        )
        return [j for j in range(len(names)) if j not in spare], warnings

    def _cluster_columns(self) -> dict[str, NDArray[np.generic]]:
        columns: dict[str, NDArray[np.generic]] = {}
        for name in self.clusters:
            labels, codes = _coded(self.frame[name])
            if len(labels) < 2:
                raise BadInput(
                    self.where,
                    f"all rows are in one cluster of {name!r} ({labels[0]})",
                    "cluster by a column with more groups, or widen the sample",
                )
            columns[name] = labels[codes]
        return columns

    def _option_columns(self) -> dict[str, NDArray[np.generic]]:
        columns: dict[str, NDArray[np.generic]] = {}
        coordinates = COORDINATES if self.spec.inference.kind == "conley" else ()
        for name in (*self.options, *coordinates):
            values = column_values(self.frame, name, self.where)
            columns[name] = pd.factorize(values, sort=True)[0] if values.dtype == object else values
        return columns


def _coded(column: pd.Series) -> tuple[NDArray[np.object_], Codes]:
    """Sorted labels (L,) and codes (n,) of a column without missing values."""
    codes, labels = pd.factorize(column, sort=True)
    return np.asarray(labels, dtype=object), codes.astype(np.int64)

