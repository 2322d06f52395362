"""Methods beside each other: data × method × seed, one small file a cell, one table."""

from .cells import Cell, cells_of
from .grid import Grid, read_grid
from .measure import measure_cell
from .table import save_comparison

__all__ = ["Cell", "Grid", "cells_of", "measure_cell", "read_grid", "save_comparison"]
