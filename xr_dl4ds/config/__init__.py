"""Options: frozen, keyword-only dataclasses of plain JSON values, checked where they are built."""

from xr_dl4ds.config import choices as choices
from xr_dl4ds.config.adversarial import Adversarial as Adversarial
from xr_dl4ds.config.checks import nearest as nearest
from xr_dl4ds.config.choices import BACKBONES as BACKBONES
from xr_dl4ds.config.choices import CONSTRAINTS as CONSTRAINTS
from xr_dl4ds.config.choices import LEARNED_UPSAMPLINGS as LEARNED_UPSAMPLINGS
from xr_dl4ds.config.choices import UPSAMPLINGS as UPSAMPLINGS
from xr_dl4ds.config.network import Network as Network
from xr_dl4ds.config.registry import CUSTOM_BACKBONES as CUSTOM_BACKBONES
from xr_dl4ds.config.registry import register_backbone as register_backbone
from xr_dl4ds.config.routing import OPTION_CLASSES as OPTION_CLASSES
from xr_dl4ds.config.routing import TRAININGS as TRAININGS
from xr_dl4ds.config.routing import as_plain as as_plain
from xr_dl4ds.config.routing import from_plain as from_plain
from xr_dl4ds.config.routing import route as route
from xr_dl4ds.config.routing import settled as settled
from xr_dl4ds.config.sampling import Sampling as Sampling
from xr_dl4ds.config.training import Supervised as Supervised
from xr_dl4ds.config.training import Training as Training
