"""What only a service of several replicas has to be told; the rest are the service's own settings."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LOCAL_MODEL = "scale.model:load"


class Options(BaseModel):
    """How many replicas run, and on what; the arguments of `scale.application.build`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replicas: int = Field(
        1, ge=1, le=1000, description="Replicas of the model; the fewest, where max_replicas is more."
    )
    max_replicas: int | None = Field(None, ge=1, le=1000, description="Most replicas; more are started as queues grow.")
    target_waiting: float = Field(
        3.0, gt=0, description="Windows at a replica, waiting or running, that call for one more replica."
    )
    cpus: float = Field(1.0, ge=0, description="CPUs that a replica of the model reserves.")
    gpus: float = Field(0.0, ge=0, description="GPUs that a replica of the model reserves: 0.5 lets two share one.")
    ingresses: int = Field(1, ge=1, le=100, description="Replicas of the HTTP edge; a user's limits count in each.")
    drain_s: float | None = Field(
        None, gt=0, description="Time a stopping replica has to finish requests; default: the deadline plus 5 s."
    )
    busy_s: float = Field(5.0, ge=0, description="How long queues must be long before a replica is added.")
    quiet_s: float = Field(300.0, ge=0, description="How long queues must be short before a replica is stopped.")
    store_bytes: int = Field(2**30, ge=0, description="Most memory for windows that several HTTP edges share.")
    factory: str = Field(
        LOCAL_MODEL, pattern=r"^[\w.]+:\w+$", description="What makes the model of a replica from the settings."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            msg = f"max_replicas is {self.max_replicas}, but {self.replicas} replicas are the fewest"
            raise ValueError(msg)
        return self

    @property
    def scaling(self) -> dict[str, Any]:
        """How the number of the model's replicas is told to Serve."""
        if self.max_replicas is None or self.max_replicas == self.replicas:
            return {"num_replicas": self.replicas}
        return {
            "autoscaling_config": {
                "min_replicas": self.replicas,
                "max_replicas": self.max_replicas,
                "target_ongoing_requests": self.target_waiting,
                "upscale_delay_s": self.busy_s,
                "downscale_delay_s": self.quiet_s,
            }
        }


class Weights(BaseModel):
    """Which checkpoint the replicas run; what is not given is as the service's settings say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checkpoint: str | None = None
    config: str | None = None
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
