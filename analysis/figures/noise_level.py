"""How much noise should a policy have, and does a constant amount do as well as a learned one?

A panel per environment: the normalised return of policies with a constant standard deviation
against that deviation; as bands the learned ones at the same settings. Where the line touches a
band a constant does as well, if one knows which.
"""

from collections.abc import Iterator

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import STUDIES
from reading.outcomes import PRIMARY, WITH
from reading.study import Study
from reading.sweep import MissingDataError

OF = STUDIES
LEVEL = "param.variance.initial_action_std"
_LEARNED = ("learned_global", "learned")


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the figure.

    Raises:
        MissingDataError: no environment has constant deviations of three sizes.
    """
    runs = study.runs[~study.runs["tuning"] & (study.runs["squash"] == "clip")]
    if LEVEL not in runs:
        raise MissingDataError("no run has a noise level of its own")
    runs = runs.assign(level=pd.to_numeric(runs[LEVEL], errors="coerce"))
    constant = runs[(runs["variance"] == "fixed") & runs["level"].notna()]
    several = constant.groupby(["environment", "sweep"])["level"].transform("nunique") > 2
    constant = constant[several]
    if constant.empty:
        raise MissingDataError("no environment has constant deviations of three sizes")
    titles = {n: t for n, t in study.titles().items() if n in set(constant["environment"])}
    data = pd.concat([constant, runs[runs["variance"].isin(_LEARNED)
                                     & runs["environment"].isin(titles)]])  # fmt: skip
    data = data[["environment", "variance", "level", "seed", *PRIMARY]]
    figure = Figure(figsize=(style.PAGE, 4.2))
    axes = figure.subplots(2, len(titles), squeeze=False, sharey="col", sharex="col")
    for column, (environment, title) in enumerate(titles.items()):
        mine = data[data["environment"] == environment]
        axes[0, column].set_title(title)
        for ax, endpoint in zip(axes[:, column], PRIMARY, strict=True):
            fixed = mine[mine["variance"] == "fixed"]
            sns.stripplot(fixed, x="level", y=endpoint, ax=ax, color=style.GREY, size=2.5,
                          native_scale=True, alpha=0.5, jitter=False)  # fmt: skip
            sns.pointplot(fixed, x="level", y=endpoint, ax=ax, color=style.colour("fixed"),
                          errorbar=panels.t_limits, native_scale=True, lw=1.2,
                          markersize=3)  # fmt: skip
            for word, those in mine[mine["variance"] != "fixed"].groupby("variance"):
                low, high = panels.t_limits(those[endpoint])
                ax.axhspan(low, high, color=style.colour(str(word)), alpha=0.25, lw=0, zorder=0)
                ax.axhline(those[endpoint].mean(), color=style.colour(str(word)), lw=1.0)
            ax.set_xscale("log")
            ax.set_xticks(sorted(fixed["level"].unique()))
            ax.xaxis.set_major_formatter(panels.plain())
            ax.minorticks_off()
            ax.set_xlabel("constant noise (half-ranges of the action)")
            ax.set_ylabel(f"normalised return {endpoint}" if column == 0 else "")
    panels.legend(figure, {word: style.colour(word) for word in ("fixed", *_LEARNED)
                           if word in set(data["variance"])})  # fmt: skip
    caption = captions.of_study(
        study,
        f"Normalised return of the last policy, {WITH} above and without below, against the "
        "standard deviation of its action, held constant: dots are seeds, the line their mean with "
        "95% Student-t intervals. Bands: the mean and interval of learned deviations.",
    )
    yield Drawing("noise_level", figure, data, caption)
