"""Telling people: alerts in, messages out to Slack, webhooks, Alertmanager, PagerDuty and mail.

`Desk` compares what each route has been told of each cause with what is so now, and says what is
to be sent and when; it is pure. A courier for each route sends, waits and tries again, and keeps
what cannot be delivered. `run` ties both to the `alerts` topic.
"""

from __future__ import annotations
