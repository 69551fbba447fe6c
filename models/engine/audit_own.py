"""The study's own test as the audit's judge, where none of the quick ones is that very test.

Randomisation, Webb's and Mammen's weights, CR2 with weights and CR0 have no short way: the main
model is fitted again with each placebo, as the study fits it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from data.errors import BadInput
from models.design import Design, Floats
from models.engine.audit import Tried
from models.estimators import load
from models.study import ModelSpec

DRAWS = 399  # of a test that resamples


@dataclass(frozen=True)
class OwnTest(Tried):
    """The main model: its first treatment, column 0 of the design's X, makes room for placebos."""

    design: Design
    spec: ModelSpec

    def p_values(self, treatments: Floats) -> Floats:
        """p-values (B,) of the treatments (n, B); NaN where the model cannot be fitted with one."""
        return np.array([self._p_value(x) for x in treatments.T])

    def _p_value(self, x: Floats) -> float:
        X = np.column_stack([x, self.design.X[:, 1:]])
        design = replace(self.design, X=X, n_treatments=1)
        try:
            return load(self.spec.estimator).fit(design, self.spec).terms[0].p_value
        except BadInput:
            return np.nan


def own_test(design: Design, spec: ModelSpec, n_clusters: int | None) -> OwnTest:
    """The test of a model's first treatment, with fewer draws than the study takes for itself."""
    how = spec.inference
    if how.kind in ("wild-cluster", "randomization"):
        how = replace(how, draws=min(DRAWS, how.draws or DRAWS))
    named = how.kind, how.by, how.correction
    return OwnTest(*named, n_clusters, design, replace(spec, inference=how))
