"""Know the data before they teach: what is wrong with them, and what is done about it.

Checks of single records run over blocks of rows, in any order and any number of processes; checks
of records against each other run over what the blocks keep of them.
"""

from madrigal.curation.curate import Curated, curate
from madrigal.curation.finding import CHECKS, CheckName, Finding
from madrigal.curation.sources import Sources, of_files, of_recipe

__all__ = [
    "CHECKS",
    "CheckName",
    "Curated",
    "Finding",
    "Sources",
    "curate",
    "of_files",
    "of_recipe",
]
