"""Anderson and Rubin's (1949) test and confidence set: right however weak the instruments are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import fdtrc, fdtri

from models.design import Design, Floats
from models.estimators.first_stage import reduced_form
from models.inference import Uncertainty
from models.inference.measure import measure
from models.least_squares import LinearFit
from models.results import Test
from models.study import Inference

ANGLES = 4001  # points on the whole line, bent onto (-pi/2, pi/2) around the estimate


@dataclass(frozen=True)
class AndersonRubin:
    """The test of no effect, and the ends of the 95 % set: None where it is no interval."""

    test: Test
    low: float | None
    high: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ReducedForms:
    """Instruments' coefficients (l,) on outcome and treatment, their variances (l, l), and df."""

    outcome: Floats
    treatment: Floats
    v_outcome: Floats
    v_cross: Floats  # symmetric part
    v_treatment: Floats
    df: float

    def statistic(self, beta: Floats) -> Floats:
        """F (m,) of the hypotheses that the effect is beta (m,)."""
        b = beta[:, None, None]
        gap = self.outcome - beta[:, None] * self.treatment
        spread = self.v_outcome - 2.0 * b * self.v_cross + b**2 * self.v_treatment
        solved = np.linalg.solve(spread, gap[..., None])[..., 0]
        return np.einsum("ml,ml->m", gap, solved) / len(self.outcome)


def anderson_rubin(
    linear: LinearFit, design: Design, treatment: Floats, controls: list[Floats], how: Inference
) -> AndersonRubin:
    """Test and set for the single treatment (n,) of a two-stage fit, at 95 %.

    `design` has the outcome as y and the instruments as X. The variance of the reduced forms is of
    the study's kind; the reference distribution is F with its fewest df.
    """
    forms = _reduced_forms(design, treatment, controls, how)
    count = float(len(forms.outcome))
    critical = float(fdtri(count, forms.df, 0.95))
    null = float(forms.statistic(np.zeros(1))[0])
    spans = confidence_set(forms, critical, float(linear.beta[0]), _scale(linear))
    p_value = float(fdtrc(count, forms.df, null))
    text = " and ".join(f"[{low:.6g}, {high:.6g}]" for low, high in spans) or "empty"
    test = Test("anderson_rubin", null, (count, forms.df), p_value, f"95 % set: {text}")
    if len(spans) == 1 and np.isfinite(spans[0]).all():
        return AndersonRubin(test, spans[0][0], spans[0][1], ())
    warning = f"the Anderson-Rubin 95 % set is no bounded interval ({text})"
    return AndersonRubin(test, None, None, (warning,))


def confidence_set(
    forms: ReducedForms, critical: float, centre: float, scale: float
) -> list[tuple[float, float]]:
    """The intervals of values that the test does not reject, unbounded ones with infinite ends."""

    def excess(angle: float | Floats) -> Floats:
        beta = centre + scale * np.tan(np.atleast_1d(angle))
        return forms.statistic(beta) - critical

    edge = np.pi / 2 * (1.0 - 1e-7)
    angles = np.linspace(-edge, edge, ANGLES)
    inside = excess(angles) <= 0.0
    changes = np.flatnonzero(inside[1:] != inside[:-1])
    roots = [brentq(lambda a: float(excess(a)[0]), angles[i], angles[i + 1]) for i in changes]
    ends = [centre + scale * float(np.tan(root)) for root in roots]
    if inside[0]:
        ends.insert(0, -np.inf)
    if inside[-1]:
        ends.append(np.inf)
    return list(zip(ends[::2], ends[1::2], strict=True))


def _reduced_forms(
    design: Design, treatment: Floats, controls: list[Floats], how: Inference
) -> ReducedForms:
    # every variance here is quadratic in the residuals, so a third fit gives the covariances;
    # equal scales keep its digits
    size_y, size_x = float(np.std(design.y)), float(np.std(treatment))
    y, x = design.y / size_y, treatment / size_x
    first, beta_y = _measured(design, y, controls, how)
    second, beta_x = _measured(design, x, controls, how)
    both, _ = _measured(design, y + x, controls, how)
    count = design.X.shape[1]
    v = [_block(one, count) for one in (first, second, both)]
    return ReducedForms(
        outcome=beta_y[:count] * size_y,
        treatment=beta_x[:count] * size_x,
        v_outcome=v[0] * size_y**2,
        v_cross=(v[2] - v[0] - v[1]) / 2.0 * size_y * size_x,
        v_treatment=v[1] * size_x**2,
        df=float(second.df[:count].min()),
    )


def _measured(
    design: Design, y: Floats, controls: list[Floats], how: Inference
) -> tuple[Uncertainty, Floats]:
    stage = reduced_form(design, y, controls)
    return measure(stage, design, how), stage.beta


def _block(uncertainty: Uncertainty, count: int) -> Floats:
    assert uncertainty.vcov is not None
    return uncertainty.vcov[:count, :count]


def _scale(linear: LinearFit) -> float:
    variance = float(linear.weights @ linear.residuals**2) / linear.n_obs
    return float(np.sqrt(variance * linear.bread[0, 0]))
