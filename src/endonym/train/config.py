"""What a recipe may say about a phase of training. Imports no torch."""

from typing import Literal

from pydantic import Field, model_validator

from endonym.config import NOT_IDENTITY, Config


class Phase(Config):
    """One stretch of training: how long, how fast, how careful."""

    name: str = Field(
        default="pretrain",
        pattern=r"^[\w.-]{1,64}$",
        description="what the run calls it",
        json_schema_extra=NOT_IDENTITY,
    )
    start: Literal["previous", "scratch"] = Field(
        default="previous",
        description="where the weights come from; the first phase starts from scratch",
    )
    steps: int | None = Field(default=None, ge=1, description="optimiser steps")
    tokens: int | None = Field(default=None, ge=1, description="training tokens, repeats included")
    epochs: float | None = Field(default=None, gt=0, description="passes over the training text")
    batch_tokens: int | None = Field(default=None, ge=1, description="tokens of one optimiser step")
    lr: float | None = Field(default=None, gt=0, description="peak learning rate of the matrices")
    embedding_lr: float | None = Field(
        default=None,
        gt=0,
        description="peak learning rate of embeddings and head; four times lr if not given",
    )
    warmup_steps: int | None = Field(default=None, ge=0, description="steps from 0 to the peak")
    schedule: Literal["linear", "cosine", "constant"] | None = Field(
        default=None,
        description="from the peak: straight to zero, half a cosine to a tenth, or level",
    )
    weight_decay: float | None = Field(
        default=None, ge=0, description="pull of the matrices towards zero, times the learning rate"
    )
    betas: tuple[float, float] = Field(
        default=(0.9, 0.95), description="AdamW's memories of the gradient and of its square"
    )
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    eval_every_steps: int | None = Field(
        default=None,
        ge=1,
        description="steps between looks at held-out text; a twentieth if not given",
    )
    eval_tokens: int = Field(
        default=32_768,
        ge=1,
        description="held-out tokens of such a look; all are scored at the end",
    )
    patience: int | None = Field(
        default=None, ge=1, description="stop after this many looks without a better one"
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="hand on the weights of the best look, or the last ones"
    )
    save_every_steps: int | None = Field(
        default=None,
        ge=1,
        description="steps between checkpoints; as eval_every_steps if not given",
        json_schema_extra=NOT_IDENTITY,
    )
    number_format: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="of the arithmetic; masters are fp32. auto measures this machine",
    )
    micro_tokens: int = Field(
        default=16_384,
        ge=1,
        description="tokens held in memory at once; a batch is split to fit",
        json_schema_extra=NOT_IDENTITY,
    )

    shard: Literal["none", "gradients", "weights"] = Field(
        default="none",
        description="what several processes hold in parts: nothing, gradients and optimiser "
        "states, or weights too",
        json_schema_extra=NOT_IDENTITY,
    )

    @model_validator(mode="after")
    def one_budget(self) -> "Phase":
        """Steps, tokens or epochs, and only one of them."""
        given = [name for name in ("steps", "tokens", "epochs") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of steps, tokens and epochs, not {' and '.join(given)}")
        return self
