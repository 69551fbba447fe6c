"""wild-bootstrap: restricted wild cluster bootstrap-t, 99,999 draws of Rademacher weights.

5,000 rows, four regressors and a constant. Seconds are for one draw of one coefficient. `regsi` is
a model's `kind = "wild-cluster"`: p-values of all four coefficients and their intervals, by
inverting each test. `regsi-curve` is what curves and audits draw, and wildboottest what it gives:
the p-value of one coefficient.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "wild-bootstrap"
SIZES = {"99,999 draws, 25 clusters": 25, "99,999 draws, 50 clusters": 50}
DRAWS = 99_999
UNITS = {"regsi": 4 * DRAWS, "regsi-curve": DRAWS, "wildboottest": DRAWS}
Data = dict[str, NDArray[Any]]
Answer = tuple[float, float]  # CR1's t-statistic, p-value


def prepare(n_clusters: int, folder: Path) -> Path:
    """5,000 rows with cluster shocks in outcome and regressors, and a weak effect."""
    rng = np.random.default_rng(2)
    cluster = np.arange(5000) * n_clusters // 5000
    X = rng.normal(size=(5000, 4)) + rng.normal(size=n_clusters)[cluster][:, None]
    y = X @ [0.08, 1.0, 1.0, 1.0] + rng.normal(size=n_clusters)[cluster] + rng.normal(size=5000)
    np.savez(folder / "rows.npz", y=y, X=X, cluster=cluster)
    return folder / "rows.npz"


def load(path: Path) -> Data:
    """The arrays."""
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def regsi(data: Data, _: Path) -> Answer:
    """From the rows to p-values and intervals, as `regsi fit` does."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return _model(data)


def _model(data: Data) -> Answer:
    from models.design import Design
    from models.inference.measure import measure
    from models.least_squares import fit_least_squares
    from models.study import Inference

    cluster, n, terms = data["cluster"], len(data["y"]), tuple("abcd")
    constant = np.zeros(n, dtype=np.int64)
    fit = fit_least_squares(data["y"], data["X"], terms, effects=(constant,))
    own = (cluster, np.arange(n), np.unique(cluster).astype(object), np.arange(n))
    design = Design(data["y"], data["X"], terms, 1, None, *own, None, (constant,), ("constant",))
    how = Inference("wild-cluster", ("unit",), weights="rademacher", draws=DRAWS, seed=1)
    found = measure(fit, design, how)
    return float(found.statistic[0]), float(found.p_value[0])


def curve(data: Data, _: Path) -> Answer:
    """From the rows to the p-value, on the engine's score matrices."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return _curve(data)


def _curve(data: Data) -> Answer:
    from models.engine.crossing import crossing_sums
    from models.engine.curve import Cells, estimate_curve
    from models.engine.projection import condense, project
    from models.engine.resampling import Resampler
    from models.engine.stacked import statistics_of
    from models.engine.subsets import residualise
    from models.inference.sign_draws import coded_draws

    cluster, size = data["cluster"], int(data["cluster"].max()) + 1
    projected = project(np.column_stack([data["y"], data["X"]]), None, ())
    products = condense(projected, (cluster,))
    zero = np.zeros(1, dtype=np.int64)
    cells, every = Cells(zero, zero + 1, zero), np.ones((3, 1), dtype=bool)
    solved = residualise(products.root, np.arange(2, 5), np.arange(2), every)
    found = estimate_curve(products, solved, cells)
    crossing = crossing_sums(projected, cluster, size)
    everyone = np.arange(size)
    resampler = Resampler(products, crossing, solved, cells, everyone)
    t = float(found.estimate[0] / found.std_error[0])
    drawn = statistics_of([resampler], everyone, coded_draws(size, DRAWS, 1)[0])[1]
    return t, float((np.abs(drawn) >= abs(t)).mean())


def with_wildboottest(data: Data, _: Path) -> Answer:
    """The same by wildboottest, restricted, in its fastest mode."""
    import pandas as pd
    import statsmodels.api as sm
    from wildboottest.wildboottest import wildboottest

    X = sm.add_constant(pd.DataFrame(data["X"], columns=list("abcd")))
    cluster = pd.Series(data["cluster"])
    model = sm.OLS(data["y"], X)
    found = wildboottest(model, B=DRAWS, cluster=cluster, param="a", seed=1, show=False)
    return float(found["statistic"].iloc[0]), float(found["p-value"].iloc[0])


CONTESTANTS = {"regsi": regsi, "regsi-curve": curve, "wildboottest": with_wildboottest}


def agree(ours: Answer, theirs: Answer) -> bool:
    """The same statistic, and p-values within four simulation errors of each other."""
    error = np.sqrt(2 * ours[1] * (1 - ours[1]) / DRAWS)
    return abs(ours[0] / theirs[0] - 1) < 1e-6 and abs(ours[1] - theirs[1]) < 4 * error + 1e-4
