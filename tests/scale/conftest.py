"""Everything here needs Ray; without the extra `scale` it is skipped, saying so."""

from __future__ import annotations

import pytest

pytest.importorskip("ray.serve", reason="Ray is not installed (the extra `scale`)")
