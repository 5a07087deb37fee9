"""The dashboard of the workers: whether driftline itself is well."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard as board
from panels import WORKER, choice, frame, lines, number, waves


def workers() -> Any:
    """Return the dashboard of the workers."""
    of = "sum by (instance)"
    made = frame(
        "driftline: workers",
        "driftline-workers",
        "Whether driftline itself is well: is it up, does it keep up, does it save what it knows.",
        "driftline",
    )
    made = made.with_variable(
        choice(
            "instance",
            "Worker",
            'label_values(driftline_build_info{job="$job"}, instance)',
            many=True,
        )
    )
    return (
        made.with_row(board.Row("Is it well"))
        .with_panel(
            number(
                "Workers",
                "Workers that answer and have partitions.",
                "short",
                f"sum(driftline_ready{WORKER})",
                alert="DriftlineGone",
                bad=1,
                bad_below=True,
            )
        )
        .with_panel(
            number(
                "Behind",
                "Wall time minus the event time up to which models have been judged. A minute or so is "
                "usual: slots wait for late events.",
                "s",
                'max(driftline_watermark_delay_seconds{job="$job",instance=~"$instance",stage="detect"})',
                alert="DriftlineBehind",
                bad=900,
            )
        )
        .with_panel(
            number(
                "Lag",
                "Records on the topics that have not been handled.",
                "short",
                f"sum(driftline_lag_records{WORKER})",
                alert="DriftlineLagGrows",
                bad=10_000,
            )
        )
        .with_panel(
            number(
                "Unreadable",
                "Share of what came in that became a dead letter, 15 minutes.",
                "percentunit",
                "driftline:dead_letters:ratio15m",
                alert="DriftlineDeadLetters",
                bad=0.05,
            )
        )
        .with_panel(
            number(
                "Oldest snapshot",
                "What a restart would do again.",
                "s",
                f"max(driftline_snapshot_age_seconds{WORKER})",
                alert="DriftlineSnapshotOld",
                bad=600,
            )
        )
        .with_panel(
            number(
                "Restarts",
                "Of these workers, in a day.",
                "short",
                f"sum(changes(process_start_time_seconds{WORKER}[1d]))",
                alert="DriftlineRestarting",
                bad=3,
            )
        )
        .with_row(board.Row("Does it keep up"))
        .with_panel(
            lines(
                "Records handled",
                "Kafka records (a batch of events may be one).",
                "rps",
                (
                    f"sum by (stage) (rate(driftline_records_total{WORKER}[$__rate_interval]))",
                    "{{stage}}",
                ),
            )
        )
        .with_panel(
            lines(
                "Events by type",
                "What the records held.",
                "eps",
                (
                    f"sum by (type) (rate(driftline_events_total{WORKER}[$__rate_interval]))",
                    "{{type}}",
                ),
            )
        )
        .with_panel(
            lines(
                "Lag by topic",
                "Records that wait.",
                "short",
                (f"sum by (topic) (driftline_lag_records{WORKER})", "{{topic}}"),
                alert="DriftlineLagGrows",
            )
        )
        .with_panel(
            lines(
                "Watermark delay",
                "Wall time minus event time, by the partition that is furthest behind in each stage.",
                "s",
                (f"max by (stage) (driftline_watermark_delay_seconds{WORKER})", "{{stage}}"),
                alert="DriftlineBehind",
            )
        )
        .with_panel(
            waves(
                "Slot close delay",
                "From the end of a slot in event time to its closing in wall time; the contract's "
                "lateness is part of it.",
                "s",
                f"sum by (le) (increase(driftline_slot_close_delay_seconds_bucket{WORKER}[$__rate_interval]))",
                alert="DriftlineBehind",
            )
        )
        .with_panel(
            lines(
                "Stands still",
                "How long the slowest partition with lag has waited.",
                "s",
                (f"driftline_stalled_seconds{WORKER}", "{{instance}}"),
                alert="DriftlineStalled",
            )
        )
        .with_row(board.Row("What comes in"))
        .with_panel(
            lines(
                "Dead letters by reason",
                "Elements that could not be read; their bytes are on `deadletter`.",
                "eps",
                (
                    f"sum by (reason) (rate(driftline_dead_letters_total{WORKER}[$__rate_interval]))",
                    "{{reason}}",
                ),
                alert="DriftlineDeadLetters",
            )
        )
        .with_panel(
            lines(
                "Late and repeated",
                "Events whose slot had closed, and predictions whose id had come before.",
                "eps",
                (f"sum(rate(driftline_late_events_total{WORKER}[$__rate_interval]))", "late"),
                (
                    f"sum(rate(driftline_duplicate_events_total{WORKER}[$__rate_interval]))",
                    "repeated",
                ),
                alert="DriftlineLateEvents",
            )
        )
        .with_row(board.Row("What it costs"))
        .with_panel(
            lines(
                "Time to close a slot",
                "One slot of one model, all its detectors: mean and 99 of 100.",
                "s",
                (
                    f"sum(rate(driftline_slot_seconds_sum{WORKER}[$__rate_interval])) / sum(rate(driftline_slot_seconds_count{WORKER}[$__rate_interval]))",
                    "mean",
                ),
                (
                    f"histogram_quantile(0.99, sum by (le) (rate(driftline_slot_seconds_bucket{WORKER}[$__rate_interval])))",
                    "99 %",
                ),
            )
        )
        .with_panel(
            lines(
                "Time spent",
                "Share of a core in each stage.",
                "percentunit",
                (
                    f"sum by (stage) (rate(driftline_batch_seconds_sum{WORKER}[$__rate_interval]))",
                    "{{stage}}",
                ),
            )
        )
        .with_panel(
            lines(
                "CPU",
                "Cores, by worker.",
                "short",
                (f"rate(process_cpu_seconds_total{WORKER}[$__rate_interval])", "{{instance}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Memory",
                "Resident, by worker.",
                "bytes",
                (f"process_resident_memory_bytes{WORKER}", "{{instance}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Open files",
                "And connections, by worker.",
                "short",
                (f"process_open_fds{WORKER}", "{{instance}}"),
                width=8,
            )
        )
        .with_row(board.Row("Are people told"))
        .with_panel(
            lines(
                "Messages that wait",
                "How long the oldest message that is due has waited, by route.",
                "s",
                ("max by (route) (driftline_notify_waiting_seconds)", "{{route}}"),
                alert="DriftlineNotifyWaiting",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Messages delivered",
                "An hour, by route; heartbeats among them.",
                "short",
                ("sum by (route) (increase(driftline_notify_delivered_total[1h]))", "{{route}}"),
                alert="DriftlineNotifyGone",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Failed and given up",
                "Attempts that failed, and messages that were given up, an hour, by route.",
                "short",
                (
                    "sum by (route) (increase(driftline_notify_failed_total[1h]))",
                    "{{route}} failed",
                ),
                (
                    "sum by (route) (increase(driftline_notify_buried_total[1h]))",
                    "{{route}} given up",
                ),
                alert="DriftlineNotifyBuried",
                width=8,
            )
        )
        .with_row(board.Row("Who does what"))
        .with_panel(
            lines(
                "Partitions",
                "By worker.",
                "short",
                (f"{of} (driftline_partitions{WORKER})", "{{instance}}"),
                alert="DriftlineNotReady",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Assignments",
                "Rebalances that moved partitions, an hour.",
                "short",
                (f"{of} (increase(driftline_assignments_total{WORKER}[1h]))", "{{instance}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Snapshots",
                "Age of the oldest one, by worker.",
                "s",
                (f"max by (instance) (driftline_snapshot_age_seconds{WORKER})", "{{instance}}"),
                alert="DriftlineSnapshotOld",
                width=8,
            )
        )
    )
