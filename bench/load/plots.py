"""The pictures of the capacity page."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from bench.load.capacity import ENCODE_S, Swept
from bench.load.carried import Carried
from bench.load.failure import Killed
from bench.load.observe import Observed
from bench.load.sizing import Costs, Demand, sizes, wait_p95_s
from bench.page import png_of

_COLORS = ("#3366cc", "#cc3366", "#339966", "#997700", "#6644aa")


def replicas(carried: Sequence[Carried], busy: Sequence[Observed]) -> bytes:
    """Draw throughput by replicas, beside what the encoder alone allows."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    most = max(each.replicas for each in carried)
    axes.plot([1, most], [1 / ENCODE_S, most / ENCODE_S], "--", color="#888", label="the encoder alone")
    for color, large in zip(_COLORS, (False, True), strict=False):
        same = [each for each in carried if (each.embedding_bytes > 2**22) == large]
        name = f"the model's door, embeddings of {same[0].embedding_bytes / 2**20:.2g} MiB" if same else ""
        axes.plot([e.replicas for e in same], [e.windows_per_s for e in same], "o-", color=color, label=name)
    rates = [each.accepted_per_s for each in busy]
    axes.plot([each.replicas for each in busy], rates, "s-", color=_COLORS[2], label="whole refines over HTTP")
    axes.set(xlabel="replicas of the model", ylabel="a second", ylim=(0, None), xticks=range(1, most + 1))
    axes.legend()
    return png_of(figure)


def sweep(swept: Sequence[Swept]) -> bytes:
    """Draw the latency of each deployment by the rate that was offered, and what the formula says."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    names = list(dict.fromkeys((each.observed.target, each.observed.replicas) for each in swept))
    for color, (target, count) in zip(_COLORS, names, strict=False):
        same = [each.observed for each in swept if (each.observed.target, each.observed.replicas) == (target, count)]
        points = [(each.offered_per_s, each.latency_s["refine"]) for each in same]
        known = sorted((rate, latency.p95, latency.median) for rate, latency in points if latency)
        rates, p95, medians = zip(*known, strict=True)
        axes.plot(rates, p95, "o-", color=color, label=f"{target}, {count}: 95 %")
        axes.plot(rates, medians, "o:", color=color, alpha=0.6, label=f"{target}, {count}: median")
        finer = np.linspace(rates[0], max(rates[-1], rates[0] + 0.1), 200)
        predicted = [medians[0] + wait_p95_s(rate, ENCODE_S, count) for rate in finer]
        axes.plot(finer, predicted, "--", color=color, alpha=0.5)
    axes.set(xlabel="refines offered a second", ylabel="seconds from wish to answer", yscale="log")
    axes.set_ylim(0.1, 60)
    axes.legend(title="dashed: 95 % predicted", fontsize="small")
    axes.grid(visible=True, which="both", alpha=0.2)
    return png_of(figure)


def kill(killed: Killed) -> bytes:
    """Draw every refine around the kill."""
    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    kinds: dict[str, list[tuple[float, float]]] = {"accepted": [], "asked to come back": [], "failed": []}
    for wished_s, latency_s, status in killed.trace:
        kind = "accepted" if 200 <= status < 300 else "asked to come back" if status in {429, 503} else "failed"
        kinds[kind].append((wished_s, latency_s))
    for (name, places), color in zip(kinds.items(), ("#3366cc", "#997700", "#cc3366"), strict=True):
        if places:
            moments, latencies = zip(*places, strict=True)
            axes.scatter(moments, latencies, s=14, color=color, label=name)
    axes.axvline(0, color="#cc3366", linestyle="--")
    if killed.whole_again_s is not None:
        axes.axvline(killed.whole_again_s, color="#339966", linestyle="--", label="all replicas at work again")
    axes.set(xlabel="seconds since the kill", ylabel="latency, s", ylim=(0, None))
    axes.legend(fontsize="small")
    return png_of(figure)


def sizing(users: Sequence[int], demand: Demand, costs: Costs, gpu: Costs) -> bytes:
    """Draw what so many people need, on logarithmic axes."""
    counts = np.unique(np.geomspace(users[0], users[-1], 60).astype(int)).tolist()
    slow, fast = sizes(counts, demand, costs), sizes(counts, demand, gpu)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(counts, [need.engines for need in fast], color=_COLORS[0], label="GPUs")
    left.plot(counts, [need.engines for need in slow], color=_COLORS[1], label="or replicas on CPU")
    left.plot(counts, [max(1.0, need.edge_cores) for need in fast], color=_COLORS[2], label="cores of the HTTP edge")
    right.plot(counts, [need.pims_mbit_per_s for need in fast], color=_COLORS[3], label="from PIMS, Mbit/s")
    right.plot(counts, [need.core_reads_per_s for need in fast], color=_COLORS[0], label="reads from Core a second")
    right.plot(counts, [need.core_writes_per_s for need in fast], color=_COLORS[1], label="writes to Core a second")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="concurrent users")
        axes.grid(visible=True, which="both", alpha=0.2)
        axes.legend()
    return png_of(figure)
