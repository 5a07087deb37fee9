"""The five answers of a review, each from what was said and what was measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from driftline.replay.alarms import alarms_in_words
from driftline.replay.durations import how_long
from driftline.replay.review.acting import acting
from driftline.replay.review.evidence import Evidence, day
from driftline.replay.review.going_wrong import going_wrong
from driftline.replay.review.noticing import noticing

if TYPE_CHECKING:
    from driftline.replay.review.facts import Facts

__all__ = ["Answer", "Evidence", "Verdict", "answers"]

Verdict = Literal["good", "look at this", "bad", "cannot be told yet", "nobody has said"]


@dataclass(frozen=True)
class Answer:
    """One question, what is known, and how good that is.

    Attributes
    ----------
    verdict
        ``nobody has said`` where people owe the answer, ``cannot be told yet`` where data do.
    text
        The answer in a sentence or two.
    evidence
        What it rests on, each with where it comes from.
    """

    question: str
    verdict: Verdict
    text: str
    evidence: list[Evidence]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def answers(facts: Facts) -> list[Answer]:
    """Answer what anybody who pays for a model would ask."""
    asked = (
        ("Who owns it, and who monitors it?", _owner),
        ("When was it last retrained, and why?", _retrained),
        ("What decisions does it change, and do they beat what was done before?", acting),
        ("What happens when it is wrong?", going_wrong),
        ("If it were switched off today, who would notice?", noticing),
    )
    return [Answer(question, *answer(facts)) for question, answer in asked]


def _owner(facts: Facts) -> tuple[Verdict, str, list[Evidence]]:
    contract, owner, evidence = facts.contract, facts.contract.owner, []
    confirmed = facts.told("owner_confirmed")
    if confirmed is not None:
        by = f" by {confirmed['by']}" if confirmed["by"] else ""
        evidence.append(Evidence(f"Confirmed{by} on {day(confirmed['at'])}.", "lifecycle"))
    evidence += [
        Evidence(f"{_sentence(event)} ({day(event['time'])})", "feedback")
        for event in facts.fed("contract_violated", "owner_unconfirmed")[-1:]
    ]
    evidence += _monitoring(facts)
    if owner is None or owner.team is None:
        return "nobody has said", "Nobody has said which team answers for it.", evidence
    lacking = [
        words
        for words, given in (
            ("where to reach them", owner.contact),
            ("whom to call when they do not answer", owner.escalation),
            ("what to do when it pages (a runbook)", contract.runbook),
        )
        if given is None
    ]
    whom = f"{owner.team} owns it" + (
        f" and is reached at {owner.contact}" if owner.contact else ""
    )
    if lacking:
        return "look at this", f"{whom}. Nobody has said {', or '.join(lacking)}.", evidence
    overdue = facts.fed("contract_violated", "owner_unconfirmed")
    if overdue and (confirmed is None or confirmed["at"] < overdue[-1]["time"]):
        return "look at this", f"{whom}, but nobody has confirmed that for too long.", evidence
    evidence.insert(0, Evidence(f"Runbook: {contract.runbook}", "contract"))
    if facts.readers == {}:
        return "look at this", f"{whom}, but nobody reads its alerts.", evidence
    return "good", f"{whom}; {owner.escalation} is called when they do not answer.", evidence


def _monitoring(facts: Facts) -> list[Evidence]:
    pages = [i for i in facts.incidents if i.severity == "page"]
    still = [i for i in facts.incidents if i.resolved_at is None]
    allowed = facts.contract.budget.false_pages
    told = [
        Evidence(
            f"driftline watches it. Incidents so far: {len(facts.incidents)}, of which pages: "
            f"{len(pages)}, still open: {len(still)}. It promises at most {allowed.count:g} false "
            f"page{'' if allowed.count == 1 else 's'} in {how_long(allowed.per / 1e6)}.",
            "alerts",
        )
    ]
    alarms = facts.last("alarms")
    if alarms is not None:
        told.append(Evidence(alarms_in_words(alarms), "verdicts"))
    if facts.readers is not None:
        groups = ", ".join(
            f"{name} ({lag:,} not read yet)" for name, lag in sorted(facts.readers.items())
        )
        text = f"Alerts are read by {groups}." if groups else "Nobody reads the alerts."
        told.append(Evidence(text, "consumer groups"))
    return told


def _retrained(facts: Facts) -> tuple[Verdict, str, list[Evidence]]:
    told = [(what, event) for what in ("retrained", "deployed") if (event := facts.told(what))]
    what, last = max(told, key=lambda each: str(each[1]["at"]), default=("", None))
    closed = {event["data"]["request"] for event in facts.fed("retrain_closed")}
    requests = facts.fed("retrain_requested")
    waiting = [event for event in requests if event["id"] not in closed]
    escalated = [e for e in facts.fed("retrain_escalated") if e["data"]["request"] not in closed]
    evidence = [
        Evidence(f"Asked for on {day(e['time'])}{_about(e)}: {e['data']['text']}.", "feedback")
        for e in requests[-3:]
    ]
    evidence += [
        Evidence(f"{day(e['time'])}: {e['data']['text']}.", "feedback")
        for e in facts.fed("retrain_closed")[-2:]
    ]
    evidence += [
        Evidence(f"Escalated on {day(e['time'])}: {e['data']['text']}", "feedback")
        for e in escalated[-1:]
    ]
    history = facts.last("lifecycle")
    if history is not None and history["served"]:
        unknown = sorted(set(history["served"]) - set(history["announced"]))
        text = f"Predictions came from {', '.join(sorted(history['served']))}"
        if history["announced"] and unknown:
            text += f"; nobody has announced {', '.join(unknown)}"
        evidence.append(Evidence(f"{text}.", "predictions"))
    if facts.contract.retrain.max_age is not None:
        most = how_long(facts.contract.retrain.max_age / 1e6)
        evidence.append(Evidence(f"It may become {most} old.", "contract"))
    drifted = facts.open("drift", "missing")
    if drifted:
        names = ", ".join(dict.fromkeys(f for i in drifted for f in i.features[:3]))
        evidence.append(Evidence(f"Its inputs are not what it was built on: {names}.", "alerts"))
    if last is None:
        since = None if history is None else history["since"]
        text = "Nobody has said when it was last retrained"
        text += f"; it has been watched since {day(since)}." if since else "."
        return "nobody has said", text, evidence
    version = f" as {last['version']}" if last["version"] else ""
    by = f" by {last['by']}" if last["by"] else ""
    why = f": {last['why']}" if last["why"] else "; nobody has said why"
    text = f"It was {what} on {day(last['at'])}{version}{by}{why}."
    if escalated:
        return "bad", f"{text} A retraining was asked for since, and nobody has answered.", evidence
    if waiting:
        return "look at this", f"{text} Another one has been asked for.", evidence
    return ("good" if last["why"] else "look at this"), text, evidence


def _about(event: dict[str, Any]) -> str:
    data = event["data"]
    feature = f" of {data['feature']}" if data.get("feature") else ""
    return f" because of {data['why']}{feature}"


def _sentence(event: dict[str, Any]) -> str:
    text = str(event["data"]["text"])
    return f"{text[:1].upper()}{text[1:]}."
