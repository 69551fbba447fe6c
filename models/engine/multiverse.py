"""A study's multiverse: every declared specification, its joint test, and the audit beside it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from data.errors import BadInput
from data.panel import Panel
from models.engine.cautions import cautions, silent_clusters, unfit_rows
from models.engine.chunks import ChunkTable, Here, Workplace, parts
from models.engine.joint import ObservedCurve, joint_test
from models.engine.main_model import MainModel
from models.engine.own_past import own_past_cautions
from models.engine.results import Curve, DroppedCells, JointTest
from models.engine.setting import Setting, lay_out
from models.engine.specs_table import WORKING, specs_table
from models.engine.summary import axes_of, summarise, variance_shares
from models.study import Study

Say = Callable[[str], None]


def run_curve(
    study: Study, panel: Panel, say: Say, workplace: Callable[[Setting], Workplace] = Here
) -> Curve:
    """Estimate a study's multiverse on a panel; `say` is told what is being computed.

    `workplace` is where its chunks are computed. Raises BadInput, placed in the study file, for
    whatever the multiverse cannot do; single cells that cannot be estimated are counted with
    their reason instead.
    """
    # many small problems: more threads only wait for each other, and one gives the same bits
    # on every machine
    with threadpool_limits(limits=1, user_api="blas"):
        setting = lay_out(study, panel)
        return _run(setting, workplace(setting), say)


def _run(setting: Setting, workplace: Workplace, say: Say) -> Curve:
    started = time.perf_counter()
    main_model = workplace.main_model(say)
    chunks = _estimate(setting, workplace, say)
    dropped = (*setting.declared.excluded, *_failed(chunks))
    specs = specs_table([columns for chunk in chunks for columns in chunk.columns])
    if specs.empty:
        reasons = "; ".join(f"{part.reason} ({part.cells})" for part in dropped)
        todo = "widen the samples or drop choices"
        raise BadInput(setting.where, f"no cell can be estimated: {reasons}", todo)
    said = tuple(silent_clusters(specs))
    estimated = time.perf_counter()
    joint, specs = _joint(setting, workplace, chunks, specs, say)
    tested = time.perf_counter()
    main = main_model()
    seconds = {
        "specifications": estimated - started,
        "joint": tested - estimated,
        "main model": time.perf_counter() - tested,
    }
    return _curve(setting, specs, dropped, joint, main, seconds, said)


def _curve(
    setting: Setting,
    specs: pd.DataFrame,
    dropped: tuple[DroppedCells, ...],
    joint: JointTest,
    main: MainModel,
    seconds: dict[str, float],
    said: tuple[str, ...],
) -> Curve:
    """The record of all that was computed; `said` are cautions on its rows."""
    summary, by_pair = summarise(specs)
    rows = unfit_rows(main.audit, setting.clusters)
    return Curve(
        study=setting.study,
        panel_name=setting.panel.name,
        panel_sha256=setting.panel.sha256,
        simulated=setting.panel.simulated,
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
        placebo_audit=main.audit,
        leave_out=main.leave_out,
        placebos=main.placebos,
        leave_out_by=setting.left_out,
        seconds=seconds,
        rows_unfit=rows is not None,
        override=setting.override,
        warnings=(*cautions(main.audit, rows, joint), *own_past_cautions(setting), *said),
    )


def _estimate(setting: Setting, workplace: Workplace, say: Say) -> list[ChunkTable]:
    """Every declared cell, chunk by chunk; told at most every second."""
    total = sum(int(stratum.wanted.sum()) for stratum in setting.declared.strata)
    done, told = 0, time.perf_counter()
    chunks = []
    for chunk in workplace.tables(len(parts(setting))):
        chunks.append(chunk)
        done += chunk.cells
        if time.perf_counter() - told > 1.0 or done == total:
            say(f"specification curve: {done:,} of {total:,} cells")
            told = time.perf_counter()
    return chunks


def _failed(chunks: Sequence[ChunkTable]) -> tuple[DroppedCells, ...]:
    reasons = sum((Counter(chunk.failed) for chunk in chunks), Counter[str]())
    return tuple(DroppedCells("failed", reason, cells) for reason, cells in reasons.items())


def _joint(
    setting: Setting,
    workplace: Workplace,
    chunks: Sequence[ChunkTable],
    specs: pd.DataFrame,
    say: Say,
) -> tuple[JointTest, pd.DataFrame]:
    """The joint test; the specifications with their resampled p-values, in declared order."""
    present = np.unique(np.concatenate([chunk.present for chunk in chunks]))
    estimated = [k for k, chunk in enumerate(chunks) if chunk.columns]
    observed = ObservedCurve(
        t=specs["one_way"].to_numpy(),
        standardised=specs["standardised"].to_numpy(),
        units=specs["unit"].to_numpy(),
        critical=specs["critical"].to_numpy(),
    )
    joint, wild, adjusted = joint_test(
        lambda draws: workplace.resampled(estimated, present, draws, observed),
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
        f"least squares, clustered by {by}, CR1 and t with G - 1 df on every row, also where a "
        "single model is fitted with another correction; wild_p beside it, adjusted_p and the "
        f"joint test by sign flips of whole {setting.clusters[0]} clusters under the null, common "
        "to all specifications"
    )
