"""Programs that driftline is measured against, each run by an interpreter of its own.

Nothing imports them but `launch.py`, which runs as a script: the other environments have no
driftline.
"""
