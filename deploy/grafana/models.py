"""The dashboard of the models: what driftline says of them, and whether it keeps its promise."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard as board
from panels import MODEL, choice, frame, lines, number, rows

FALSE = '{job="$job",model=~"$model",verdict="false"}'
VERDICTS = {
    "true": "judged true",
    "false": "judged false",
    "expected": "judged expected",
    "unjudged": "not judged",
}


def models() -> Any:
    """Return the dashboard of the models."""
    made = frame(
        "driftline: models",
        "driftline-models",
        "What driftline says of the models, and whether it keeps what it promised. Incidents themselves are on its page.",
        "driftline",
    )
    made = made.with_variable(
        choice(
            "model", "Model", 'label_values(driftline_pages_promised{job="$job"}, model)', many=True
        )
    )
    return (
        made.with_row(board.Row("Now"))
        .with_panel(
            number(
                "Pages open",
                "Incidents that somebody is to look at now.",
                "short",
                'sum(driftline_incidents_open{job="$job",model=~"$model",severity="page"})',
                bad=1,
            )
        )
        .with_panel(
            number(
                "Notices open",
                "Incidents that wake nobody.",
                "short",
                'sum(driftline_incidents_open{job="$job",model=~"$model",severity="notice"})',
            )
        )
        .with_panel(
            number(
                "Models judged",
                "Models that have a reference, in all workers.",
                "short",
                'sum(driftline_models{job="$job",state="watched"})',
            )
        )
        .with_panel(
            number(
                "Still warming up",
                "Models whose reference is being collected: nothing is judged yet.",
                "short",
                'sum(driftline_models{job="$job",state="warming_up"})',
            )
        )
        .with_panel(
            number(
                "Drills failed",
                "Planted shifts that did not ring, 30 days.",
                "short",
                'round(sum(increase(driftline_drills_total{job="$job",model=~"$model",outcome="failed"}[30d])))',
                alert="DriftlineDrillFailed",
                bad=1,
            )
        )
        .with_panel(
            number(
                "Promises broken",
                "Models with more pages judged false in 30 days than their contract allows.",
                "short",
                f"count(sum by (model) (driftline_pages_raised{FALSE}) > sum by (model) (driftline_pages_promised{MODEL})) or vector(0)",
                alert="DriftlinePromiseBroken",
                bad=1,
            )
        )
        .with_row(board.Row("Promise and achievement"))
        .with_panel(
            rows(
                "In 30 days",
                "False pages that the contract allows, pages of the last 30 days of event time, and what people said of them. `other` is all models beyond `health.models`.",
                "short",
                (f"sum by (model) (driftline_pages_promised{MODEL})", "false pages promised"),
                (f"sum by (model) (driftline_pages_raised{MODEL})", "pages"),
                *(
                    (
                        f'sum by (model) (driftline_pages_raised{{job="$job",model=~"$model",verdict="{verdict}"}})',
                        title,
                    )
                    for verdict, title in VERDICTS.items()
                ),
                alert="DriftlinePromiseBroken",
            )
        )
        .with_panel(
            lines(
                "Pages in 30 days",
                "By model: those of the last 30 days of event time, as time goes on.",
                "short",
                (f"sum by (model) (driftline_pages_raised{MODEL})", "{{model}}"),
            )
        )
        .with_panel(
            lines(
                "Incidents open",
                "By model.",
                "short",
                (
                    f"sum by (model, severity) (driftline_incidents_open{MODEL})",
                    "{{model}}, {{severity}}",
                ),
            )
        )
        .with_row(board.Row("What it told"))
        .with_panel(
            lines(
                "Alerts",
                "Changes of incidents, an hour.",
                "short",
                (
                    'sum by (state, severity) (increase(driftline_alerts_total{job="$job"}[1h]))',
                    "{{severity}} {{state}}",
                ),
            )
        )
        .with_panel(
            lines(
                "Feedback",
                "What it asked of other systems, an hour.",
                "short",
                ('sum by (kind) (increase(driftline_feedback_total{job="$job"}[1h]))', "{{kind}}"),
            )
        )
        .with_row(board.Row("Do the alarms work"))
        .with_panel(
            lines(
                "Drills",
                "Planted shifts by how they ended, a day.",
                "short",
                (f"sum by (outcome) (increase(driftline_drills_total{MODEL}[1d]))", "{{outcome}}"),
                alert="DriftlineDrillFailed",
            )
        )
        .with_panel(
            lines(
                "Drills that wait",
                "Due or under way; for a day, that is too long.",
                "short",
                (f"max by (model) (driftline_drill_due{MODEL})", "{{model}}"),
                alert="DriftlineDrillOverdue",
            )
        )
    )
