"""Which groups have random effects of their own, and on which regressors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.errors import BadInput
from data.suggestions import near
from models.absorb import dense_codes, is_nested
from models.design import Codes, Design
from models.estimators.linear import CONSTANT
from models.estimators.mixed.likelihood import Grouping
from models.study import ModelSpec

GROUPS = ("parent", "unit", "time")


def groupings_of(design: Design, spec: ModelSpec) -> tuple[Grouping, ...]:
    """The random effects that the key `slopes` asks for. Raises BadInput."""
    wanted = slopes_by_group(design, spec.options.get("slopes", ()))
    if not wanted:
        raise BadInput("slopes", "no group has random effects", "name unit, parent or time")
    found: list[Grouping] = []
    for name, columns in wanted.items():
        codes = codes_of(design, name)
        for other in found:
            if is_nested(codes, other.codes) and is_nested(other.codes, codes):
                what = f"{name} and {other.name} are the same groups"
                raise BadInput("slopes", what, "give only one of them random effects")
        found.append(grouping(design, name, codes, columns))
    return tuple(found)


def slopes_by_group(design: Design, slopes: Any) -> Mapping[str, tuple[str, ...]]:
    """Random slopes of each group, every one of which has an intercept too."""
    if isinstance(slopes, Mapping):
        return {str(name): tuple(columns) for name, columns in slopes.items()}
    columns = (slopes,) if isinstance(slopes, str) else tuple(slopes)
    if design.parent is None:
        return {"unit": columns}
    return {"parent": columns, "unit": ()}


def codes_of(design: Design, name: str) -> Codes:
    """Codes (n,) without gaps of "unit", "parent" or "time". Raises BadInput."""
    if name not in GROUPS:
        raise BadInput(f"slopes.{name}", "no such group", near(name, GROUPS))
    codes = {"unit": design.unit, "time": design.time, "parent": design.parent}[name]
    if codes is None:
        what = "the panel has no level above the unit"
        raise BadInput("slopes.parent", what, 'declare parent = "..." in [panel]')
    dense = dense_codes(codes)
    size = int(dense.max()) + 1
    if not 1 < size < design.n_obs:
        what = f"{size} group(s) in {design.n_obs} rows"
        raise BadInput(f"slopes.{name}", what, "use groups of several rows, and two at least")
    return dense


def grouping(design: Design, name: str, codes: Codes, columns: tuple[str, ...]) -> Grouping:
    """A group's intercept and slopes. Raises BadInput for a slope nothing can be learned about."""
    values = [np.ones(design.n_obs)]
    for column in columns:
        if column not in design.terms:
            what = f"{column!r} is no regressor"
            raise BadInput(f"slopes.{name}", what, near(column, design.terms))
        x = design.X[:, design.terms.index(column)]
        means = np.bincount(codes, x) / np.bincount(codes)
        if np.allclose(x, means[codes], rtol=1e-9, atol=0.0):
            what = f"{column!r} does not vary within groups of {name}"
            raise BadInput(f"slopes.{name}", what, "let it vary by a coarser group")
        values.append(x)
    stacked = np.column_stack(values)
    scale = np.sqrt((stacked**2).mean(axis=0))
    return Grouping(name, codes, (CONSTANT, *columns), stacked / scale, scale)
