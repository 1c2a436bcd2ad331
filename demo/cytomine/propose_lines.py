"""The lines of a search on their way through Core's addition: whole, at once, and with an end that says how it went."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx

from demo.cytomine import refine_problems as problems
from demo.cytomine.refine_problems import Problem

_BEAT_S = 1.0
"""In silence a space goes out this often, which no reader of JSON sees: the caller's end of the line is looked at."""


async def passed_on(answer: httpx.Response, held: AsyncExitStack) -> AsyncIterator[bytes]:
    """Pass the lines on; where the service breaks off, is silent or says no end, a last line says so.

    Parameters
    ----------
    answer : httpx.Response
        Open; its body is not read yet.
    held : AsyncExitStack
        What is closed at the end.
    """
    last = b""
    async with held:
        try:
            async for lines in _with_beats(_whole_lines(answer)):
                last = lines if lines.strip() else last
                yield lines
        except httpx.TimeoutException:
            yield _end(problems.silent())
        except httpx.TransportError:
            yield _end(problems.broken_off())
        else:
            if not _is_end(last):
                yield _end(problems.unfit("Its answer is incomplete."))


async def _whole_lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    begun = b""
    async for part in answer.aiter_raw():
        whole, end, begun = (begun + part).rpartition(b"\n")
        if end:
            yield whole + end
    if begun:
        yield begun + b"\n"


async def _with_beats(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    coming = asyncio.ensure_future(anext(lines, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=_BEAT_S)
            if not done:
                yield b" "
                continue
            if (came := coming.result()) is None:
                return
            yield came
            coming = asyncio.ensure_future(anext(lines, None))
    finally:
        coming.cancel()


def _is_end(lines: bytes) -> bool:
    try:
        end = json.loads(lines.strip().rpartition(b"\n")[2])
    except ValueError:
        return False
    return isinstance(end, dict) and isinstance(end.get("done"), bool)


def _end(problem: Problem) -> bytes:
    return json.dumps({"done": False, "problem": problem.body}).encode() + b"\n"
