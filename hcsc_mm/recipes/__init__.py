from .arithmetic import Material, Recipe, fit_recipe
from .fit import fit_to_images

__all__ = ["Material", "Recipe", "fit_recipe", "fit_to_images"]
