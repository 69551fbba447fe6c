"""CR2 with Satterthwaite degrees of freedom for many coefficients at once, from small matrices.

Bell and McCaffrey (2002), Pustejovsky and Tipton (2018), unweighted, with independent errors of
equal variance as the working model: what `models.inference.leverage` computes from the rows. Here
the leverage of regressors and crossing effects is U_g U_g' with U orthonormal, and nested effects
drop out, so that all matrix functions act on each cluster's Gram matrix U_g'U_g.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.design import Floats

NULL = 1e-9  # a direction with less variation left than this is the cluster's own: left out


@dataclass(frozen=True)
class Leverage:
    """S coefficients in G clusters, after everything else is partialled out of the regressor.

    gram (S, G, q, q) is U_g'U_g, the first column of U being x / |x|; loadings (S, G, q) is U_g'e_g
    for the residuals e; information (S,) is x'x; scores (S, G) is x_g'e_g.
    """

    gram: Floats
    loadings: Floats
    information: Floats
    scores: Floats


def bias_reduced(leverage: Leverage) -> tuple[Floats, Floats]:
    """CR2 variances (S,) and Satterthwaite degrees of freedom (S,)."""
    values, vectors = np.linalg.eigh(leverage.gram)
    length = np.sqrt(leverage.information)
    own = leverage.gram[:, :, :, 0] * length[:, None, None]  # U_g'x_g
    rotated = np.einsum("sgqk,sgq->sgk", vectors, own)
    spare = np.clip(1.0 - values, 0.0, None)
    inverse = np.divide(1.0, spare, out=np.zeros_like(spare), where=spare > NULL)
    share = np.clip(values, 1e-12, None)
    root = (np.sqrt(inverse) - 1.0) / share
    adjusted = leverage.scores + np.einsum(
        "sgk,sgk,sgk->sg",
        rotated,
        root,
        np.einsum("sgqk,sgq->sgk", vectors, leverage.loadings),
    )
    variance = np.einsum("sg,sg->s", adjusted, adjusted) / leverage.information**2
    squares = leverage.gram[:, :, 0, 0] * leverage.information[:, None]
    diagonal = squares + np.einsum("sgk,sgk,sgk->sg", rotated, (inverse - 1.0) / share, rotated)
    inside = np.einsum("sgqk,sgk->sgq", vectors, rotated * (1.0 + values * root))
    form = -inside @ inside.transpose(0, 2, 1)
    np.einsum("sgg->sg", form)[...] += diagonal
    trace = np.einsum("sgg->s", form)
    return variance, trace**2 / np.einsum("sgh,sgh->s", form, form)
