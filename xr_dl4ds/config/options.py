"""The options of a model, and their classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from xr_dl4ds.config import choices
from xr_dl4ds.config.adversarial_options import Adversarial
from xr_dl4ds.config.flow_options import FlowMatching
from xr_dl4ds.config.loss_choice import ensemble_weights
from xr_dl4ds.config.network_options import Network
from xr_dl4ds.config.sampling_options import Sampling
from xr_dl4ds.config.training_options import Supervised, Training

#: A JSON object.
Json: TypeAlias = dict[str, Any]
#: The classes that hold the options of one role.
OptionGroup = Network | Sampling | Training
#: Training classes, by the names that saved models use.
TRAININGS: dict[str, type[Training]] = {
    "supervised": Supervised,
    "adversarial": Adversarial,
    "flow_matching": FlowMatching,
}
#: The default class of each role.
OPTION_CLASSES: dict[str, type[OptionGroup]] = {
    "network": Network,
    "sampling": Sampling,
    "training": Supervised,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The options of a model: its architecture, its samples and its training.

    Parameters
    ----------
    network : Network
        The architecture.
    sampling : Sampling
        How samples are made from the data.
    training : Supervised, Adversarial or FlowMatching
        How the network is trained.
    """

    network: Network = dataclasses.field(default_factory=Network)
    sampling: Sampling = dataclasses.field(default_factory=Sampling)
    training: Training = dataclasses.field(default_factory=Supervised)

    @property
    def latent(self) -> bool:
        """True if members are drawn from latent Gaussian fields."""
        return self.network.noise == "latent" and self.training.draws_members

    @property
    def flow(self) -> FlowMatching | None:
        """The training options, if these are of flow matching."""
        return self.training if isinstance(self.training, FlowMatching) else None

    @property
    def interpolates_first(self) -> bool:
        """True if the whole network works on LR fields that are interpolated to HR cells."""
        return self.network.upsampling == "interpolation" and self.flow is None

    @property
    def n_noise(self) -> int:
        """Number of noise channels of the network."""
        return 0 if self.latent else self.training.n_noise

    def distributions(self, amounts: Mapping[str, bool]) -> tuple[str | None, ...]:
        """Return the distribution of each target, see `xr_dl4ds.config.choices.PARAMETERS`.

        `amounts` says for each target, in order, whether it is an amount.
        """
        return tuple(self._distribution(name, amount) for name, amount in amounts.items())

    def _distribution(self, target: str, amount: bool) -> str | None:
        loss = self.training.loss_name_of(target)
        if not self.latent or ensemble_weights(loss) is None:
            return self.training.distribution_of(target)
        kind = "latent_amount" if amount else "latent"
        return f"{kind}_directed" if self.network.anisotropic else kind

    def as_plain(self) -> Json:
        """Convert to JSON values."""
        plain = dataclasses.asdict(self)
        kind = next(k for k, cls in TRAININGS.items() if type(self.training) is cls)
        return {**plain, "training": {"kind": kind, **plain["training"]}}

    @classmethod
    def from_plain(cls, plain: Json) -> Options:
        """Restore the options that `as_plain` converted."""
        training = dict(plain["training"])
        # models of earlier versions have their noise inside the network
        network = {"noise": "inside", **plain["network"]}
        trained = TRAININGS[training.pop("kind")](**training)
        if "schedule" not in training:
            trained = _as_earlier(trained)
        return cls(
            network=Network(**network),
            sampling=Sampling(**plain["sampling"]),
            training=trained,
        )

    def replace(self, **groups: OptionGroup) -> Options:
        """Return a copy with other network, sampling or training options."""
        return dataclasses.replace(self, **groups)  # type: ignore[arg-type]

    def keys(self) -> Iterable[str]:
        """Return the roles: network, sampling and training."""
        return OPTION_CLASSES

    def __getitem__(self, role: str) -> OptionGroup:
        """Return the options of one role, so that an `Options` can be used as a mapping."""
        if role not in OPTION_CLASSES:
            raise KeyError(role)
        group: OptionGroup = getattr(self, role)
        return group


def _as_earlier(training: Training) -> Training:
    """Complete options of a version without schedules, so that they train as they did."""
    return dataclasses.replace(
        training,
        schedule="constant" if training.lr_decay_after is None else "step",
        clipnorm=choices.CLIPNORM if training.fits_distributions else None,
        ema=None,
    )
