"""What the tests beside coefficients are called in print."""

from __future__ import annotations

import re

LABELS = {
    # of a model's own assumptions
    "hansen_j": "Hansen J",
    "sargan": "Sargan",
    "wald_time": "time effects are zero, Wald",
    "hausman": "Hausman",
    "hausman_robust": "Hausman, robust",
    "overidentification_score": "instruments to spare, score",
    "nickell_bias": "Nickell bias",
    "anderson_rubin": "Anderson-Rubin",
    "effective_f": "effective F",
    "effective_sectors": "effective sectors",
    "rotemberg_negative": "negative Rotemberg weights",
    # of equal slopes
    "swamy_homogeneity": "equal slopes, Swamy",
    "pesaran_yamagata_delta": "Pesaran-Yamagata",
    "pesaran_yamagata_delta_adj": "adjusted",
    "pesaran_yamagata_treatment": "of the treatment alone",
    "prediction_gain": "own slopes predict alike",
    # of event studies
    "pre_trend": "no difference before, joint",
    "pre_trend_slope": "no slope before",
    "adoption_follows_outcome": "adoption unrelated to the outcome",
    # of dependence
    "pesaran_cd": "Pesaran CD",
    "pesaran_cd_unit_regressions": "Pesaran CD, units' own regressions",
    "weighted_cd": "CD, weighted",
    "breusch_pagan_lm": "Breusch-Pagan LM",
    "scaled_lm": "scaled LM",
    "bias_corrected_scaled_lm": "scaled LM, bias corrected",
    "morans_i": "Moran's I",
    "morans_i_residuals": "Moran's I of residuals",
    "lm_lag": "LM, spatial lag",
    "lm_error": "LM, spatial error",
    "robust_lm_lag": "LM, spatial lag, robust",
    "robust_lm_error": "LM, spatial error, robust",
    "lm_sarma": "LM, spatial lag and error",
    "serial_correlation": "no serial correlation",
    "wooldridge_within": "serial correlation, Wooldridge, within",
    "wooldridge_differences_uncorrelated": "uncorrelated differences, Wooldridge",
    "wooldridge_levels_uncorrelated": "uncorrelated levels, Wooldridge",
    "wooldridge_effects": "no unit effects, Wooldridge",
    "bhargava_durbin_watson": "Durbin-Watson, Bhargava et al.",
    "baltagi_wu_lbi": "Baltagi-Wu LBI",
    "baltagi_li_joint": "no effects, no serial correlation, Baltagi-Li",
    # of effects
    "breusch_pagan_unit": "no unit effects, Breusch-Pagan",
    "breusch_pagan_time": "no time effects, Breusch-Pagan",
    "breusch_pagan_two_way": "no effects, Breusch-Pagan",
    "honda_unit": "no unit effects, Honda",
    "honda_time": "no time effects, Honda",
    "honda_two_way": "no effects, Honda",
    "f_unit_effects": "no unit effects, F",
    "f_time_effects": "no time effects, F",
    "f_two_way_effects": "no effects, F",
    "f_time_given_unit_effects": "no time effects beside unit effects, F",
    "poolability_slopes": "the same slopes, F",
    "poolability_all": "the same slopes and constants, F",
    "king_wu_two_way": "no effects, King-Wu",
    "gourieroux_holly_monfort": "no effects, Gourieroux-Holly-Monfort",
    # of sensitivity
    "robustness_value": "robustness value",
    "robustness_value_5pct": "robustness value at 5 %",
    "oster_delta": "Oster's delta",
    "leave_out_lowest": "lowest without a group",
    "leave_out_highest": "highest without a group",
    "leave_out_range": "range without a group",
    "largest_influence": "largest influence of a group",
    "placebo_lead": "placebo, the treatment to come",
    "placebo_outcome": "placebo, another outcome",
    "equivalence": "inside the margin, two one-sided tests",
    "minimum_detectable": "smallest coefficient that would be found",
}
CASES = {
    "none": "no constant", "drift": "constant", "trend": "trend", "constant": "constant",
}  # fmt: skip
PATTERNS = (
    (re.compile(r"difference_in_hansen: (.+)"), "difference in Hansen, {}"),
    (re.compile(r"benchmark (.+)"), "left by an omitted variable like {}"),
    (re.compile(r"honest_mbar_(.+)"), "M-bar that the {} coefficient survives"),
    (re.compile(r"rotemberg (.+)"), "Rotemberg weight of {}"),
    (re.compile(r"cips_(.+)"), "unit root, CIPS, {}"),
    (re.compile(r"im_pesaran_shin_(.+)"), "unit root, Im-Pesaran-Shin, {}"),
    (re.compile(r"maddala_wu_(.+)"), "unit root, Maddala-Wu, {}"),
    (re.compile(r"levin_lin_chu_(.+)"), "unit root, Levin-Lin-Chu, {}"),
    (re.compile(r"ar(\d+)"), "AR({})"),
)


def known_name(name: str) -> str | None:
    """A test in words; None for one that nobody has worded."""
    if name in LABELS:
        return LABELS[name]
    for pattern, words in PATTERNS:
        found = pattern.fullmatch(name)
        if found:
            return words.format(CASES.get(found[1], found[1]))
    return None


def name_in_words(name: str) -> str:
    """The same, or the name itself as words."""
    return known_name(name) or name.replace("_", " ")
