"""What a multiverse returns: frozen records and tidy tables that curves, briefs and JSON read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from models.results import as_json
from models.study import Study

CHOICES = ("outcome", "treatment", "controls", "effects", "sample", "weights")
FIGURES = (
    "estimate",
    "std_error",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "n_obs",
    "n_clusters",
)


@dataclass(frozen=True)
class Summary:
    """A set of specifications in a few numbers. Shares are of the `specs` that were estimated.

    `median`, `low` and `high` are the median and the 2.5 and 97.5 percentiles of the estimates;
    they are None for the whole curve when it mixes outcomes or treatments, whose units differ.
    Significant is what has p < 0.05 by the clustered t-test and by the wild cluster bootstrap.
    """

    outcome: str | None
    treatment: str | None
    specs: int
    median: float | None
    low: float | None
    high: float | None
    share_positive: float
    share_positive_significant: float
    share_negative_significant: float


@dataclass(frozen=True)
class ChoiceShare:
    """How far one choice moves the estimate.

    `share` is the variance of the mean estimates by level over the variance of all estimates (the
    first-order index of Sobol); the choice named "interactions" holds what no single one explains.
    """

    choice: str
    levels: int
    share: float


@dataclass(frozen=True)
class JointStatistic:
    """One statistic of the whole curve, and the share of null curves that are as extreme."""

    test: str
    statistic: float
    p_value: float


@dataclass(frozen=True)
class JointTest:
    """The whole curve against the sharp null of no effect in any specification.

    statistic and p_value are the headline's, whose name is `test`; `tests` holds them all.
    `band` has one row per rank of the sorted curve (rank, low, median, high): the middle 95 % of
    the sorted t-statistics under the null.
    """

    test: str
    statistic: float
    p_value: float
    draws: int
    seed: int
    cluster: str
    n_clusters: int
    tests: tuple[JointStatistic, ...]
    band: pd.DataFrame


@dataclass(frozen=True)
class RejectionRate:
    """How often one kind of inference rejects a true null at 5 %, with its simulation error."""

    kind: str
    by: tuple[str, ...]
    correction: str | None
    rejection_rate: float
    simulation_error: float
    n_clusters: int | None
    placebos: int
    chosen: bool

    @property
    def name(self) -> str:
        """The inference in words: "cluster by country, CR2"."""
        by = f" by {' and '.join(self.by)}" if self.by else ""
        return f"{self.kind}{by}{f', {self.correction}' if self.correction else ''}"


@dataclass(frozen=True)
class PlaceboAudit:
    """The study's own error bars, tried on placebo treatments that look like the real one.

    level says where the placebos vary: "regional", or "national" for those constant within parent
    and period. persistence and parent_share describe the real treatment and so the placebos.
    `sentence` is what stands under the headline estimate; `warning` is set when the chosen
    inference is unfit.
    """

    outcome: str
    treatment: str
    level: str
    persistence: float
    parent_share: float
    placebos: int
    seed: int
    rates: tuple[RejectionRate, ...]
    sentence: str
    warning: str | None


@dataclass(frozen=True)
class DeclaredPlacebo:
    """What a study itself expects no association in: another age group, money yet to come.

    `name` is that of a model with the role of a placebo, or of a placebo among the sensitivity
    tests of the main model; `what` says in words what was estimated. Tests have no estimate here.
    """

    name: str
    what: str
    estimate: float | None
    std_error: float | None
    p_value: float | None


@dataclass(frozen=True)
class DroppedCells:
    """Declared cells that have no row in `specs`: excluded by a rule, or impossible to estimate."""

    kind: str  # "excluded" or "failed"
    reason: str
    cells: int


@dataclass(frozen=True)
class Curve:
    """A study's multiverse, estimated.

    specs has one row per specification: the choices (outcome, treatment, controls joined with
    " + ", effects joined with " + ", sample, weights), estimate, std_error, statistic, df,
    p_value, conf_low, conf_high, n_obs, n_clusters, wild_p (wild cluster bootstrap of the one
    specification), adjusted_p (Romano-Wolf over the curve), standardised (the estimate in standard
    deviations of outcome per standard deviation of treatment) and main (true for the study's main
    model). `axes` lists the levels of each choice, `controls` the optional controls.

    leave_out has left_out, estimate, std_error, conf_low, conf_high, p_value, df, correction,
    n_obs, change (less the estimate from all rows) and reason (why there is no estimate) for the
    main model without each group; it is empty if not asked for. placebos are the study's own,
    beside the audit's. rows_unfit says that the rows' own t-tests reject too many placebos: their
    intervals are too narrow. override is the reason in force where a treatment is national and
    errors are not clustered as such.
    """

    study: Study
    panel_name: str
    panel_sha256: str
    simulated: bool
    inference: str
    axes: Mapping[str, tuple[str, ...]]
    controls: tuple[str, ...]
    specs: pd.DataFrame
    declared: int
    dropped: tuple[DroppedCells, ...]
    summary: Summary
    by_pair: tuple[Summary, ...]
    variance: tuple[ChoiceShare, ...]
    joint: JointTest
    placebo_audit: PlaceboAudit
    leave_out: pd.DataFrame
    leave_out_by: str | None
    placebos: tuple[DeclaredPlacebo, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    rows_unfit: bool = False
    override: str | None = None
    warnings: tuple[str, ...] = ()


def as_document(curve: Curve) -> dict[str, Any]:
    """The JSON document of `regsi curve --json`: these keys are a contract with scripts."""
    return {
        "study": curve.study.id,
        "panel": {"name": curve.panel_name, "sha256": curve.panel_sha256},
        "inference": curve.inference,
        "override": curve.override,
        "specs": _rows(curve.specs[[*CHOICES, *FIGURES, "df", "wild_p", "adjusted_p", "main"]]),
        "summary": {
            **as_json(curve.summary),
            "declared": curve.declared,
            "dropped": as_json(curve.dropped),
            "by_pair": as_json(curve.by_pair),
            "variance": as_json(curve.variance),
        },
        "joint": {key: as_json(getattr(curve.joint, key)) for key in _JOINT_KEYS},
        "placebo_audit": as_json(curve.placebo_audit),
        "placebos": as_json(curve.placebos),
        "leave_out": {"by": curve.leave_out_by, "fits": _rows(curve.leave_out)},
        "warnings": list(curve.warnings),
    }


_JOINT_KEYS = ("test", "statistic", "p_value", "draws", "seed", "cluster", "n_clusters", "tests")


def _rows(table: pd.DataFrame) -> list[Any]:
    return [as_json(row) for row in table.to_dict(orient="records")]
