"""Looks at an installation from where the service runs, and says what to do about what is wrong."""

from app.doctor.checks import examine
from app.doctor.finding import Finding

__all__ = ["Finding", "examine"]
