"""The page: how worried one should be about each model, from what driftline has published.

It reads the output topics into a view of its own (`view`), a SQLite file of bounded size, and never
asks a worker. `pages` turns the view into HTML, `door` decides who comes in, `acts` publishes what
people decide as lifecycle events, and `live` tells browsers what has changed.
"""
