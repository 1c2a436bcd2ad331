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
    head = ("ms", "plain, median", "p99", "Ray Serve, median", "p99", "added, median", "added, p99", "n")
    rows = tuple(
        (
            each.kind,
            *(_ms(value) for way in (each.plain_s, each.other_s, each.more_s) for value in (way.median, way.p99)),
            str(each.plain_s.n),
        )
        for each in found.overheads
    )
    text = (
        "Dry runs of refines, one at a time, alternating between both deployments. The encoder takes no time,"
        ' embeddings have 16 MiB, windows 128 px. "Added" is the difference within each pair.',
    )
    return Section("What Ray Serve adds to a request", text, (Table(head, rows),))


def _replicas(found: Findings) -> Section:
    door_head = ("replicas", "embedding", "windows/s", "relative to one replica", "median", "p95")
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
    whole_head = ("replicas", "refines/s", "relative to one replica", "cores busy", "CPU s per refine", "wrong")
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
        f"The encoder takes {ENCODE_S * 1e3:.0f} ms and no core; each replica has six callers that send their next "
        "request at once. The first table calls the model directly, as the HTTP edge does. The second has complete "
        "refines over HTTP, with Core, PIMS, the edge and the simulated users on the same cores; when those are busy, "
        "more replicas do not help.",
    )
    plot = Plot("Windows per second by replicas", plots.replicas(found.carried, found.busy))
    tables = (Table(door_head, door), Table(whole_head, whole), _standing(found))
    return Section("Throughput by number of replicas", text, tables, (plot,))


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
        "deployment", "offered/s", "done/s", "median", "p95", "p95 predicted", "refused",
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
        "An open load: users arrive at random, draw one box, refine it and leave, whatever the service does. Latency"
        " is measured from the moment at which the user wanted to refine. The encoder takes "
        f"{ENCODE_S * 1e3:.0f} ms, windows have 128 px. "
        "\"Predicted\" adds the 95th percentile of the wait (Erlang's C formula with Allen and Cunneen's correction,"
        " at the offered rate) to the median at the lowest rate. It ignores cores, so it is too low when they are busy,"
        " and it is missing where the replicas cannot keep up.",
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
        "encoded after the click",
        "median",
        "p95",
        "windows per refine",
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
        "Realistic sessions on the plain deployment: users draw boxes, look, set points and refine again. Everything "
        f"takes {PEOPLE.pace:g} of the usual time, so the encoder's {ENCODE_S * 1e3:.0f} ms have "
        f"{PEOPLE.pace * PEOPLE.press_s:g} s (median) before the click. Windows and embeddings have their real size. "
        "Only the first refine of a box can be prepared; after a point, the outline's own window is needed.",
    )
    return Section("What encoding ahead of the click gains", text, (Table(head, rows),))


def _real(found: Findings) -> Section:
    head = (
        "deployment",
        "refines/s",
        "median",
        "p95",
        "p99",
        "refused",
        "cores busy",
        "CPU s per refine",
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
    text = ("The embedded model, in float32 with torch, with the same realistic sessions.",)
    return Section("A real, small model", text, (Table(head, rows),))


def _kill(found: Findings) -> Section:
    killed, run = found.killed, found.killed_run
    title = "A replica is killed under load"
    if killed is None or run is None:
        return Section(title, ("Not measured.",))
    verdict = run.verdict
    share = killed.failed / killed.refines if killed.refines else 0.0
    text = (
        f"One of {killed.replicas} replicas of the model is killed (SIGKILL) while twelve users work without a pause. "
        f"In the ten seconds after that, {killed.refines} refines were running or arrived: {killed.failed} failed "
        f"({share:.0%}), and {killed.turned_away} were told to retry. The median latency was "
        f"{_median(killed.before_s)} before and {_median(killed.after_s)} in these ten seconds; the last wait of more "
        f"than twice the usual length was {killed.slow_until_s:.1f} s after the kill. "
        + (
            "The lost replica was not replaced during the run."
            if killed.whole_again_s is None
            else f"All replicas were back after {killed.whole_again_s:.1f} s."
        ),
        f"In the whole run, {verdict.accepted} refines were accepted and {verdict.uncertain} ended without an answer"
        f" or with an error. Annotations lost: {verdict.annotations_lost}; written twice: {verdict.written_twice};"
        f" points lost: {verdict.points_lost}; answers not stored: {verdict.not_stored}; mixed up: {verdict.mixed_up};"
        f" wrong outlines: {verdict.wrong_shape}.",
    )
    return Section(title, text, (), (Plot("Latencies around the kill", plots.kill(killed)),))


def _sizing(found: Findings) -> Section:
    ceiling, (demand, costs, gpu) = Ceiling(), _inputs(found)
    on_cpu, on_gpus = sizes(USERS, demand, costs), sizes(USERS, demand, gpu)
    text = (
        "Users are people who are in a session at the same time. The number of engines is chosen so that they are busy "
        f"at most {ceiling.utilisation:.0%} of the time and at most one request in twenty waits longer than "
        f"{ceiling.wait_p95_s:g} s. The cores of the HTTP edge are busy at most {ceiling.edge:.0%} of the time; each "
        "has its own process, because a Python process keeps only one core busy. Encoding ahead of the click only"
        " moves work to an earlier moment, so it is not counted as a saving.",
    )
    known = assumptions(found)
    rows = tuple((each.name, f"{shown(each.value)} {each.unit}".strip(), each.source) for each in known)
    plot = Plot("Needs by users", plots.sizing(USERS, demand, costs, gpu))
    return Section(
        "Resources by number of users",
        text,
        (sizing_table(on_cpu, on_gpus), Table(("assumption", "value", "source"), rows)),
        (plot,),
    )


def sizing_table(on_cpu: Sequence[Need], on_gpus: Sequence[Need]) -> Table:
    """Put the needs of both engines side by side."""
    head = (
        "users", "refines/s", "windows/s", "GPUs", "busy", "wait p95", "or CPU replicas", "edge cores",
        "PIMS, Mbit/s", "Core reads/s", "Core writes/s", "embeddings in use",
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
        ("boxes per person", 60 * demand.boxes_per_s, "a minute", "from the habits below and the response time"),
        ("time to draw a box, median", habits.draw_s, "s", "Papadopoulos et al., ICCV 2017"),
        ("time to set a point, median", habits.point_s, "s", "Bearman et al., ECCV 2016"),
        ("time from box to button, median", habits.press_s, "s", guessed),
        ("time from outline to next action, median", habits.inspect_s, "s", guessed),
        ("spread of these times, sigma of their logarithm", habits.spread, "", guessed),
        ("refines per box", demand.refines_per_box, "", f"{guessed}: {habits.again:.0%} refine again"),
        ("windows per refine", demand.windows_per_refine, "", f"{here}, with encoding ahead of the click"),
        ("prepared boxes that are never refined", SPOILT, "of the boxes", guessed),
        ("encoder on a GPU", GPU_WINDOWS_PER_S, "windows/s", GPU),
        ("decoder on a GPU", GPU_DECODE_S, "s", GPU),
        (f"encoder on CPU ({found.engine.name})", found.engine.encode_s, "s", found.engine.source),
        ("decoder on CPU", found.engine.decode_s, "s", found.engine.source),
        (
            "CPU of a refine outside the model",
            costs.edge_cpu_s,
            "s",
            f"{here}: plain deployment plus what Ray Serve adds",
        ),
        (
            "bytes per window",
            TISSUE_WINDOW_BYTES,
            "",
            "PNG of 1024 px of CMU-1-Small-Region.svs, mean of 10",
        ),
        ("bytes per window for boxes on the drawn slide", _mean_bytes(found), "", f"{here}; not used"),
        ("reads from Core per refine", costs.core_reads, "", here),
        ("writes to Core per refine", costs.core_writes, "", f"{here}, including deleted points"),
        ("size of an embedding", costs.embedding_bytes / 2**20, "MiB", "Hiera-B+, float32"),
        ("exponent of the slides' popularity", habits.zipf, "", "Breslau et al., INFOCOM 1999; affects no figure here"),
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
