"""A page for people of what a run did, the least sure outlines first: one HTML file that needs nothing else."""

from cytomine_refine.report.page import write_page
from cytomine_refine.report.pictures import Picture, picture_of

__all__ = ["Picture", "picture_of", "write_page"]
