"""The tables and figures of the thesis' chapters 4 to 6, as data: each can be run on any dataset.

An entry says what is trained, on which datasets, which prompts it is asked with and what is measured; `thesis.csv`
holds the thesis' own numbers. What runs them knows nothing of any single table.
"""
