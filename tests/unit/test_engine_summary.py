"""A curve in a few numbers."""

from __future__ import annotations

import pandas as pd

from models.engine.summary import summarise


def test_significant_is_what_both_the_t_test_and_the_bootstrap_call_so() -> None:
    specs = pd.DataFrame(
        {
            "outcome": "y",
            "treatment": ["x", "x", "x", "x", "z"],
            "estimate": [1.0, 2.0, 3.0, -4.0, 5.0],
            "p_value": [0.01, 0.01, 0.20, 0.04, 0.01],
            "wild_p": [0.04, 0.06, 0.01, 0.03, 0.90],
        }
    )
    whole, (x, z) = summarise(specs)
    assert (x.share_positive_significant, x.share_negative_significant) == (0.25, 0.25)
    assert (z.share_positive_significant, z.share_negative_significant) == (0.0, 0.0)
    assert (whole.share_positive_significant, whole.share_positive) == (0.2, 0.8)
    assert (x.low is None, whole.median) == (False, None)
