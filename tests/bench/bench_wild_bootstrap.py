"""wild-bootstrap: one coefficient's restricted wild cluster bootstrap-t, 99,999 draws.

5,000 rows, four regressors and a constant, Rademacher weights. Seconds are for one draw: those of a
call by 99,999. It is the bootstrap of curves and audits; a model that asks for `wild-cluster` has
that of `models.inference.wild`, with other weights and intervals, which is not timed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "wild-bootstrap"
SIZES = {"99,999 draws, 25 clusters": 25, "99,999 draws, 50 clusters": 50}
DRAWS = 99_999
UNITS = {"regsi": DRAWS, "wildboottest": DRAWS}
Data = dict[str, NDArray[Any]]
Answer = tuple[float, float]  # t-statistic without small-sample factor, p-value


def prepare(n_clusters: int, folder: Path) -> Path:
    """5,000 rows with cluster shocks in outcome and regressors, and a weak effect."""
    rng = np.random.default_rng(1)
    cluster = np.arange(5000) * n_clusters // 5000
    X = rng.normal(size=(5000, 4)) + rng.normal(size=n_clusters)[cluster][:, None]
    y = X @ [0.2, 1.0, 1.0, 1.0] + rng.normal(size=n_clusters)[cluster] + rng.normal(size=5000)
    np.savez(folder / "rows.npz", y=y, X=X, cluster=cluster)
    return folder / "rows.npz"


def load(path: Path) -> Data:
    """The arrays."""
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def regsi(data: Data, _: Path) -> Answer:
    """From the rows to the p-value, on the engine's score matrices."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return _regsi(data)


def _regsi(data: Data) -> Answer:
    from models.engine.crossing import crossing_sums
    from models.engine.curve import Cells, estimate_curve
    from models.engine.projection import condense, project
    from models.engine.resampling import Resampler
    from models.engine.sign_draws import coded_draws
    from models.engine.stacked import statistics_of
    from models.engine.subsets import residualise

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


CONTESTANTS = {"regsi": regsi, "wildboottest": with_wildboottest}


def agree(ours: Answer, theirs: Answer) -> bool:
    """The same statistic, and p-values within four simulation errors of each other."""
    error = np.sqrt(2 * ours[1] * (1 - ours[1]) / DRAWS)
    return abs(ours[0] / theirs[0] - 1) < 1e-6 and abs(ours[1] - theirs[1]) < 4 * error + 1e-4
