"""What a reader of a curve has to know before its numbers: unfit tests, too few clusters."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from models.engine.audit_costly import ENOUGH
from models.engine.placebo_audit import UNFIT
from models.engine.results import JointTest, PlaceboAudit, RejectionRate
from models.singletons import shortfall


def unfit_rows(audit: PlaceboAudit, clusters: tuple[str, ...]) -> RejectionRate | None:
    """The rate of the rows' own t-test, CR1 by `clusters`, where it is too large to rely on."""
    for rate in audit.rates:
        if rate.correction == "CR1" and set(rate.by) == set(clusters):
            return rate if rate.rejection_rate > UNFIT else None
    return None


def cautions(
    audit: PlaceboAudit, rows: RejectionRate | None, joint: JointTest
) -> Iterator[str]:
    """The audit's own, the one on the rows' t-tests, and the one on resampling few clusters."""
    if audit.warning is not None:
        yield audit.warning
    if rows is not None and not rows.chosen:
        yield (
            f"the rows' own t-tests ({rows.name}) reject a true null "
            f"{100 * rows.rejection_rate:.0f} % of the time on this panel, at a nominal 5 %: their "
            "intervals are too narrow; read wild_p"
        )
    if joint.n_clusters < ENOUGH:
        smallest = 2.0 ** (1 - joint.n_clusters)
        yield (
            f"with {joint.n_clusters} clusters no resampled p-value falls below {smallest:.3g}: "
            "the joint test and wild_p cannot find anything at 5 %"
        )


def silent_clusters(specs: pd.DataFrame) -> Iterator[str]:
    """The caution on clusters that tell nothing, of which rows count `n_silent`."""
    some = specs[specs["n_silent"] > 0]
    if some.empty:
        return
    counts = some[["n_clusters", "n_silent"]].drop_duplicates().to_numpy()
    worst = max(shortfall(int(clusters), int(gone)) for clusters, gone in counts)
    yield (
        f"in {len(some):,} of {len(specs):,} specifications up to {some['n_silent'].max()} of the "
        "clusters tell nothing of the slope, each of their rows being alone in a level of an "
        "effect: CR1 counts them, and without them those rows' intervals would be up to "
        f"{100 * worst:.1f} % longer; wild_p and the joint test do not depend on it"
    )
