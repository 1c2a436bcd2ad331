"""The loop that every training runs in: steps, epochs, time box, early stop, state on the disk, bars and curves."""

from training.loop.loop import Loop, Task
from training.loop.pace import Pace
from training.loop.state import STATE, Progress, State, write_atomically
from training.loop.stopwatch import Stopwatch

__all__ = ["STATE", "Loop", "Pace", "Progress", "State", "Stopwatch", "Task", "write_atomically"]
