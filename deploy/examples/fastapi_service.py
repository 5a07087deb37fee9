"""A FastAPI service whose predictions go to driftline.

    KAFKA=localhost:9092 uvicorn fastapi_service:app --workers 4
"""

import os
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel

from driftline import AsyncPublisher

publisher = AsyncPublisher(
    os.environ.get("KAFKA", "localhost:9092"),
    model="credit-risk",
    version="3",
    # What cannot be sent while the broker is away; leave it out to keep nothing on disk.
    spool=os.environ.get("SPOOL"),
)


@asynccontextmanager
async def lifespan(_app: FastAPI):
    """Send what waits before the service ends."""
    async with publisher:
        yield


app = FastAPI(lifespan=lifespan)


class Application(BaseModel):
    """What is scored."""

    application_id: str
    age: int
    income: float | None = None
    country: str


@app.post("/score")
@publisher.observe(
    id=lambda given, _: given["application"].application_id,
    features=lambda given, _: given["application"].model_dump(exclude={"application_id"}),
)
async def score(application: Application) -> dict[str, float]:
    """Score an application: the mapping's ``prediction`` is what is published."""
    return {"prediction": 1 / (1 + application.age / 40)}


@app.post("/outcomes/{application_id}")
async def outcome(application_id: str, *, repaid: bool) -> dict[str, bool]:
    """Tell what became of it, weeks later: the label of its prediction."""
    return {"accepted": await publisher.label(application_id, repaid)}


@app.get("/published")
async def published() -> dict[str, int]:
    """Tell what became of the events, for a scraper."""
    counts = publisher.counts
    return {"accepted": counts.accepted, "sent": counts.sent, "dropped": counts.lost}
