"""Ridge regression: the model that simulated retrainings make."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["fit", "predict"]

Floats = npt.NDArray[np.float64]

PENALTY = 1.0


def fit(x: Floats, y: Floats) -> Floats:
    """Fit labels, shape (n,), to features, shape (n, k); return weights, the level first.

    Time O(n k² + k³).
    """
    mean, level = x.mean(axis=0), y.mean()
    centred = x - mean
    slope = np.linalg.solve(
        centred.T @ centred + PENALTY * np.eye(x.shape[1]), centred.T @ (y - level)
    )
    return np.concatenate([[level - mean @ slope], slope])


def predict(weights: Floats, x: Floats) -> Floats:
    """Return predictions of shape (n,) for features of shape (n, k)."""
    return np.asarray(weights[0] + x @ weights[1:])
