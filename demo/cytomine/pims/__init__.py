"""An embedded PIMS: the image server's routes, rules and refusals."""

from demo.cytomine.pims.answers import PimsAnswer
from demo.cytomine.pims.routes import pims_router
from demo.cytomine.pims.service import Pims

__all__ = ["Pims", "PimsAnswer", "pims_router"]
