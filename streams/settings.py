"""Every setting, once. Values enter here from the environment (prefix TWINSTREAM_); all else gets arguments."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The settings. The defaults run the demo."""

    model_config = SettingsConfigDict(env_prefix="TWINSTREAM_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path(".twinstream"), description="Where the embedded PostgreSQL keeps its data.")
    database: SecretStr | None = Field(
        None, description="postgresql:// address of the ledger. None: the embedded PostgreSQL in data_dir."
    )
    broker: str | None = Field(None, description="kafka://host:port. None: the topic log in the database.")
    group: str = Field("twinstream", description="Consumer group, and the name of the worker's lock.")
    instance: str | None = Field(
        None,
        description="Static member id on Kafka: a worker back under the same id takes its partitions back at once.",
    )
    bioreactor_config: Path | None = Field(
        None, description="JSON file: model, parameters and limits of the bioreactor twins."
    )
    enrollment_config: Path | None = Field(None, description="JSON file: the configuration of the enrollment twins.")
    supply_config: Path | None = Field(None, description="JSON file: the configuration of the supply twins.")
    families: tuple[str, ...] = Field(
        (), description="Twin kinds that a worker folds (JSON list); none: all that this installation knows."
    )
    pseudonym_key_file: Path | None = Field(
        None, description="File with the secret under which subjects of trials get their pseudonyms."
    )
    api_host: str = Field(
        "127.0.0.1", description="Address the API listens on. Any other than loopback demands API keys."
    )
    api_port: int = Field(8080, ge=0, le=65535, description="Port of the API and dashboard.")
    api_hosts: tuple[str, ...] = Field(
        (), description="Names, beside loopback's own, under which browsers may address the API (JSON list)."
    )
    api_keys_file: Path | None = Field(None, description="File of hashed API keys, one a line.")
    epcis_identify: Path | None = Field(
        None, description="JSON file: which identifiers of EPCIS events captured over HTTP name which twins."
    )
    lease_seconds: float = Field(6.0, gt=0, description="A worker silent for longer is replaced.")
    checkpoint_seconds: float = Field(10.0, gt=0, le=10, description="Time between two checkpoints of a partition.")
    frame_records: int = Field(8000, ge=1, le=100_000, description="Most records in one frame.")
    pending_records: int = Field(
        40_000, ge=1, description="Most records folded but not yet committed; beyond it fetching pauses."
    )
    retention_days: int = Field(7, ge=1, description="How long the embedded topic log keeps records.")
    anchor_days: int = Field(
        400,
        ge=1,
        description="How long daily anchors, from which `verify` refolds, and ended re-simulation jobs are kept.",
    )
    stall_seconds: float = Field(
        60.0,
        gt=0,
        description="With records waiting and nothing applied for so long, the worker exits to be restarted.",
    )
    memory_limit_mb: int = Field(
        4096, ge=128, description="Above this resident size the worker exits at a frame's end."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of the worker's /metrics, /healthz and /readyz.")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of the worker's /metrics, /healthz and /readyz; 0: none."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(False, description="Structured logs as JSON lines.")

    @property
    def embedded(self) -> bool:
        """Whether the database is our own embedded PostgreSQL."""
        return self.database is None

    def config_of(self, kind: str) -> Path | None:
        """Give the file that configures the twins of a kind; None: the kind's defaults."""
        files = {
            "bioreactor": self.bioreactor_config,
            "enrollment": self.enrollment_config,
            "supply": self.supply_config,
        }
        return files.get(kind)
