"""What a reader of a curve has to know before its numbers: unfit tests, too few clusters."""

from __future__ import annotations

from collections.abc import Iterator

from models.engine.audit_costly import ENOUGH
from models.engine.placebo_audit import UNFIT
from models.engine.results import JointTest, PlaceboAudit


def cautions(audit: PlaceboAudit, clusters: tuple[str, ...], joint: JointTest) -> Iterator[str]:
    """The audit's own, the one on the rows' t-tests, and the one on resampling few clusters."""
    if audit.warning is not None:
        yield audit.warning
    own = [r for r in audit.rates if r.correction == "CR1" and set(r.by) == set(clusters)]
    for rows in own:
        if rows.chosen or rows.rejection_rate <= UNFIT:
            continue
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
