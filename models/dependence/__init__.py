"""Tests of what a panel regression takes for granted, by the names that a study file uses.

`diagnostics` is a key of every [[model]] with one of the linear estimators below.
"""

from __future__ import annotations

DIAGNOSTICS = (
    "cd", "cd-two-way", "cd-units", "cd-lm", "cips", "cips-trend", "unit-root", "unit-root-trend",
    "serial", "effects", "random-effects", "poolability", "homogeneity", "moran", "spatial-lm",
)  # fmt: skip
DIAGNOSED = frozenset({"pooled", "within", "iv-within", "random", "mundlak", "first-difference"})
