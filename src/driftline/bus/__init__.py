"""The bus: Faust and Kafka around the pure pipeline.

Nothing outside this room knows Faust. `driftline.bus.reader` and `driftline.bus.config` are what
other rooms use of it.
"""
