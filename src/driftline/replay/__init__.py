"""The pipeline over a topic range or a file, in one process and without Faust.

A *feed* hands over the records of one source in order. The driver runs one observe for each feed
and one detect for all, the same objects that a worker runs, and writes what they say in canonical
order: by event time, then model, then id. The same input gives the same bytes, live or replayed.
"""

from __future__ import annotations
