"""An MLflow pyfunc model whose predictions go to driftline, wherever it is served.

    python mlflow_model.py model && mlflow models serve -m model --env-manager local
"""

import os
import sys

import mlflow.pyfunc
import pandas as pd

from driftline import Publisher


class CreditRisk(mlflow.pyfunc.PythonModel):
    """Scores a table of applications; the column ``application_id`` is no feature."""

    def load_context(self, context) -> None:
        """Make the publisher where the model is served: it is no part of the model."""
        publisher = Publisher(
            os.environ.get("KAFKA", "localhost:9092"),
            model="credit-risk",
            version="3",
            spool=os.environ.get("SPOOL"),
        )
        observed = publisher.observe(
            rows=True,
            id=lambda given, _: given["applications"]["application_id"],
            features=lambda given, _: given["applications"].drop(columns="application_id"),
        )
        self.publisher = publisher
        self.score = observed(self._score)

    def predict(self, context, model_input: pd.DataFrame, params: dict | None = None) -> pd.Series:
        """Answer a request."""
        return self.score(model_input)

    def _score(self, applications: pd.DataFrame) -> pd.Series:
        return 1 / (1 + applications["age"] / 40)


if __name__ == "__main__":
    mlflow.pyfunc.save_model(
        sys.argv[1], python_model=CreditRisk(), pip_requirements=["driftline", "pandas"]
    )
