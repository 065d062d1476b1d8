"""Options: frozen, keyword-only dataclasses of plain JSON values, checked when they are created."""

from xr_dl4ds.config import choices as choices
from xr_dl4ds.config.adversarial_options import Adversarial as Adversarial
from xr_dl4ds.config.choices import BACKBONES as BACKBONES
from xr_dl4ds.config.choices import CONSTRAINTS as CONSTRAINTS
from xr_dl4ds.config.choices import LEARNED_UPSAMPLINGS as LEARNED_UPSAMPLINGS
from xr_dl4ds.config.choices import UPSAMPLINGS as UPSAMPLINGS
from xr_dl4ds.config.flow_options import FlowMatching as FlowMatching
from xr_dl4ds.config.network_options import Network as Network
from xr_dl4ds.config.options import OPTION_CLASSES as OPTION_CLASSES
from xr_dl4ds.config.options import TRAININGS as TRAININGS
from xr_dl4ds.config.options import Json as Json
from xr_dl4ds.config.options import OptionGroup as OptionGroup
from xr_dl4ds.config.options import Options as Options
from xr_dl4ds.config.registry import CUSTOM_BACKBONES as CUSTOM_BACKBONES
from xr_dl4ds.config.registry import register_backbone as register_backbone
from xr_dl4ds.config.routing import noise_of as noise_of
from xr_dl4ds.config.routing import route as route
from xr_dl4ds.config.routing import settled as settled
from xr_dl4ds.config.sampling_options import Sampling as Sampling
from xr_dl4ds.config.scale import SAME as SAME
from xr_dl4ds.config.scale import Scale as Scale
from xr_dl4ds.config.training_options import Supervised as Supervised
from xr_dl4ds.config.training_options import Training as Training
from xr_dl4ds.config.value_checks import nearest as nearest
