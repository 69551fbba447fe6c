"""A study's multiverse: every declared specification, its joint test, and the audit beside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from data.errors import BadInput
from data.panel import Panel
from models.engine.estimation import GroupEstimates, estimate_group
from models.engine.joint import ObservedCurve, joint_test
from models.engine.main_model import audit, leave_out, main_group
from models.engine.results import Curve, DroppedCells, JointTest
from models.engine.samples import SampleGroup, sample_groups
from models.engine.setting import Setting, lay_out
from models.engine.specs_table import WORKING, group_table
from models.engine.summary import axes_of, summarise, variance_shares
from models.study import Study

Say = Callable[[str], None]


def run_curve(study: Study, panel: Panel, say: Say) -> Curve:
    """Estimate a study's multiverse on a panel; `say` is told what is being computed.

    Raises BadInput, placed in the study file, for whatever the multiverse cannot do; single cells
    that cannot be estimated are counted with their reason instead.
    """
    # many small problems: more threads only wait for each other, and one gives the same bits
    # on every machine
    with threadpool_limits(limits=1, user_api="blas"):
        return _run(study, panel, say)


def _run(study: Study, panel: Panel, say: Say) -> Curve:
    started = time.perf_counter()
    setting = lay_out(study, panel)
    groups = _estimate(setting, say)
    dropped = (*setting.declared.excluded, *_failed(groups))
    specs = pd.concat([group_table(setting, *pair) for pair in groups], ignore_index=True)
    if specs.empty:
        reasons = "; ".join(f"{part.reason} ({part.cells})" for part in dropped)
        todo = "widen the samples or drop choices"
        raise BadInput(setting.where, f"no cell can be estimated: {reasons}", todo)
    estimated = time.perf_counter()
    joint, specs = _joint(setting, [found for _, found in groups], specs, say)
    tested = time.perf_counter()
    main = main_group(setting)
    summary, by_pair = summarise(specs)
    placebos = audit(setting, main, say)
    without = leave_out(setting, main, say)
    return Curve(
        study=study,
        panel_name=panel.name,
        panel_sha256=panel.sha256,
        simulated=panel.simulated,
        inference=_convention(setting),
        axes=axes_of(specs),
        controls=setting.declared.optional,
        specs=specs,
        declared=setting.declared.cells,
        dropped=dropped,
        summary=summary,
        by_pair=by_pair,
        variance=variance_shares(specs, setting.declared.optional),
        joint=joint,
        placebo_audit=placebos,
        leave_out=without,
        leave_out_by=setting.multiverse.leave_out,
        seconds={
            "specifications": estimated - started,
            "joint": tested - estimated,
            "main model": time.perf_counter() - tested,
        },
        warnings=() if placebos.warning is None else (placebos.warning,),
    )


def _estimate(setting: Setting, say: Say) -> list[tuple[SampleGroup, GroupEstimates]]:
    """Every declared cell, grouped by the rows that it rests on."""
    declared, done = setting.declared, 0
    groups = []
    for stratum in declared.strata:
        for group in sample_groups(setting.columns, declared, stratum, setting.clusters):
            groups.append((group, estimate_group(group, resampling=True)))
            done += len(group.pair)
        say(f"specification curve: {done:,} of {declared.cells:,} cells")
    return groups


def _failed(groups: Sequence[tuple[SampleGroup, GroupEstimates]]) -> tuple[DroppedCells, ...]:
    reasons = Counter(reason for _, found in groups for reason in found.reason if reason)
    return tuple(DroppedCells("failed", reason, cells) for reason, cells in reasons.items())


def _joint(
    setting: Setting, found: Sequence[GroupEstimates], specs: pd.DataFrame, say: Say
) -> tuple[JointTest, pd.DataFrame]:
    """The joint test; the specifications with their resampled p-values, in declared order."""
    resamplers = [part.resampler for part in found if part.resampler is not None]
    present = np.unique(np.concatenate([resampler.cluster for resampler in resamplers]))
    observed = ObservedCurve(
        t=specs["one_way"].to_numpy(),
        standardised=specs["standardised"].to_numpy(),
        units=specs["unit"].to_numpy(),
        critical=specs["critical"].to_numpy(),
    )
    joint, wild, adjusted = joint_test(
        [replace(r, cluster=np.searchsorted(present, r.cluster)) for r in resamplers],
        observed,
        (setting.clusters[0], len(present)),
        setting.multiverse.draws,
        setting.multiverse.seed,
        say,
    )
    specs = specs.assign(wild_p=wild, adjusted_p=adjusted).sort_values("order", kind="stable")
    return joint, specs.drop(columns=list(WORKING)).reset_index(drop=True)


def _convention(setting: Setting) -> str:
    """The sentence printed with the curve."""
    by = " and ".join(setting.clusters)
    return (
        f"least squares, clustered by {by}, CR1, t with G - 1 df; wild_p, adjusted_p and the joint "
        f"test by sign flips of whole {setting.clusters[0]} clusters under the null, common to all "
        "specifications"
    )
