"""What goes over the wire."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

SensorName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class NewReading(BaseModel):
    sensor: SensorName
    celsius: float = Field(ge=-90, le=70)
    taken: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class Reading(NewReading):
    id: int


class Summary(BaseModel):
    sensor: SensorName
    count: int
    lowest: float
    highest: float
    mean: float
