"""The cast of the journeys: what is counted here is counted on the running system. And an office of this process."""

from tests.counts.office import office
from tests.journeys.conftest import ada, database, desk, patient

__all__ = ["ada", "database", "desk", "office", "patient"]
