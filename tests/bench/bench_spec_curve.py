"""spec-curve: one specification of a curve, with its clustered error, two-way effects.

The panel has 250 units, 20 years, 12 controls: 4,096 specifications. regsi estimates all of them,
projection included; its peers estimate a few, one by one; statsmodels and specification_curve,
which absorb nothing and have no such clustered error, are given columns without their unit and year
means and an estimator that clusters. Seconds are for one specification.
`blas-bound` does nothing but the matrix products that the curve cannot do without, on one thread:
how far regsi is from it is what is left to gain.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "spec-curve"
SIZES = {"25 clusters": 25, "250 clusters": 250}
UNITS_COUNT, YEARS, CONTROLS = 250, 20, 12
COMPARED = (0, 4095, 1234, 77, 2048, 3071, 900, 15)  # specifications that the peers estimate
FIRST = 4  # controls, all subsets of which specification_curve takes: 0 and 15 among them
UNITS = {
    "regsi": 2**CONTROLS,
    "linearmodels": len(COMPARED),
    "pyfixest": len(COMPARED),
    "statsmodels": len(COMPARED),
    "specification_curve": 2**FIRST,
    "blas-bound": 2**CONTROLS,
}
Data = dict[str, NDArray[Any]]
Answer = NDArray[np.float64]  # estimate and CR1 error of the compared specifications


def prepare(n_clusters: int, folder: Path) -> Path:
    """Correlated regressors, cluster shocks; unit i lies in cluster i * n_clusters // 250."""
    rng = np.random.default_rng(1)
    unit, year = np.divmod(np.arange(UNITS_COUNT * YEARS), YEARS)
    cluster = unit * n_clusters // UNITS_COUNT
    shock = rng.normal(size=(n_clusters, YEARS))[cluster, year]
    Z = rng.normal(size=(len(unit), CONTROLS + 2)) + 0.5 * shock[:, None]
    Z[:, 0] += 0.2 * Z[:, 1] + Z[:, 2:].sum(axis=1) + rng.normal(size=UNITS_COUNT)[unit]
    path = folder / "panel.npz"
    np.savez(path, Z=Z, unit=unit, year=year, cluster=cluster)
    return path


def load(path: Path) -> Data:
    """The arrays."""
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def subsets() -> NDArray[np.bool_]:
    """All subsets of the controls (12, 4096)."""
    return (np.arange(2**CONTROLS) >> np.arange(CONTROLS)[:, None] & 1).astype(bool)


def regsi(data: Data, _: Path) -> Answer:
    """All 4,096 specifications from the raw columns, on one thread as in `run_curve`."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        return _regsi(data)


def _regsi(data: Data) -> Answer:
    from models.engine.curve import Cells, estimate_curve
    from models.engine.projection import condense, project
    from models.engine.subsets import residualise

    projected = project(data["Z"], None, (data["unit"], data["year"]))
    products = condense(projected, (data["cluster"],))
    every = np.arange(2**CONTROLS)
    cells = Cells(np.zeros_like(every), np.ones_like(every), every)
    controls = np.arange(2, 2 + CONTROLS)
    solved = residualise(products.root, controls, np.arange(2), subsets())
    found = estimate_curve(products, solved, cells)
    chosen = list(COMPARED)
    return np.array([found.estimate[chosen], found.std_error[chosen]])


def with_linearmodels(data: Data, _: Path, fits: int = len(COMPARED)) -> Answer:
    """PanelOLS, one specification after the other; its factor brought to ours."""
    import pandas as pd
    from linearmodels.panel import PanelOLS

    keys = pd.MultiIndex.from_arrays([data["unit"], data["year"]])
    frame = pd.DataFrame(data["Z"], index=keys)
    clusters = pd.DataFrame({"cluster": data["cluster"]}, index=keys)
    found = []
    for names in _regressors()[:fits]:
        model = PanelOLS(frame[0], frame[names], entity_effects=True, time_effects=True)
        fit = model.fit(
            cov_type="clustered",
            clusters=clusters,
            group_debias=True,
            debiased=False,
            auto_df=False,
            count_effects=False,
        )
        factor = len(frame) / (len(frame) - len(names) - YEARS)
        found.append([fit.params.iloc[0], fit.std_errors.iloc[0] * np.sqrt(factor)])
    return np.array(found).T


def with_pyfixest(data: Data, _: Path, fits: int = len(COMPARED)) -> Answer:
    """feols, one specification after the other."""
    import pandas as pd
    import pyfixest as pf

    frame = pd.DataFrame(data["Z"], columns=[f"z{j}" for j in range(CONTROLS + 2)])
    frame = frame.assign(**{name: data[name] for name in ("unit", "year", "cluster")})
    found = []
    for names in _regressors()[:fits]:
        formula = f"z0 ~ {' + '.join(f'z{j}' for j in names)} | unit + year"
        fit = pf.feols(formula, frame, vcov={"CRV1": "cluster"})
        found.append([fit.coef().iloc[0], fit.se().iloc[0]])
    return np.array(found).T


def with_statsmodels(data: Data, _: Path) -> Answer:
    """OLS on demeaned columns, one specification after the other."""
    frame, clustered = _demeaned(data)
    fits = [clustered(frame[0], frame[names]).fit() for names in _regressors()]
    return np.array([[fit.params.iloc[0], fit.bse.iloc[0]] for fit in fits]).T


def with_specification_curve(data: Data, _: Path) -> Answer:
    """Its own curve over the subsets of four controls; the other compared ones are unknown."""
    from specification_curve import SpecificationCurve

    frame, clustered = _demeaned(data)
    frame = frame.rename(columns=str)
    curve = SpecificationCurve(frame, "0", "1", [str(2 + j) for j in range(FIRST)])
    curve.fit(clustered)
    rows = curve.df_r.set_index(curve.df_r["Specification"].map(len))
    found = np.full((2, len(COMPARED)), np.nan)
    for subset in (0, 2**FIRST - 1):
        row = rows.loc[2 + subset.bit_count()]
        found[:, COMPARED.index(subset)] = row["Coefficient"], row["bse"]
    return found


def _demeaned(data: Data) -> tuple[Any, Callable[[Any, Any], Any]]:
    """The balanced panel's columns without unit and year means, and OLS that clusters as we do."""
    import pandas as pd
    import statsmodels.api as sm

    cube = data["Z"].reshape(UNITS_COUNT, YEARS, -1)
    means = [cube.mean(axis=axis, keepdims=True) for axis in (0, 1, (0, 1))]
    frame = pd.DataFrame((cube - means[0] - means[1] + means[2]).reshape(data["Z"].shape))
    groups, n = data["cluster"], len(frame)

    class Clustered:
        """OLS with CR1, the constant and the years counted."""

        def __init__(self, y: Any, X: Any) -> None:
            self.model = sm.OLS(y, X)

        def fit(self) -> Any:
            counted = YEARS + np.count_nonzero(np.ptp(self.model.exog, axis=0))
            size = int(groups.max()) + 1
            factor = size / (size - 1) * (n - 1) / (n - counted)
            uncorrected = {"groups": groups, "use_correction": False}
            fit = self.model.fit(cov_type="cluster", cov_kwds=uncorrected)
            fit._results.cov_params_default = fit._results.cov_params_default * factor
            return fit

    return frame, Clustered


def blas_bound(data: Data, _: Path) -> None:
    """Cross-products by cluster, and all clusters' scores of all specifications."""
    from threadpoolctl import threadpool_limits

    Z, n_clusters = data["Z"], int(data["cluster"].max()) + 1
    blocks = Z.reshape(n_clusters, -1, Z.shape[1])
    pairs = Z.shape[1] * (Z.shape[1] + 1) // 2
    with threadpool_limits(limits=1, user_api="blas"):
        np.matmul(blocks.transpose(0, 2, 1), blocks)
        np.matmul(np.ones((n_clusters, pairs)), np.ones((pairs, 2**CONTROLS)))


def _regressors() -> list[list[int]]:
    """Treatment and controls of the compared specifications, as columns of Z."""
    return [[1, *(2 + np.flatnonzero(subset))] for subset in subsets()[:, list(COMPARED)].T]


CONTESTANTS = {
    "regsi": regsi,
    "linearmodels": with_linearmodels,
    "pyfixest": with_pyfixest,
    "statsmodels": with_statsmodels,
    "specification_curve": with_specification_curve,
    "blas-bound": blas_bound,
}


def agree(ours: Answer, theirs: Answer | None) -> bool:
    """To the tolerance at which the peers stop by default, where both know; the bound does not."""
    if theirs is None:
        return True
    known = np.isfinite(theirs)
    return bool(known.any() and np.allclose(ours[known], theirs[known], rtol=1e-6, atol=0))
