"""What the detectors promise against what they keep, and how soon they see a change.

Traffic is drawn from laws that are known exactly, so that a page on stationary traffic is false by
construction, and the delay of a true one can be set beside the least that any detector needs.
"""
