"""Measurements: throughput against peers, cost as it scales, memory over a long run.

Nothing here is imported by what is measured. Every program runs in a process of its own and says
itself, in one JSON line, what it took between its first event and its last.
"""
