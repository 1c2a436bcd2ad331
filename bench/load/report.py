"""The answers about many people as sections of a page, and the sizing that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from bench.load import plots
from bench.load.capacity import ENCODE_S, PEOPLE, Findings, Swept
from bench.load.costs import GPU, GPU_DECODE_S, GPU_WINDOWS_PER_S, SPOILT, TISSUE_WINDOW_BYTES, Assumption
from bench.load.notes import Spread
from bench.load.observe import Observed
from bench.load.people import Habits
from bench.load.sizing import Ceiling, Costs, Demand, Need, on_gpu, sizes, wait_p95_s
from bench.page import Plot, Section, Table, shown

USERS = (1, 10, 100, 1_000, 10_000)


def sections_of(found: Findings) -> list[Section]:
    """Give the page's sections."""
    return [
        _overhead(found),
        _replicas(found),
        _sweep(found),
        _prefetch(found),
        _real(found),
        _kill(found),
        _sizing(found),
    ]


def data_of(found: Findings) -> dict[str, Any]:
    """Give what goes into the file for machines."""
    demand, costs, gpu = _inputs(found)
    return {
        "findings": asdict(found),
        "sizing": {
            "demand": asdict(demand),
            "cpu": [asdict(need) for need in sizes(USERS, demand, costs)],
            "gpu": [asdict(need) for need in sizes(USERS, demand, gpu)],
            "assumptions": [asdict(each) for each in assumptions(found)],
        },
    }


def _overhead(found: Findings) -> Section:
    head = ("ms", "plain, median", "p99", "Ray Serve, median", "p99", "more, median", "more, p99", "n")
    rows = tuple(
        (
            each.kind,
            *(_ms(value) for way in (each.plain_s, each.other_s, each.more_s) for value in (way.median, way.p99)),
            str(each.plain_s.n),
        )
        for each in found.overheads
    )
    text = (
        "Dry runs of refines, one at a time, to both deployments in turns; the encoder takes no time, embeddings have "
        '16 MiB, windows 128 px. "More" is the difference of each pair.',
    )
    return Section("What the way through Ray Serve costs a request", text, (Table(head, rows),))


def _replicas(found: Findings) -> Section:
    door_head = ("replicas", "embedding", "windows a second", "over one replica", "median", "p95")
    first = {each.embedding_bytes > 2**22: each.windows_per_s for each in reversed(found.carried)}
    door = tuple(
        (
            str(each.replicas),
            f"{each.embedding_bytes / 2**20:.2g} MiB",
            shown(each.windows_per_s),
            f"{each.windows_per_s / first[each.embedding_bytes > 2**22]:.2f}",
            *_s(each.latency_s, "median", "p95"),
        )
        for each in found.carried
    )
    whole_head = ("replicas", "refines a second", "over one replica", "cores busy", "CPU s a refine", "wrong")
    whole = tuple(
        (
            str(each.replicas),
            shown(each.accepted_per_s),
            f"{each.accepted_per_s / found.busy[0].accepted_per_s:.2f}",
            f"{each.machine_busy:.0%}",
            shown(each.cpu_s_per_refine),
            _wrong(each),
        )
        for each in found.busy
    )
    text = (
        f"An encoder of {ENCODE_S * 1e3:.0f} ms, which takes no core; six callers for each replica, who never think. "
        "First through the model's own door, as the HTTP edge calls it; then whole refines over HTTP, with Core, PIMS, "
        "the edge and the people on the same cores: where those are busy, replicas do not help.",
    )
    plot = Plot("Windows a second by replicas", plots.replicas(found.carried, found.busy))
    tables = (Table(door_head, door), Table(whole_head, whole), _standing(found))
    return Section("What replicas carry", text, tables, (plot,))


def _standing(found: Findings) -> Table:
    """Tell what each deployment takes while nobody asks."""
    head = ("deployment", "model", "ready after", "cores, idle", "memory of its processes")
    rows = {
        (f"{each.target}, {each.replicas}", each.model): (
            f"{each.start_s:.1f} s",
            f"{each.idle_cores:.2f}",
            f"{each.memory_bytes / 2**30:.2g} GiB",
        )
        for each in found.standing
    }
    return Table(head, tuple((*name, *figures) for name, figures in rows.items()))


def _sweep(found: Findings) -> Section:
    head = (
        "deployment", "offered a second", "done a second", "median", "p95", "p95 predicted", "refused",
        "cores busy", "generator late, p99", "n", "wrong",
    )  # fmt: skip
    rows = tuple(
        (
            f"{each.observed.target}, {each.observed.replicas}",
            shown(each.observed.offered_per_s),
            shown(each.observed.accepted_per_s),
            *_s(each.observed.latency_s["refine"], "median", "p95"),
            _seconds(predicted_p95_s(found.swept, each)),
            f"{each.observed.refused:.0%}",
            f"{each.observed.machine_busy:.0%}",
            *_s(each.observed.lag_s, "p99"),
            str(each.observed.latency_s["refine"].n if each.observed.latency_s["refine"] else 0),
            _wrong(each.observed),
        )
        for each in found.swept
    )
    text = (
        "An open load: people come at random, draw one box, refine it and go, whatever the service does. Latency "
        f"counts from the moment the person wanted it. The encoder takes {ENCODE_S * 1e3:.0f} ms, windows have 128 px. "
        "Predicted is the median of the lowest rate and the 95th percentile of the wait by Erlang's C formula with "
        "Allen and Cunneen's correction, from the rate that was offered; it knows nothing of cores, so it is too low "
        "where they are busy, and there is no prediction where the replicas cannot keep up.",
    )
    return Section("Latency by rate", text, (Table(head, rows),), (Plot("Latency by rate", plots.sweep(found.swept)),))


def predicted_p95_s(swept: Sequence[Swept], each: Swept) -> float | None:
    """Predict the 95th percentile of a run from the rate and the calmest run of the same deployment."""
    same = [other for other in swept if _deployment(other) == _deployment(each)]
    calm = min(same, key=lambda other: other.per_s).observed.latency_s["refine"]
    wait_s = wait_p95_s(each.observed.offered_per_s, ENCODE_S, each.observed.replicas)
    return None if calm is None or wait_s == float("inf") else calm.median + wait_s


def _deployment(each: Swept) -> tuple[str, int]:
    return each.observed.target, each.observed.replicas


def _prefetch(found: Findings) -> Section:
    head = (
        "boxes prepared",
        "refines",
        "ready",
        "under way",
        "encoded for the click",
        "median",
        "p95",
        "windows a refine",
        "wrong",
    )
    ways = ((f"{PEOPLE.prefetched:.0%}", found.prefetched), ("none", found.not_prefetched))
    rows = tuple(
        (
            name,
            str(sum(seen.embeddings.values())),
            *(_share(seen.embeddings, kind) for kind in ("ready", "under way", "own")),
            *_s(seen.latency_s["refine"], "median", "p95"),
            shown(windows_per_refine(seen)),
            _wrong(seen),
        )
        for name, seen in ways
        if seen
    )
    text = (
        "Realistic sessions on the plain deployment: boxes, looks, points, second refines; everything at "
        f"{PEOPLE.pace:g} of the usual time, so the encoder's {ENCODE_S * 1e3:.0f} ms have "
        f"{PEOPLE.pace * PEOPLE.press_s:g} s (median) before the click. Windows and embeddings have their real size. "
        "Only the first refine of a box can be prepared: after a point it is the outline's own window that is needed.",
    )
    return Section("What work ahead of the click is worth", text, (Table(head, rows),))


def _real(found: Findings) -> Section:
    head = (
        "deployment",
        "refines a second",
        "median",
        "p95",
        "p99",
        "refused",
        "cores busy",
        "CPU s a refine",
        "n",
        "wrong",
    )
    rows = tuple(
        (
            f"{each.target}, {each.replicas}",
            shown(each.accepted_per_s),
            *_s(each.latency_s["refine"], "median", "p95", "p99"),
            f"{each.refused:.0%}",
            f"{each.machine_busy:.0%}",
            shown(each.cpu_s_per_refine),
            str(each.latency_s["refine"].n if each.latency_s["refine"] else 0),
            _wrong(each),
        )
        for each in found.real
    )
    text = ("The embedded model, float32 on torch, with the same realistic sessions.",)
    return Section("A real, small model", text, (Table(head, rows),))


def _kill(found: Findings) -> Section:
    killed, run = found.killed, found.killed_run
    title = "A replica is killed while people work"
    if killed is None or run is None:
        return Section(title, ("Not asked.",))
    verdict = run.verdict
    share = killed.failed / killed.refines if killed.refines else 0.0
    text = (
        f"One of {killed.replicas} replicas of the model gets SIGKILL while twelve people hurry through boxes. In "
        f"the ten seconds after it {killed.refines} attempts to refine were under way or came: {killed.failed} "
        f"failed ({share:.0%}), {killed.turned_away} were asked to come back. Median latency "
        f"{_median(killed.before_s)} before, {_median(killed.after_s)} in these seconds; people last waited twice the "
        f"usual {killed.slow_until_s:.1f} s after the kill. As many replicas as before were at work "
        + ("not again while we looked." if killed.whole_again_s is None else f"after {killed.whole_again_s:.1f} s."),
        f"In the whole run {verdict.accepted} refines were accepted, {verdict.uncertain} ended without a word or with "
        f"an error; annotations lost: {verdict.annotations_lost}, written twice: {verdict.written_twice}, points lost: "
        f"{verdict.points_lost}, answers not stored: {verdict.not_stored}, mixed up: {verdict.mixed_up}, wrong "
        f"outlines: {verdict.wrong_shape}.",
    )
    return Section(title, text, (), (Plot("Latencies around the kill", plots.kill(killed)),))


def _sizing(found: Findings) -> Section:
    ceiling, (demand, costs, gpu) = Ceiling(), _inputs(found)
    on_cpu, on_gpus = sizes(USERS, demand, costs), sizes(USERS, demand, gpu)
    text = (
        "Concurrent users are people in a session at that moment. There are so many engines that they are busy at most "
        f"{ceiling.utilisation:.0%} of the time and at most one in twenty waits longer than {ceiling.wait_p95_s:g} s "
        f"for one, and so many cores of the HTTP edge that they are busy {ceiling.edge:.0%} of it, each with a "
        "process of its own: Python keeps no more than one busy. Work ahead of the click moves windows to an earlier "
        "moment and saves none, so it is not counted on.",
    )
    known = assumptions(found)
    rows = tuple((each.name, f"{shown(each.value)} {each.unit}".strip(), each.source) for each in known)
    plot = Plot("Needs by users", plots.sizing(USERS, demand, costs, gpu))
    return Section(
        "What so many people need",
        text,
        (sizing_table(on_cpu, on_gpus), Table(("assumption", "value", "source"), rows)),
        (plot,),
    )


def sizing_table(on_cpu: Sequence[Need], on_gpus: Sequence[Need]) -> Table:
    """Put the needs of both engines side by side."""
    head = (
        "users", "refines/s", "windows/s", "GPUs", "busy", "wait p95", "or replicas on CPU", "edge cores",
        "PIMS, Mbit/s", "Core reads/s", "Core writes/s", "embeddings at work",
    )  # fmt: skip
    rows = tuple(
        (
            f"{need.users:,}",
            shown(need.refines_per_s),
            shown(need.windows_per_s),
            f"{need.engines:,}",
            f"{need.utilisation:.0%}",
            _seconds(need.wait_p95_s),
            f"{slow.engines:,}",
            shown(need.edge_cores),
            shown(need.pims_mbit_per_s),
            shown(need.core_reads_per_s),
            shown(need.core_writes_per_s),
            f"{need.embeddings_bytes / 2**30:.2g} GiB",
        )
        for slow, need in zip(on_cpu, on_gpus, strict=True)
    )
    return Table(head, rows)


def assumptions(found: Findings) -> list[Assumption]:
    """List what the sizing counts with."""
    demand, costs, _ = _inputs(found)
    habits, here, guessed = Habits(), "measured in this run", "guessed"
    rows = (
        ("boxes of one person", 60 * demand.boxes_per_s, "a minute", "the habits below, and the answers' time"),
        ("time to draw a box, median", habits.draw_s, "s", "Papadopoulos et al., ICCV 2017"),
        ("time to set a point, median", habits.point_s, "s", "Bearman et al., ECCV 2016"),
        ("from the box to the button, median", habits.press_s, "s", guessed),
        ("from the outline to the next wish, median", habits.inspect_s, "s", guessed),
        ("spread of these times, sigma of their logarithm", habits.spread, "", guessed),
        ("refines of a box", demand.refines_per_box, "", f"{guessed}: {habits.again:.0%} want another one"),
        ("windows of a refine", demand.windows_per_refine, "", f"{here}, with work ahead of the click"),
        ("prepared boxes that nobody refines", SPOILT, "of the boxes", guessed),
        ("encoder on a GPU", GPU_WINDOWS_PER_S, "windows/s", GPU),
        ("decoder on a GPU", GPU_DECODE_S, "s", GPU),
        (f"encoder on CPU ({found.engine.name})", found.engine.encode_s, "s", found.engine.source),
        ("decoder on CPU", found.engine.decode_s, "s", found.engine.source),
        ("CPU of a refine outside the model", costs.edge_cpu_s, "s", f"{here}: plain, and what Ray Serve adds"),
        (
            "bytes of a window",
            TISSUE_WINDOW_BYTES,
            "",
            "PNG of 1024 px of CMU-1-Small-Region.svs, mean of ten",
        ),
        ("the same of people's boxes on the drawn slide", _mean_bytes(found), "", f"{here}; not used"),
        ("reads from Core for a refine", costs.core_reads, "", here),
        ("writes to Core for a refine", costs.core_writes, "", f"{here}, deleted points included"),
        ("an embedding", costs.embedding_bytes / 2**20, "MiB", "Hiera-B+, float32"),
        ("slides' popularity, exponent", habits.zipf, "", "Breslau et al., INFOCOM 1999; changes no figure here"),
    )
    return [Assumption(*row) for row in rows]


def windows_per_refine(seen: Observed) -> float:
    """Give how many windows were read for one accepted refine, those ahead of the click included."""
    return seen.asked.windows / seen.verdict.accepted if seen.verdict.accepted else float("nan")


def _inputs(found: Findings) -> tuple[Demand, Costs, Costs]:
    seen = found.prefetched
    if seen is None or not seen.verdict.accepted:
        raise ValueError("The sizing needs the run of realistic people.")
    accepted = seen.verdict.accepted
    latency = seen.latency_s["refine"]
    costs = Costs(
        encode_s=found.engine.encode_s,
        decode_s=found.engine.decode_s,
        edge_cpu_s=seen.cpu_s_per_refine + _more_cpu_s(found),
        window_bytes=TISSUE_WINDOW_BYTES,
        core_reads=seen.asked.core_reads / accepted,
        core_writes=seen.asked.core_writes / accepted,
        embedding_bytes=16 * 2**20,
    )
    answer_s = latency.median if latency else ENCODE_S
    demand = Demand.of(Habits(), windows_per_refine(seen), answer_s, SPOILT)
    return demand, costs, on_gpu(costs, GPU_WINDOWS_PER_S, GPU_DECODE_S)


def _more_cpu_s(found: Findings) -> float:
    """Give what Ray Serve adds to a refine's processor time: one replica kept busy, beside plain at the same rates."""
    plain = [each.observed.cpu_s_per_refine for each in found.swept if each.observed.target == "plain"]
    other = [each.cpu_s_per_refine for each in found.busy if each.replicas == 1]
    return max(0.0, float(np.mean(other)) - float(np.mean(plain))) if plain and other else 0.0


def _mean_bytes(found: Findings) -> float:
    return found.window_bytes.median if found.window_bytes else float("nan")


def _wrong(seen: Observed) -> str:
    """Name what the verdict found, nothing if it is clean."""
    counts = {name.replace("_", " "): count for name, count in asdict(seen.verdict).items()}
    wrong = [f"{name}: {count}" for name, count in counts.items() if count and name not in {"accepted", "uncertain"}]
    return ", ".join(wrong) or "none"


def _share(counts: dict[str, int], name: str) -> str:
    return f"{counts.get(name, 0) / max(1, sum(counts.values())):.0%}"


def _s(found: Spread | None, *names: str) -> tuple[str, ...]:
    return tuple(_seconds(getattr(found, name)) if found else "" for name in names)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} s" if value >= 100 else f"{value:.2f} s"


def _ms(value: float) -> str:
    return f"{value * 1e3:.1f}"


def _median(found: Spread | None) -> str:
    return f"{found.median:.2f} s" if found else "unknown"
