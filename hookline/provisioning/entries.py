"""`prefect.yaml` as it is written: its entries and their schedules, without the flows and hooks that they name."""

from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, Self

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import construct_schedule
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hookline.project import CHECKOUT
from hookline.shipped_parts import USE, UnknownPart, used


class Schedule(BaseModel):
    """A schedule, in Prefect's own notation: `cron`, `interval` or `rrule`; `missed` is ours."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    cron: str | None = None
    """Five fields: minute, hour, day of the month, month, day of the week."""
    interval: float | None = None
    """Seconds between two runs."""
    anchor_date: datetime | None = None
    """The moment from which intervals count."""
    rrule: str | None = None
    """A recurrence rule of iCalendar."""
    timezone: str | None = None
    """Such as Europe/Vienna; else UTC."""
    active: bool = True
    slug: str | None = None
    """A name that tells this schedule from others of the deployment."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of these runs, over those of the deployment."""
    missed: Literal["all", "latest", "none"] = "latest"
    """Which of the runs that were missed are made up for."""

    @model_validator(mode="after")
    def _is_one_for_prefect(self) -> Self:
        self.prefect()
        return self

    def prefect(self) -> DeploymentScheduleCreate:
        """Return it in the form of Prefect's API."""
        fields = self.model_dump(exclude_none=True, exclude={"active", "slug", "parameters", "missed"})
        return DeploymentScheduleCreate(
            schedule=construct_schedule(**fields),
            active=self.active,
            slug=self.slug,
            parameters=self.parameters,
        )


class Entries(BaseModel):
    """The deployments of `prefect.yaml`, each as it is written."""

    model_config = ConfigDict(extra="allow")

    deployments: list[Any]


def named(raw: Any) -> tuple[str, str] | None:
    """Return the name and the entrypoint of a run of a deployment as it is written, which may have mistakes."""
    if not isinstance(raw, dict):
        return None
    with suppress(UnknownPart):
        whole = used("workflow", raw)
        entrypoint = str(whole.get("entrypoint"))
        return str(whole.get("name")), entrypoint_of_run(entrypoint, shipped=USE in raw)
    return None


def entrypoint_of_run(entrypoint: str, *, shipped: bool) -> str:
    """Return where a process finds a flow: that of a shipped one stands in Hookline's own folder."""
    return str(CHECKOUT / entrypoint) if shipped else entrypoint
