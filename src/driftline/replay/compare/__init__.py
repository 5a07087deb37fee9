"""Backtests: what several contracts would have paged, side by side, against what is known."""
