"""driftline watches deployed models from the event bus.

It says when the data moved, when the system around a model broke, and when nobody acts on the
predictions any more; and it proves that its own alarms work.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
