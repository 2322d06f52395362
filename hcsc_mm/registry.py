"""Child registries of mmengine's roots, under the scope ``hcsc_mm``.

Configs keep ``default_scope = 'mmpretrain'`` and name our classes ``hcsc_mm.<Name>``: a sibling
registry as default scope would hide mmpretrain's own types from mmpretrain's own constructors. Only
the registries in use are here.
"""

from mmengine.registry import DATA_SAMPLERS as ROOT_DATA_SAMPLERS
from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import FUNCTIONS as ROOT_FUNCTIONS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS as ROOT_LOOPS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as ROOT_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmengine.registry import Registry

SCOPE = "hcsc_mm"

MODELS = Registry("model", parent=ROOT_MODELS, scope=SCOPE, locations=["hcsc_mm.models"])
HOOKS = Registry(
    "hook", parent=ROOT_HOOKS, scope=SCOPE, locations=["hcsc_mm.engine", "hcsc_mm.runtime"]
)
LOOPS = Registry(
    "loop", parent=ROOT_LOOPS, scope=SCOPE, locations=["hcsc_mm.runtime", "hcsc_mm.evaluation"]
)
OPTIM_WRAPPERS = Registry(
    "optim_wrapper", parent=ROOT_OPTIM_WRAPPERS, scope=SCOPE, locations=["hcsc_mm.runtime"]
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    "optimizer wrapper constructor",
    parent=ROOT_OPTIM_WRAPPER_CONSTRUCTORS,
    scope=SCOPE,
    locations=["hcsc_mm.runtime"],
)
METRICS = Registry("metric", parent=ROOT_METRICS, scope=SCOPE, locations=["hcsc_mm.evaluation"])
DATASETS = Registry("dataset", parent=ROOT_DATASETS, scope=SCOPE, locations=["hcsc_mm.datasets"])
TRANSFORMS = Registry(
    "transform", parent=ROOT_TRANSFORMS, scope=SCOPE, locations=["hcsc_mm.datasets"]
)
DATA_SAMPLERS = Registry(
    "data sampler", parent=ROOT_DATA_SAMPLERS, scope=SCOPE, locations=["hcsc_mm.datasets"]
)
FUNCTIONS = Registry(
    "function",
    parent=ROOT_FUNCTIONS,
    scope=SCOPE,
    locations=["hcsc_mm.datasets", "hcsc_mm.recipes", "hcsc_mm.runtime"],
)
