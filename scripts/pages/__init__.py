"""Makes the documentation site's source: pages of the repository, and those that are generated from the code."""
