"""Whether an estimate is far larger than trials of youth programmes lead one to expect.

113 evaluations average 0.05 standard deviations of young people's outcomes, with a standard error
of 0.02 (Kluve and others, 2019). A panel's association is another thing than a trial's effect, and
regions vary less than people do: what lies far outside is not refuted by it, but more likely to be
something else that moves both.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.absorb import absorb
from models.design import Design
from models.results import ModelResult
from models.study import ModelSpec

AVERAGE, ERROR = 0.05, 0.02
FAR = AVERAGE + 10 * ERROR  # in standard deviations of outcome per one of the treatment
YOUNG = ("Y1", "Y2")  # the claims about the labour outcomes of the young
COMPARED = ("pooled", "within", "iv-within")


def implausible(
    design: Design, spec: ModelSpec, result: ModelResult, claims: Iterable[str]
) -> tuple[str, ...]:
    """A warning for each treatment of a study of the young whose slope is far beyond trials'.

    Standard deviations are those of what the effects leave, the variation that the model uses.
    """
    if spec.estimator not in COMPARED or spec.role != "estimate" or not {*claims} & {*YOUNG}:
        return ()
    k = design.n_treatments
    values = np.column_stack([design.X[:, :k], design.y])
    left = absorb(design.effects, design.weights, design.n_obs).residual(values)
    left = left - np.average(left, axis=0, weights=design.weights)
    spread = np.sqrt(np.average(left**2, axis=0, weights=design.weights))
    slopes = {term.term: term.estimate for term in result.terms}
    sizes = {
        name: abs(slopes[name]) * spread[j] / spread[k] for j, name in enumerate(design.terms[:k])
    }
    return tuple(
        f"one standard deviation of {name} goes with {size:.2f} of the outcome: trials of youth "
        f"programmes average {AVERAGE} (standard error {ERROR}), so look first for what moves both"
        for name, size in sizes.items()
        if size > FAR
    )
